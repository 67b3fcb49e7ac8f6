"""Deploys queues and buckets into a LocalStack and uploads an image: deploy_localstack.py ENDPOINT TEMPLATE STACK.

STACK is the file that says afterwards where everything is, for tests/tests/any_endpoint.rs.

It may be asked as soon as the LocalStack is started, and waits until that answers.
"""

import json
import os
import pathlib
import sys
import time
import urllib.request

import boto3
from botocore.config import Config
from stack_checks import (
    check_announcement,
    check_bucket_policies,
    check_encryption,
    check_queue_policies,
    check_queues,
    outputs,
    resource_types,
)


def wait_until_ready(endpoint: str) -> None:
    """Its first start installs it, which takes minutes."""
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"{endpoint}/_localstack/health", timeout=5):
                return
        except OSError:
            time.sleep(1)
    raise TimeoutError(f"nothing answers at {endpoint}")


def main() -> None:
    endpoint, template = sys.argv[1], pathlib.Path(sys.argv[2]).read_text()
    stack = pathlib.Path(sys.argv[3])
    region = "eu-central-1"

    wait_until_ready(endpoint)

    def client(service: str):
        return boto3.client(
            service,
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(s3={"addressing_style": "path"}),
        )

    # Another one each time, so that a LocalStack can be asked again.
    name = f"photos-{os.getpid()}"
    cloudformation, s3, sqs = (client(service) for service in ("cloudformation", "s3", "sqs"))
    parameters = [{"ParameterKey": name, "ParameterValue": "false"} for name in ("DeployFunction", "DeployApi")]
    cloudformation.create_stack(StackName=name, TemplateBody=template, Parameters=parameters)
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    found = outputs(cloudformation, name)
    check_queues(sqs, found)
    check_queue_policies(sqs, found)
    check_encryption(s3, found)
    check_bucket_policies(s3, found)
    check_announcement(s3, sqs, found)
    sqs.purge_queue(QueueUrl=found["QueueUrl"])
    places = {
        "endpoint": endpoint,
        "region": region,
        "queueUrl": found["QueueUrl"],
        "deadLetterQueueUrl": found["DeadLetterQueueUrl"],
        "sourceBucket": found["SourceBucket"],
        "targetBucket": found["TargetBucket"],
    }
    stack.write_text(json.dumps(places))
    print(f"LocalStack: {len(resource_types(cloudformation, name))} resources; an upload became a message")


main()
