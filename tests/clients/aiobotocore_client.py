"""The emulator as aiobotocore and a taskiq worker see it. ENDPOINT is where it listens."""

import asyncio
import os

from aiobotocore.session import get_session
from taskiq import SimpleRetryMiddleware
from taskiq.api import run_receiver_task
from taskiq_aio_sqs import SQSBroker

access = {
    "endpoint_url": os.environ["ENDPOINT"],
    "region_name": "us-east-1",
    "aws_access_key_id": "local",
    "aws_secret_access_key": "local",
}


async def sdk(sqs):
    url = (await sqs.create_queue(QueueName="aio-jobs"))["QueueUrl"]
    # Many long polls at once, each of which ends with a message of its own.
    polls = [asyncio.create_task(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)) for _ in range(5)]
    bodies = [f"w\u00f6rld {number}\r\n" for number in range(5)]
    entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
    assert len((await sqs.send_message_batch(QueueUrl=url, Entries=entries))["Successful"]) == 5
    messages = [message for answer in await asyncio.gather(*polls) for message in answer["Messages"]]
    assert sorted(message["Body"] for message in messages) == bodies, messages
    await asyncio.gather(*(sqs.delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"]) for m in messages))
    assert "Messages" not in await sqs.receive_message(QueueUrl=url)
    try:
        await sqs.get_queue_url(QueueName="aio-nothing")
        raise AssertionError("no error")
    except sqs.exceptions.QueueDoesNotExist:
        pass


async def worker(sqs):
    """A worker acknowledges what it has done; what has failed is sent again as a new message, later."""
    url = (await sqs.create_queue(QueueName="taskiq-jobs"))["QueueUrl"]
    broker = SQSBroker(sqs_queue_name="taskiq-jobs", wait_time_seconds=1, max_number_of_messages=10, **access)
    broker.add_middlewares(SimpleRetryMiddleware())
    ran, all_ran = [], asyncio.Event()

    @broker.task(retry_on_error=True, max_retries=2)
    async def add(left, right):
        ran.append(left + right)
        if len(ran) == 4:
            all_ran.set()
        if left == 1 and ran.count(11) == 1:
            raise ValueError("not the first time")

    await broker.startup()
    working = asyncio.create_task(run_receiver_task(broker))
    for number in range(3):
        await add.kiq(number, 10)
    await asyncio.wait_for(all_ran.wait(), 60)
    counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    while set((await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counts))["Attributes"].values()) != {"0"}:
        await asyncio.sleep(0.05)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await broker.shutdown()
    assert sorted(ran) == [10, 11, 11, 12], ran


async def main():
    async with get_session().create_client("sqs", **access) as sqs:
        await sdk(sqs)
        await asyncio.wait_for(worker(sqs), 100)


asyncio.run(main())
print("done")
