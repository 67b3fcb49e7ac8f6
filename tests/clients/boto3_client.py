"""The emulator as boto3 sees it: over JSON, or over Query (1.26). ENDPOINT is where it listens."""

import json
import os
import threading

import boto3
from botocore.exceptions import ClientError

sqs = boto3.client(
    "sqs",
    endpoint_url=os.environ["ENDPOINT"],
    region_name="eu-west-1",
    aws_access_key_id="123456789012",
    aws_secret_access_key="secret",
)


def arn(url):
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def receive(url, **options):
    options = {"MaxNumberOfMessages": 10, "AttributeNames": ["All"], "MessageAttributeNames": ["All"], **options}
    return sqs.receive_message(QueueUrl=url, **options).get("Messages", [])


# Create, send, receive, delete. boto3 itself checks every digest.
dead = sqs.create_queue(QueueName="boto3-dead", tags={"team": "photos"})["QueueUrl"]
assert arn(dead) == "arn:aws:sqs:eu-west-1:123456789012:boto3-dead", arn(dead)
assert sqs.list_queue_tags(QueueUrl=dead)["Tags"] == {"team": "photos"}
policy = json.dumps({"deadLetterTargetArn": arn(dead), "maxReceiveCount": 1})
jobs = sqs.create_queue(QueueName="boto3-jobs", Attributes={"RedrivePolicy": policy})["QueueUrl"]
attributes = {
    "color": {"DataType": "String", "StringValue": "red"},
    "count": {"DataType": "Number.int", "StringValue": "3"},
    "blob": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
}
sqs.send_message(QueueUrl=jobs, MessageBody='h\u00e4llo "w\u00f6rld" \r\n<&>', MessageAttributes=attributes)
[message] = receive(jobs)
assert message["Body"] == 'h\u00e4llo "w\u00f6rld" \r\n<&>'
assert message["MessageAttributes"]["blob"]["BinaryValue"] == b"\x00\xff"
assert message["Attributes"]["ApproximateReceiveCount"] == "1"
sqs.delete_message(QueueUrl=jobs, ReceiptHandle=message["ReceiptHandle"])
assert receive(jobs) == []

# A long poll ends when a message comes.
waiting = threading.Timer(0, lambda: sqs.send_message(QueueUrl=dead, MessageBody="at last"))
waiting.start()
[message] = receive(dead, WaitTimeSeconds=20)
waiting.join()
assert message["Body"] == "at last"
sqs.change_message_visibility(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
[message] = receive(dead)
assert message["Attributes"]["ApproximateReceiveCount"] == "2"
sqs.delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])

# Batches, whose entries fail one by one.
entries = [{"Id": str(n), "MessageBody": f"body {n}"} for n in range(9)]
bad = {"Id": "bad", "MessageBody": "delayed for too long", "DelaySeconds": 901}
answer = sqs.send_message_batch(QueueUrl=jobs, Entries=[*entries, bad])
assert len(answer["Successful"]) == 9, answer
[failed] = answer["Failed"]
assert (failed["Id"], failed["Code"], failed["SenderFault"]) == ("bad", "InvalidParameterValue", True), failed
received = receive(jobs)
entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(received)]
shown = sqs.change_message_visibility_batch(QueueUrl=jobs, Entries=[{**e, "VisibilityTimeout": 60} for e in entries])
assert len(shown["Successful"]) == len(received), shown
answer = sqs.delete_message_batch(QueueUrl=jobs, Entries=[*entries, {"Id": "bad", "ReceiptHandle": "garbage"}])
assert len(answer["Successful"]) == len(received), answer
assert [(failed["Id"], failed["Code"]) for failed in answer["Failed"]] == [("bad", "ReceiptHandleIsInvalid")], answer

# The page of a list ends with a token, and the paginator finds them all.
names = [url.rsplit("/", 1)[1] for page in sqs.get_paginator("list_queues").paginate(
    QueueNamePrefix="boto3-", PaginationConfig={"PageSize": 1}) for url in page.get("QueueUrls", [])]
assert names == ["boto3-dead", "boto3-jobs"], names

# A dead letter, and back.
sqs.purge_queue(QueueUrl=jobs)
sqs.send_message(QueueUrl=jobs, MessageBody="poison")
assert receive(jobs, VisibilityTimeout=0)[0]["Body"] == "poison"
assert receive(jobs) == []
task = sqs.start_message_move_task(SourceArn=arn(dead))["TaskHandle"]
assert task
[result] = sqs.list_message_move_tasks(SourceArn=arn(dead))["Results"]
assert result["Status"] == "COMPLETED" and result["ApproximateNumberOfMessagesMoved"] == 1, result
assert receive(jobs)[0]["Body"] == "poison"

# FIFO: order, groups, deduplication.
attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
fifo = sqs.create_queue(QueueName="boto3-jobs.fifo", Attributes=attributes)["QueueUrl"]
first = sqs.send_message(QueueUrl=fifo, MessageBody="1", MessageGroupId="a")
again = sqs.send_message(QueueUrl=fifo, MessageBody="1", MessageGroupId="a")
assert first["MessageId"] == again["MessageId"] and first["SequenceNumber"] == again["SequenceNumber"]
for group, body in [("a", "2"), ("b", "3"), ("a", "4")]:
    sqs.send_message(QueueUrl=fifo, MessageBody=body, MessageGroupId=group)
assert [message["Body"] for message in receive(fifo)] == ["1", "2", "4", "3"]

# Errors are caught by type.
try:
    sqs.get_queue_url(QueueName="boto3-nothing")
    raise AssertionError("no error")
except sqs.exceptions.QueueDoesNotExist as error:
    assert error.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400
try:
    sqs.create_queue(QueueName="boto3-jobs", Attributes={"DelaySeconds": "7"})
    raise AssertionError("no error")
except sqs.exceptions.QueueNameExists as error:
    assert "DelaySeconds" in str(error)
try:
    sqs.purge_queue(QueueUrl=jobs)
    raise AssertionError("no error")
except sqs.exceptions.PurgeQueueInProgress as error:
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
try:
    sqs.delete_message(QueueUrl=jobs, ReceiptHandle="garbage")
    raise AssertionError("no error")
except ClientError as error:
    assert error.response["Error"]["Code"] == "ReceiptHandleIsInvalid"
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 404

print("done")
