#!/usr/bin/env bash
# The emulator as the AWS command line sees it. ENDPOINT is where it listens; aws is on the path.
set -euo pipefail
export AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local
export AWS_PAGER='' AWS_EC2_METADATA_DISABLED=true

aws() {
  command aws --endpoint-url "$ENDPOINT" "$@"
}

expect() { # expect WHAT WANTED FOUND
  [ "$2" = "$3" ] || { echo "$1: wanted '$2', found '$3'" >&2; exit 1; }
}

dead=$(aws sqs create-queue --queue-name cli-dead --query QueueUrl --output text)
expect 'queue URL' "$ENDPOINT/000000000000/cli-dead" "$dead"
policy='{"RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:cli-dead\",\"maxReceiveCount\":\"1\"}"}'
jobs=$(aws sqs create-queue --queue-name cli-jobs --attributes "$policy" --query QueueUrl --output text)
sources=$(aws sqs list-dead-letter-source-queues --queue-url "$dead" --query 'queueUrls[0]' --output text)
expect 'dead-letter source' "$jobs" "$sources"

aws sqs send-message --queue-url "$jobs" --message-body poison > /dev/null
expect 'first receive' poison \
  "$(aws sqs receive-message --queue-url "$jobs" --visibility-timeout 0 --query 'Messages[0].Body' --output text)"
expect 'second receive' '' "$(aws sqs receive-message --queue-url "$jobs")"
expect 'dead letter' poison \
  "$(aws sqs receive-message --queue-url "$dead" --visibility-timeout 0 --query 'Messages[0].Body' --output text)"

if error=$(aws sqs get-queue-url --queue-name cli-nothing 2>&1); then
  echo 'a missing queue was found' >&2
  exit 1
fi
case $error in
  *AWS.SimpleQueueService.NonExistentQueue*) ;;
  *) echo "unexpected error: $error" >&2; exit 1 ;;
esac
aws sqs delete-queue --queue-url "$jobs"
echo done
