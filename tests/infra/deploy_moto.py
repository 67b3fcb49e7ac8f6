"""Deploys the transformed template twice into one account of moto's, in process: deploy_moto.py TEMPLATE.

moto's CloudFormation leaves out policies of queues and buckets, RedriveAllowPolicy, public access blocks, notifications,
architectures, HTTP APIs and alarms. LocalStack knows most of these: deploy_localstack.py.
"""

import io
import logging
import os
import pathlib
import sys
import zipfile

os.environ |= {"AWS_ACCESS_KEY_ID": "moto", "AWS_SECRET_ACCESS_KEY": "moto", "AWS_DEFAULT_REGION": "eu-central-1"}

import boto3
from moto import mock_aws
from stack_checks import check_encryption, check_queues, outputs, resource_types


def put_code() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr("bootstrap", "")
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="code", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_object(Bucket="code", Key="handler.zip", Body=archive.getvalue())


def check_function(found: dict[str, str]) -> None:
    client = boto3.client("lambda")
    function = client.get_function_configuration(FunctionName=found["FunctionName"])
    assert function["Runtime"] == "provided.al2023", function
    assert (function["MemorySize"], function["Timeout"]) == (2048, 60), function
    variables = function["Environment"]["Variables"]
    assert variables["QUEUE_URL"] == found["QueueUrl"], variables
    assert variables["DEAD_LETTER_QUEUE_URL"] == found["DeadLetterQueueUrl"], variables
    assert f"s3://{found['TargetBucket']}/{{key}}/" in variables["RENDITIONS"], variables
    (mapping,) = client.list_event_source_mappings(FunctionName=found["FunctionName"])["EventSourceMappings"]
    assert mapping["EventSourceArn"] == found["QueueArn"], mapping
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"], mapping
    assert int(mapping["BatchSize"]) == 10, mapping


def check_role(name: str) -> None:
    iam = boto3.client("iam")
    roles = [role["RoleName"] for role in iam.list_roles()["Roles"] if role["RoleName"].startswith(f"{name}-FunctionRole")]
    (role,) = roles
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == [], role
    # moto gives some policies as text.
    policy = str(iam.get_role_policy(RoleName=role, PolicyName="resize")["PolicyDocument"])
    assert all(f"'{part}'" in policy for part in ("TakeJobs", "GiveUpJobs", "ReadSources", "WriteOutputs", "Log")), policy


@mock_aws
def main() -> None:
    logging.getLogger("moto").setLevel(logging.ERROR)
    template = pathlib.Path(sys.argv[1]).read_text()
    put_code()
    cloudformation, s3, sqs = (boto3.client(name) for name in ("cloudformation", "s3", "sqs"))
    for name in ("photos", "scans"):
        without_api = [{"ParameterKey": "DeployApi", "ParameterValue": "false"}]
        cloudformation.create_stack(
            StackName=name, TemplateBody=template, Parameters=without_api, Capabilities=["CAPABILITY_IAM"]
        )
        found = outputs(cloudformation, name)
        check_queues(sqs, found)
        check_encryption(s3, found)
        check_function(found)
        check_role(name)
        kinds = resource_types(cloudformation, name)
        print(f"{name}: {len(kinds)} resources")

    parameters = [{"ParameterKey": name, "ParameterValue": "false"} for name in ("DeployFunction", "DeployApi")]
    cloudformation.create_stack(StackName="bare", TemplateBody=template, Parameters=parameters)
    assert "FunctionName" not in outputs(cloudformation, "bare")
    kinds = resource_types(cloudformation, "bare")
    assert not [kind for kind in kinds if kind.split("::")[1] not in ("S3", "SQS", "CloudWatch")], kinds
    print(f"bare: {len(kinds)} resources")


main()
