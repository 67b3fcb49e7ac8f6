"""The emulator as a dramatiq worker sees it. ENDPOINT is where it listens."""

import os
from base64 import b64decode

import dramatiq
from dramatiq.middleware import AgeLimit, Retries
from dramatiq_sqs import SQSBroker

broker = SQSBroker(
    namespace="dramatiq",
    middleware=[AgeLimit(), Retries(max_retries=1, min_backoff=1, max_backoff=1)],
    dead_letter=True,
    tags={"team": "photos"},
    endpoint_url=os.environ["ENDPOINT"],
    region_name="us-east-1",
    aws_access_key_id="local",
    aws_secret_access_key="local",
)
dramatiq.set_broker(broker)
ran = []


@dramatiq.actor
def add(left, right):
    ran.append(left + right)


@dramatiq.actor
def fail(word):
    ran.append(word)
    raise ValueError(word)


for number in range(3):
    add.send(number, 10)
fail.send("p\u00f6ison")
worker = dramatiq.Worker(broker, worker_timeout=1000, worker_threads=2)
worker.start()
broker.join("default", timeout=60)
worker.stop()
assert sorted(map(str, ran)) == ["10", "11", "12", "p\u00f6ison", "p\u00f6ison"], ran

# What failed for the last time is in the dead-letter queue, as it was sent.
[dead] = broker.dead_letter_queues["default"].receive_messages()
assert dramatiq.Message.decode(b64decode(dead.body)).args == ("p\u00f6ison",)
dead.delete()
tags = broker.sqs.meta.client.list_queue_tags(QueueUrl=broker.queues["default"].url)["Tags"]
assert tags == {"team": "photos"}, tags

print("done")
