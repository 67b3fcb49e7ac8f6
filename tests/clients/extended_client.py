"""The emulator as amazon-sqs-extended-client sees it, which keeps large messages in S3.

ENDPOINT is where it listens, S3_ENDPOINT where an S3 server does, which has the bucket "payloads".
"""

import os

import boto3
import sqs_extended_client  # noqa: F401, boto3's clients of SQS have its functions from here on

access = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
s3 = boto3.client("s3", endpoint_url=os.environ["S3_ENDPOINT"], **access)
sqs = boto3.client("sqs", endpoint_url=os.environ["ENDPOINT"], **access)
sqs.s3_client = s3
sqs.large_payload_support = "payloads"
sqs.delete_payload_from_s3 = True


def stored():
    return s3.list_objects_v2(Bucket="payloads").get("Contents", [])


url = sqs.create_queue(QueueName="extended-jobs")["QueueUrl"]
body = "\u00e4" * 200_000
color = {"color": {"DataType": "String", "StringValue": "red"}}
sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=color)
assert len(stored()) == 1
[message] = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], WaitTimeSeconds=1)["Messages"]
assert message["Body"] == body
assert message["MessageAttributes"]["color"]["StringValue"] == "red"

# The receipt handle now says where in S3 the message is; what comes after the last hyphen is the queue's.
sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
[message] = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
assert stored() == []

# A small message takes no way round.
sqs.send_message(QueueUrl=url, MessageBody="small")
[message] = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
assert message["Body"] == "small" and stored() == []
sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
assert "Messages" not in sqs.receive_message(QueueUrl=url)

print("done")
