"""Lambda's API as boto3 sees it. ENDPOINT is where it is, SIGNED_ENDPOINT where requests must be signed."""

import io
import json
import os
import time
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


def client(service, endpoint="ENDPOINT", secret="secret"):
    return boto3.client(
        service,
        endpoint_url=os.environ[endpoint],
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 0}),
    )


def refused(call, code, **parameters):
    try:
        call(**parameters)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        return error.response["Error"]["Message"]
    raise AssertionError(f"{parameters} were not refused")


sqs, functions = client("sqs"), client("lambda")

# Invoke.
reply = functions.invoke(FunctionName="echo", Payload=json.dumps({"a": 1}), LogType="Tail")
assert (reply["StatusCode"], reply["ExecutedVersion"], "FunctionError" in reply) == (200, "$LATEST", False), reply
assert json.load(reply["Payload"]) == {"a": 1}
reply = functions.invoke(FunctionName="echo", Payload=b'{"fail": true}')
assert reply["FunctionError"] == "Unhandled"
assert json.load(reply["Payload"]) == {"errorType": "Bad", "errorMessage": "as asked"}
assert functions.invoke(FunctionName="echo", InvocationType="Event", Payload=b"{}")["StatusCode"] == 202
assert functions.invoke(FunctionName="echo", InvocationType="DryRun")["StatusCode"] == 204
text = refused(functions.invoke, "ResourceNotFoundException", FunctionName="nobody")
assert text.endswith(":function:nobody:$LATEST"), text
refused(functions.invoke, "InvalidRequestContentException", FunctionName="echo", Payload=b"{")

# Functions.
archive = io.BytesIO()
with zipfile.ZipFile(archive, "w") as package:
    package.writestr("app.py", "def handler(event, context): pass")
settings = {"Runtime": "python3.12", "Handler": "app.handler", "Role": "arn:aws:iam::000000000000:role/r"}
made = functions.create_function(FunctionName="made", Code={"ZipFile": archive.getvalue()}, Timeout=7, **settings)
assert made["FunctionArn"] == "arn:aws:lambda:us-east-1:000000000000:function:made"
functions.get_waiter("function_active_v2").wait(FunctionName="made")
assert json.load(functions.invoke(FunctionName="made")["Payload"]) == len(archive.getvalue()) == made["CodeSize"]
functions.update_function_code(FunctionName="made", ZipFile=b"four")
assert json.load(functions.invoke(FunctionName=made["FunctionArn"])["Payload"]) == 4
functions.update_function_configuration(FunctionName="made", Timeout=9)
assert functions.get_function_configuration(FunctionName="made")["Timeout"] == 9
assert functions.get_function(FunctionName="made")["Configuration"]["Handler"] == "app.handler"
pages = functions.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 1})
assert [it["FunctionName"] for page in pages for it in page["Functions"]] == ["echo", "made"]
refused(functions.create_function, "ResourceConflictException", FunctionName="made", Code={"ZipFile": b"x"}, **settings)
functions.delete_function(FunctionName="made")
refused(functions.get_function, "ResourceNotFoundException", FunctionName="made")

# A mapping.
jobs = sqs.create_queue(QueueName="boto3-lambda")["QueueUrl"]
arn = sqs.get_queue_attributes(QueueUrl=jobs, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def state(wanted):
    while (found := functions.get_event_source_mapping(UUID=uuid))["State"] != wanted:
        time.sleep(0.05)
    return found


def messages():
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=jobs, AttributeNames=names)["Attributes"]
    return sum(int(count) for count in found.values())


created = functions.create_event_source_mapping(
    EventSourceArn=arn,
    FunctionName="echo",
    BatchSize=5,
    FunctionResponseTypes=["ReportBatchItemFailures"],
    FilterCriteria={"Filters": [{"Pattern": json.dumps({"body": ["a"]})}]},
    ScalingConfig={"MaximumConcurrency": 2},
)
uuid = created["UUID"]
assert created["State"] == "Creating" and created["LastModified"].year >= 2020
assert state("Enabled")["FilterCriteria"] == {"Filters": [{"Pattern": '{"body": ["a"]}'}]}
sqs.send_message(QueueUrl=jobs, MessageBody="a")
while messages() > 0:
    time.sleep(0.05)
functions.update_event_source_mapping(UUID=uuid, Enabled=False)
state("Disabled")
sqs.send_message(QueueUrl=jobs, MessageBody="a")
assert messages() == 1
assert functions.update_event_source_mapping(UUID=uuid, Enabled=True, BatchSize=1)["State"] == "Enabling"
assert state("Enabled")["BatchSize"] == 1
while messages() > 0:
    time.sleep(0.05)
create = functions.create_event_source_mapping
text = refused(create, "ResourceConflictException", EventSourceArn=arn, FunctionName="echo")
assert uuid in text, text
refused(create, "InvalidParameterValueException", EventSourceArn=f"{arn}-gone", FunctionName="echo")
refused(create, "ResourceNotFoundException", EventSourceArn=arn, FunctionName="nobody")
[listed] = functions.list_event_source_mappings(EventSourceArn=arn, FunctionName="echo")["EventSourceMappings"]
assert listed["UUID"] == uuid
assert functions.delete_event_source_mapping(UUID=uuid)["State"] == "Deleting"
while functions.list_event_source_mappings()["EventSourceMappings"]:
    time.sleep(0.05)
refused(functions.get_event_source_mapping, "ResourceNotFoundException", UUID=uuid)

# What is not there is named; what must be signed is signed for Lambda.
assert "PublishVersion" in refused(functions.publish_version, "NotImplemented", FunctionName="echo")
signed = client("lambda", "SIGNED_ENDPOINT")
name = "arn:aws:lambda:us-east-1:000000000000:function:echo"
assert json.load(signed.invoke(FunctionName=name, Payload=b"1")["Payload"]) == 1
assert [it["FunctionName"] for it in signed.list_functions(MaxItems=10)["Functions"]] == ["echo"]
refused(client("lambda", "SIGNED_ENDPOINT", "wrong").list_functions, "InvalidSignatureException")
print("done")
