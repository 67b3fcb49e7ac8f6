#!/usr/bin/env bash
# Buckets as the AWS command line sees them. ENDPOINT is where the emulator listens; aws is on the path.
set -euo pipefail
export AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local
export AWS_PAGER='' AWS_EC2_METADATA_DISABLED=true

aws() {
  command aws --endpoint-url "$ENDPOINT" "$@"
}

expect() { # expect WHAT WANTED FOUND
  [ "$2" = "$3" ] || { echo "$1: wanted '$2', found '$3'" >&2; exit 1; }
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/up/sub dir"
printf 'meow' > "$folder/up/cat + dog.txt"
printf 'w\xc3\xb6rld' > "$folder/up/sub dir/h\xc3\xa4llo.txt"
head -c 20000000 /dev/urandom > "$folder/up/film.bin"

aws s3 mb s3://cli-photos > /dev/null
aws s3 cp "$folder/up/cat + dog.txt" s3://cli-photos/one/ --only-show-errors
expect 'listing' 'one/cat + dog.txt' \
  "$(aws s3api list-objects-v2 --bucket cli-photos --query 'Contents[].Key' --output text)"
expect 'content' meow "$(aws s3 cp 's3://cli-photos/one/cat + dog.txt' -)"
aws s3 sync "$folder/up" s3://cli-photos/all --only-show-errors
expect 'nothing new' '' "$(aws s3 sync "$folder/up" s3://cli-photos/all)"
aws s3 sync s3://cli-photos/all "$folder/down" --only-show-errors
diff -r "$folder/up" "$folder/down"
aws s3 mv s3://cli-photos/all/film.bin s3://cli-photos/film --only-show-errors
expect 'size' 20000000 "$(aws s3api head-object --bucket cli-photos --key film --query ContentLength --output text)"
url=$(aws s3 presign 's3://cli-photos/one/cat + dog.txt')
expect 'presigned' meow "$(curl --silent --fail "$url")"
if error=$(aws s3 cp s3://cli-photos/none - 2>&1); then
  echo 'a missing object was found' >&2
  exit 1
fi
case $error in
  *404*) ;;
  *) echo "unexpected error: $error" >&2; exit 1 ;;
esac
# Keys that no folder has: as they are, there and back.
for key in 'a//b' 'x + y&z=?.txt' $'h\xc3\xa4llo/w\xc3\xb6rld.txt' 'dir/' 'percent%20.txt'; do
  printf '%s' "$key" > "$folder/body"
  aws s3api put-object --bucket cli-photos --key "$key" --body "$folder/body" > /dev/null
  aws s3api get-object --bucket cli-photos --key "$key" "$folder/found" > /dev/null
  expect "key $key" "$key" "$(cat "$folder/found")"
  expect "listing of $key" 1 \
    "$(aws s3api list-objects-v2 --bucket cli-photos --prefix "$key" --query 'length(Contents)' --output text)"
done
aws s3 rb s3://cli-photos --force > /dev/null
expect 'buckets' '' "$(aws s3 ls)"
echo done
