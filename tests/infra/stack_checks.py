"""What a deployed stack has to look like, asked through the APIs of its services."""

import json
from urllib.parse import unquote_plus

ACCOUNT_IN_ARN = 4


def outputs(cloudformation, name: str) -> dict[str, str]:
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def resource_types(cloudformation, name: str) -> list[str]:
    summaries = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
    # Those that moto leaves out have no type there.
    return sorted(resource["ResourceType"] for resource in summaries if "ResourceType" in resource)


def check_queues(sqs, found: dict[str, str]) -> None:
    """The attributes of both queues."""

    def attributes(url: str) -> dict[str, str]:
        return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]

    jobs, letters = attributes(found["QueueUrl"]), attributes(found["DeadLetterQueueUrl"])
    assert jobs["QueueArn"] == found["QueueArn"], jobs
    assert jobs["VisibilityTimeout"] == "750", jobs
    assert jobs["MessageRetentionPeriod"] == "345600", jobs
    assert jobs["ReceiveMessageWaitTimeSeconds"] == "20", jobs
    assert letters["MessageRetentionPeriod"] == "1209600", letters
    for queue in (jobs, letters):
        assert queue["SqsManagedSseEnabled"] == "true", queue
    redrive = json.loads(jobs["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"] == letters["QueueArn"], redrive
    assert int(redrive["maxReceiveCount"]) == 5, redrive


def check_queue_policies(sqs, found: dict[str, str]) -> None:
    """Both refuse what comes without TLS, the jobs queue takes messages of the source bucket, the other those of this one."""

    def statements(url: str, effect: str) -> list[dict]:
        policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
        return [statement for statement in json.loads(policy)["Statement"] if statement["Effect"] == effect]

    for url in (found["QueueUrl"], found["DeadLetterQueueUrl"]):
        (denied,) = statements(url, "Deny")
        assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}, denied
    letters = sqs.get_queue_attributes(QueueUrl=found["DeadLetterQueueUrl"], AttributeNames=["RedriveAllowPolicy"])
    allow = json.loads(letters["Attributes"]["RedriveAllowPolicy"])
    assert allow == {"redrivePermission": "byQueue", "sourceQueueArns": [found["QueueArn"]]}, allow
    (sender,) = statements(found["QueueUrl"], "Allow")
    expected = {
        "ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{found['SourceBucket']}"},
        "StringEquals": {"aws:SourceAccount": found["QueueArn"].split(":")[ACCOUNT_IN_ARN]},
    }
    assert sender["Condition"] == expected, sender


def check_bucket_policies(s3, found: dict[str, str]) -> None:
    """Both are private and refuse what comes without TLS."""
    for bucket in (found["SourceBucket"], found["TargetBucket"]):
        blocked = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        assert all(blocked.values()) and len(blocked) == 4, blocked
        (denied,) = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
        assert denied["Effect"] == "Deny" and "aws:SecureTransport" in denied["Condition"]["Bool"], denied
        assert denied["Resource"] == [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"], denied


def check_encryption(s3, found: dict[str, str]) -> None:
    """Both buckets are encrypted."""
    for bucket in (found["SourceBucket"], found["TargetBucket"]):
        rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256", rules


def check_announcement(s3, sqs, found: dict[str, str]) -> None:
    """The source bucket alone announces to the queue, and an upload becomes a message that names it."""
    notification = s3.get_bucket_notification_configuration(Bucket=found["SourceBucket"])
    (announced,) = notification["QueueConfigurations"]
    assert announced["QueueArn"] == found["QueueArn"] and announced["Events"] == ["s3:ObjectCreated:*"], announced
    assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket=found["TargetBucket"])
    key = "2026/a cat + ü.jpg"
    s3.put_object(Bucket=found["SourceBucket"], Key=key, Body=b"not looked at")
    records = []
    for _ in range(5):
        received = sqs.receive_message(QueueUrl=found["QueueUrl"], MaxNumberOfMessages=10, WaitTimeSeconds=2)
        for message in received.get("Messages", []):
            records += json.loads(message["Body"]).get("Records", [])
        if records:
            break
    (record,) = records
    assert record["s3"]["bucket"]["name"] == found["SourceBucket"], record
    # AWS writes a space as "+", LocalStack as "%20".
    assert unquote_plus(record["s3"]["object"]["key"]) == key, record
