"""What becomes of a batch whose function replies wrongly, and what a function sees of the machine, as a table.

The same Python function, queue and event source mapping are made by the API of each emulator. See `.ci/compare`.
"""

import io
import json
import os
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from emulators import local_queue, ministack

# AWS, "Using Lambda with Amazon SQS", reporting batch item failures: each of these is a complete batch failure.
REPLIES = {
    "an empty `itemIdentifier`": {"batchItemFailures": [{"itemIdentifier": ""}]},
    "an `itemIdentifier` that is not in the batch": {"batchItemFailures": [{"itemIdentifier": "unknown"}]},
    "a key other than `itemIdentifier`": {"batchItemFailures": [{"id": "unknown"}]},
}
SECRET = "SECRET_OF_THE_SHELL"
VISIBILITY_SECONDS = 2
WAIT_SECONDS = 20
# From the reply of the function on, in which AWS would have frozen it.
IDLE_SECONDS = 1.0
FUNCTION = """
import json, os, pathlib, threading, time

SEEN = pathlib.Path(os.environ["SEEN"])

def tick():
    for _ in range(200):
        with (SEEN / "ticks").open("a") as ticks:
            ticks.write(f"{time.time()}\\n")
        time.sleep(0.01)

def handler(event, context):
    body = json.loads(event["Records"][0]["body"])
    receive = event["Records"][0]["attributes"]["ApproximateReceiveCount"]
    with (SEEN / body["name"]).open("a") as seen:
        seen.write(json.dumps({"receive": receive, "secret": os.environ.get("SECRET_OF_THE_SHELL"), "at": time.time()}) + "\\n")
    if body.get("thread"):
        threading.Thread(target=tick, daemon=True).start()
        time.sleep(0.05)
    return body["reply"]
"""


def main():
    emulators = [local_queue("--lambda-api", "write"), ministack()]
    if sys.argv[1:] == ["ours"]:
        emulators.pop()
    with ThreadPoolExecutor() as threads:
        columns = list(threads.map(column, emulators))
    rows = [f"a reply with {name}" for name in REPLIES] + ["a variable of the shell", "a thread after the reply"]
    aws = ["retried"] * len(REPLIES) + ["not visible", "frozen until the next invocation"]
    print(f"| a function's | AWS (documented) | {' | '.join(emulator.name for emulator in emulators)} |")
    print(f"| --- | --- | {' | '.join('---' for _ in emulators)} |")
    for name, documented, *found in zip(rows, aws, *columns):
        print(f"| {name} | {documented} | {' | '.join(found)} |")


def column(emulator):
    with emulator.start({SECRET: "leaked"}) as running:
        seen = Path(running.folder.name) / "seen"
        seen.mkdir()
        options = {
            "endpoint_url": f"http://127.0.0.1:{running.port}", "region_name": "us-east-1",
            "aws_access_key_id": "test", "aws_secret_access_key": "test",
        }
        sqs, functions = boto3.client("sqs", **options), boto3.client("lambda", **options)
        messages = [{"name": f"reply-{number}", "reply": reply} for number, reply in enumerate(REPLIES.values())]
        messages.append({"name": "thread", "thread": True, "reply": {"batchItemFailures": []}})
        queues = [mapped(sqs, functions, message["name"], seen) for message in messages]
        for queue, message in zip(queues, messages):
            sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(message))
        replies = [outcome(sqs, queue, seen / message["name"]) for queue, message in zip(queues[:-1], messages)]
        invocations = lines(seen / "thread", 1)
        secret = "visible" if invocations[0]["secret"] else "not visible"
        return [*replies, secret, thread(seen, invocations[0]["at"])]


def mapped(sqs, functions, name, seen):
    """A queue that a function of its own works on."""
    attributes = {"VisibilityTimeout": str(VISIBILITY_SECONDS)}
    queue = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    runtime = f"python3.{sys.version_info.minor}"
    functions.create_function(
        FunctionName=name, Runtime=runtime, Handler="app.handler", Role="arn:aws:iam::000000000000:role/role",
        Code={"ZipFile": package()}, Timeout=VISIBILITY_SECONDS, Environment={"Variables": {"SEEN": str(seen)}},
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=name)
    functions.create_event_source_mapping(
        FunctionName=name, EventSourceArn=arn, BatchSize=1, FunctionResponseTypes=["ReportBatchItemFailures"]
    )
    return queue


def package():
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("app.py", FUNCTION)
    return archive.getvalue()


def outcome(sqs, queue, seen):
    """Whether the message is received again, or is gone from its queue."""
    lines(seen, 1)
    ends = time.monotonic() + WAIT_SECONDS
    counted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    while time.monotonic() < ends:
        if len(seen.read_text().splitlines()) > 1:
            return "retried"
        found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=counted)["Attributes"]
        if all(int(number) == 0 for number in found.values()) and len(seen.read_text().splitlines()) == 1:
            return "deleted"
        time.sleep(0.1)
    return f"neither retried nor deleted within {WAIT_SECONDS} s"


def lines(seen, count):
    """The invocations that a function has seen, once there are so many."""
    ends = time.monotonic() + WAIT_SECONDS
    while not seen.exists() or len(seen.read_text().splitlines()) < count:
        if time.monotonic() > ends:
            raise RuntimeError(f"{seen.name}: not invoked within {WAIT_SECONDS} s")
        time.sleep(0.05)
    return [json.loads(line) for line in seen.read_text().splitlines()]


def thread(seen, invoked_at):
    """How long the thread went on after its invocation; it ticks a hundred times a second."""
    time.sleep(max(0, invoked_at + IDLE_SECONDS + 0.5 - time.time()))
    ticks = [float(line) for line in (seen / "ticks").read_text().splitlines()]
    late = [tick for tick in ticks if tick > invoked_at + IDLE_SECONDS / 2]
    return "goes on" if late else "frozen until the next invocation"


if __name__ == "__main__":
    main()
