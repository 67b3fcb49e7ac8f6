"""An Amazon SQS emulator as a process of its own, for tests and for work without an AWS account.

>>> import local_queue
>>> with local_queue.start(clock="manual") as queues:
...     url = queues.create_queue("jobs")
...     queues.call("SendMessage", QueueUrl=url, MessageBody="hello", DelaySeconds=900)["MessageId"] != ""
...     queues.advance(900)
...     [message["place"] for message in queues.peek("jobs")]
True
['ready']

Any AWS SDK is a client of it: ``boto3.client("sqs", **queues.client_kwargs())``. ``local_queue.pytest_plugin`` has fixtures
for pytest.
"""

from ._account import Account, Faults, InjectedFault, Message, Queue, Why
from ._binary import find_binary
from ._errors import ActionError, BinaryNotFoundError, LocalQueueError, RequestError, StartError
from ._server import LocalQueue, start

__all__ = [
    "Account",
    "ActionError",
    "BinaryNotFoundError",
    "Faults",
    "InjectedFault",
    "LocalQueue",
    "LocalQueueError",
    "Message",
    "Queue",
    "RequestError",
    "StartError",
    "Why",
    "find_binary",
    "start",
]
