#!/usr/bin/env bash
# Lambda's API as the AWS command line sees it. ENDPOINT is where it listens; aws is on the path.
set -euo pipefail
export AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local
export AWS_PAGER='' AWS_EC2_METADATA_DISABLED=true

aws() {
  command aws --endpoint-url "$ENDPOINT" "$@"
}

expect() { # expect WHAT WANTED FOUND
  [ "$2" = "$3" ] || { echo "$1: wanted '$2', found '$3'" >&2; exit 1; }
}

# A payload in a file is taken as it is by both versions of the program.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
invoke() { # invoke PAYLOAD QUERY
  printf '%s' "$1" > "$folder/payload"
  aws lambda invoke --function-name echo --payload "fileb://$folder/payload" --query "$2" --output text "$folder/reply"
}
expect 'status and version' $'200\t$LATEST' "$(invoke '{"a": 1}' '[StatusCode, ExecutedVersion]')"
expect 'payload' '{"a": 1}' "$(cat "$folder/reply")"
expect 'function error' Unhandled "$(invoke '{"fail": 1}' FunctionError)"
expect 'functions' echo "$(aws lambda list-functions --query 'Functions[].FunctionName' --output text)"
jobs=$(aws sqs create-queue --queue-name cli-lambda --query QueueUrl --output text)
uuid=$(aws lambda create-event-source-mapping --function-name echo \
  --event-source-arn arn:aws:sqs:us-east-1:000000000000:cli-lambda --query UUID --output text)
expect 'state' Enabled "$(aws lambda get-event-source-mapping --uuid "$uuid" --query State --output text)"
aws sqs send-message --queue-url "$jobs" --message-body hello > /dev/null
until [ "$(aws sqs get-queue-attributes --queue-url "$jobs" --query 'Attributes.*' --output text --attribute-names \
  ApproximateNumberOfMessages ApproximateNumberOfMessagesNotVisible)" = $'0\t0' ]; do
  :
done
expect 'paused' Disabling \
  "$(aws lambda update-event-source-mapping --uuid "$uuid" --no-enabled --query State --output text)"
until [ "$(aws lambda get-event-source-mapping --uuid "$uuid" --query State --output text)" = Disabled ]; do
  :
done
expect 'deleted' Deleting "$(aws lambda delete-event-source-mapping --uuid "$uuid" --query State --output text)"
if error=$(aws lambda get-function --function-name nobody 2>&1); then
  echo 'a missing function was found' >&2
  exit 1
fi
case $error in
  *'(ResourceNotFoundException)'*'Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody'*) ;;
  *) echo "unexpected error: $error" >&2; exit 1 ;;
esac
echo done
