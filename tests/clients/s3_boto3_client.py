"""Buckets as boto3 sees them. ENDPOINT is where the emulator listens."""

import io
import json
import os
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

options = {
    "endpoint_url": os.environ["ENDPOINT"],
    "region_name": "us-east-1",
    "aws_access_key_id": "local",
    "aws_secret_access_key": "local",
}
s3 = boto3.client("s3", **options)
sqs = boto3.client("sqs", **options)


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error.response
        return error.response
    raise AssertionError(f"{code} was expected")


s3.create_bucket(Bucket="boto3-photos")
assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["boto3-photos"]
s3.head_bucket(Bucket="boto3-photos")
refused("404", s3.head_bucket, Bucket="boto3-none")

# Any key, with what is said of it. boto3 adds a checksum to what it sends and compares that of what it gets.
keys = ["cat.jpg", "a b+c&d.jpg", "a//b", "h\u00e4llo/w\u00f6rld\U0001f600.txt", "percent%20.txt", "dir/"]
for key in keys:
    s3.put_object(
        Bucket="boto3-photos", Key=key, Body=key.encode(), ContentType="image/x-test", Metadata={"owner": "me"},
        Tagging="team=photos",
    )
    found = s3.get_object(Bucket="boto3-photos", Key=key)
    assert found["Body"].read() == key.encode(), key
    assert (found["ContentType"], found["Metadata"]) == ("image/x-test", {"owner": "me"}), found
    assert s3.get_object_tagging(Bucket="boto3-photos", Key=key)["TagSet"] == [{"Key": "team", "Value": "photos"}]
for algorithm in ["CRC32", "SHA1", "SHA256"]:
    s3.put_object(Bucket="boto3-photos", Key="sum", Body=b"sum", ChecksumAlgorithm=algorithm)
    assert s3.get_object(Bucket="boto3-photos", Key="sum", ChecksumMode="ENABLED")["Body"].read() == b"sum"
s3.delete_object(Bucket="boto3-photos", Key="sum")

# Pages.
pages = s3.get_paginator("list_objects_v2").paginate(Bucket="boto3-photos", PaginationConfig={"PageSize": 2})
assert [entry["Key"] for page in pages for entry in page["Contents"]] == sorted(keys, key=lambda key: key.encode())
page = s3.list_objects_v2(Bucket="boto3-photos", Delimiter="/")
assert [prefix["Prefix"] for prefix in page["CommonPrefixes"]] == ["a/", "dir/", "h\u00e4llo/"], page
page = s3.list_objects(Bucket="boto3-photos", Prefix="a b")
assert [entry["Key"] for entry in page["Contents"]] == ["a b+c&d.jpg"]

# Ranges, conditions, copies.
assert s3.get_object(Bucket="boto3-photos", Key="cat.jpg", Range="bytes=1-2")["Body"].read() == b"at"
refused("InvalidRange", s3.get_object, Bucket="boto3-photos", Key="cat.jpg", Range="bytes=100-")
refused("NoSuchKey", s3.get_object, Bucket="boto3-photos", Key="none")
refused("NoSuchBucket", s3.get_object, Bucket="boto3-none", Key="none")
refused("PreconditionFailed", s3.put_object, Bucket="boto3-photos", Key="cat.jpg", Body=b"x", IfNoneMatch="*")
s3.copy_object(Bucket="boto3-photos", Key="copy", CopySource={"Bucket": "boto3-photos", "Key": "a b+c&d.jpg"})
assert s3.get_object(Bucket="boto3-photos", Key="copy")["Body"].read() == b"a b+c&d.jpg"

