"""The emulator as kombu and a celery worker see it. ENDPOINT is where it listens."""

import os
import socket
import threading
from urllib.parse import urlparse

from celery import Celery
from celery.contrib.testing.worker import start_worker
from kombu import Connection

endpoint = urlparse(os.environ["ENDPOINT"])
broker = f"sqs://local:local@{endpoint.hostname}:{endpoint.port}//"
options = {"region": "us-east-1", "is_secure": False, "wait_time_seconds": 1, "polling_interval": 0.1}

# kombu: put, get, acknowledge.
with Connection(broker, transport_options=options) as connection:
    queue = connection.SimpleQueue("kombu-jobs")
    queue.put({"hello": "w\u00f6rld"})
    message = queue.get(block=True, timeout=10)
    assert message.payload == {"hello": "w\u00f6rld"}, message.payload
    message.ack()
    try:
        queue.get(block=True, timeout=1.5)
        raise AssertionError("an acknowledged message came back")
    except (queue.Empty, socket.timeout):
        pass
    queue.close()

# celery: a worker runs tasks from the queue.
app = Celery("jobs", broker=broker)
app.conf.update(
    broker_transport_options=options,
    task_default_queue="celery-jobs",
    worker_enable_remote_control=False,
)
ran, all_ran = [], threading.Event()


@app.task
def add(left, right):
    ran.append(left + right)
    if len(ran) == 3:
        all_ran.set()


for number in range(3):
    add.delay(number, 10)
with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=30):
    assert all_ran.wait(60), ran
assert sorted(ran) == [10, 11, 12], ran

print("done")