# In parts, by the transfer manager, up and down.
film = os.urandom(20 * 1024 * 1024 + 12345)
parts = TransferConfig(multipart_threshold=8 * 1024 * 1024, multipart_chunksize=8 * 1024 * 1024)
s3.upload_fileobj(io.BytesIO(film), "boto3-photos", "film", Config=parts)
assert s3.head_object(Bucket="boto3-photos", Key="film")["ETag"].endswith('-3"')
down = io.BytesIO()
s3.download_fileobj("boto3-photos", "film", down, Config=parts)
assert down.getvalue() == film
s3.copy({"Bucket": "boto3-photos", "Key": "film"}, "boto3-photos", "film-2", Config=parts)
assert s3.get_object(Bucket="boto3-photos", Key="film-2")["Body"].read() == film
upload = s3.create_multipart_upload(Bucket="boto3-photos", Key="never")["UploadId"]
s3.abort_multipart_upload(Bucket="boto3-photos", Key="never", UploadId=upload)
refused("NoSuchUpload", s3.list_parts, Bucket="boto3-photos", Key="never", UploadId=upload)

# By addresses that are signed, without the SDK: by version 4, which lets a client add a header that is not signed.
s3v4 = boto3.client("s3", config=Config(signature_version="s3v4"), **options)
url = s3v4.generate_presigned_url("put_object", Params={"Bucket": "boto3-photos", "Key": "p q"}, ExpiresIn=60)
urllib.request.urlopen(urllib.request.Request(url, data=b"presigned", method="PUT")).close()
url = s3.generate_presigned_url("get_object", Params={"Bucket": "boto3-photos", "Key": "p q"}, ExpiresIn=60)
with urllib.request.urlopen(url) as answer:
    assert answer.read() == b"presigned"
    assert answer.headers["Content-Security-Policy"] == "sandbox"

# Announcements.
queue = sqs.create_queue(QueueName="boto3-events")["QueueUrl"]
arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
configuration = {
    "QueueConfigurations": [
        {
            "QueueArn": arn,
            "Events": ["s3:ObjectCreated:*"],
            "Filter": {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".jpg"}]}},
        }
    ]
}
put = {"Bucket": "boto3-photos", "NotificationConfiguration": configuration}
error = refused("InvalidArgument", s3.put_bucket_notification_configuration, **put)["Error"]
assert (error["ArgumentName1"], error["Message"]) == (
    arn,
    "Unable to validate the following destination configurations",
), error
allowed = {
    "Effect": "Allow",
    "Principal": {"Service": "s3.amazonaws.com"},
    "Action": "sqs:SendMessage",
    "Resource": arn,
    "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:*:*:boto3-photos"}},
}
policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
s3.put_bucket_notification_configuration(**put)
found = s3.get_bucket_notification_configuration(Bucket="boto3-photos")["QueueConfigurations"]
assert found[0]["Filter"]["Key"]["FilterRules"] == [{"Name": "Suffix", "Value": ".jpg"}], found
s3.put_object(Bucket="boto3-photos", Key="new photo.jpg", Body=b"meow")
s3.put_object(Bucket="boto3-photos", Key="new.png", Body=b"meow")
bodies = []
while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
    for message in messages:
        bodies.append(json.loads(message["Body"]))
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
assert [body.get("Event") for body in bodies].count("s3:TestEvent") == 1, bodies
records = [body["Records"][0] for body in bodies if "Records" in body]
assert [record["s3"]["object"]["key"] for record in records] == ["new+photo.jpg"], records

# A thousand and one at once are too many, and what is left can be deleted.
refused(
    "MalformedXML", s3.delete_objects, Bucket="boto3-photos", Delete={"Objects": [{"Key": str(k)} for k in range(1001)]}
)
refused("BucketNotEmpty", s3.delete_bucket, Bucket="boto3-photos")
pages = s3.get_paginator("list_objects_v2").paginate(Bucket="boto3-photos")
everything = [{"Key": entry["Key"]} for page in pages for entry in page["Contents"]]
assert "Errors" not in s3.delete_objects(Bucket="boto3-photos", Delete={"Objects": everything})
s3.delete_bucket(Bucket="boto3-photos")
print("done")
