"""The queues of one account: what a test needs of them beside an AWS SDK."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Literal, TypedDict

from ._endpoint import Endpoint

Place = Literal["ready", "delayed", "in_flight"]
Effect = Literal[
    "throttle",
    "throttling_exception",
    "internal_error",
    "service_unavailable",
    "lost_response",
    "duplicate_delivery",
    "reordering",
    "latency",
    "partial_failure",
]

#: Messages that one request for a look at them brings at most.
PAGE = 1_000


class _Reason(TypedDict):
    reason: str
    text: str


class Why(_Reason, total=False):
    """Why a message is where it is: a name, a sentence, and what belongs to the name. Times are milliseconds since 1970."""

    until: int
    at: int
    to: str
    message_id: str
    receive: int
    received_at: int
    attempt_id: str | None
    blocked_by: str
    blocked_by_place: Place
    next: str
    in_flight: int
    in_flight_total: int
    in_flight_max: int
    dead_letter_queue: str
    max_receive_count: int


class _Message(TypedDict):
    message_id: str
    receive_count: int
    why: Why


class Message(_Message, total=False):
    """A message as it is looked at. One that has left its queue has only an id, a place, a count and the reason."""

    place: Literal["ready", "delayed", "in_flight", "gone"]
    body: str
    attributes: dict[str, Any]
    sent_at: int
    visible_at: int
    first_received_at: int | None
    group_id: str | None
    deduplication_id: str | None
    sequence_number: str | None
    dead_letter_source: str | None
    trace_header: str | None


class Queue(TypedDict):
    """A queue, with the number of its messages in each place."""

    name: str
    arn: str
    ready: int
    delayed: int
    in_flight: int


class Account:
    """The queues of one account of a server, which no other account sees.

    The clock is the server's, and so is the same for all accounts.
    """

    def __init__(self, endpoint: Endpoint, account: str, region: str, faults: Faults) -> None:
        self._endpoint = endpoint
        self._account = account
        self._region = region
        self._faults = faults

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.account} of {self.url}>"

    @property
    def url(self) -> str:
        """The endpoint URL for any AWS SDK, such as ``http://127.0.0.1:9324``."""
        return self._endpoint.url

    @property
    def account(self) -> str:
        """The 12 digits of the account, which are its access key id too."""
        return self._account

    @property
    def region(self) -> str:
        """The region of the queues, unless a client is of another one."""
        return self._region

    @property
    def faults(self) -> Faults:
        """The injected faults: of this account, or of all accounts if this is a server."""
        return self._faults

    def client_kwargs(self) -> dict[str, Any]:
        """The arguments of a client: ``boto3.client("sqs", **queues.client_kwargs())``."""
        return {
            "endpoint_url": self.url,
            "region_name": self.region,
            "aws_access_key_id": self.account,
            "aws_secret_access_key": "local-queue",
        }

    def env(self) -> dict[str, str]:
        """The environment variables by which AWS SDKs and the AWS CLI find the server."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.account,
            "AWS_SECRET_ACCESS_KEY": "local-queue",
        }

    def call(self, action: str, **members: object) -> dict[str, Any]:
        """Calls an action of SQS without an SDK: ``call("SendMessage", QueueUrl=url, MessageBody="hello")``."""
        return self._endpoint.call(action, self.account, self.region, members)

    def create_queue(self, name: str, **attributes: object) -> str:
        """Creates a queue, a FIFO queue if the name ends in ``.fifo``, and returns its URL.

        Attributes have their names in SQS: ``create_queue("jobs", VisibilityTimeout=30)``. A policy can be a dict.
        """
        values = {key: _attribute(value) for key, value in attributes.items()}
        if name.endswith(".fifo"):
            values.setdefault("FifoQueue", "true")
        url = self.call("CreateQueue", QueueName=name, Attributes=values)["QueueUrl"]
        assert isinstance(url, str)
        return url

    def queues(self) -> list[Queue]:
        """The queues of the account, in all regions."""
        listed = self._endpoint.ask("GET", ("queues",))["queues"]
        return [queue for queue in listed if queue["arn"].split(":")[4] == self.account]

    def peek(self, queue: str, *, place: Place | None = None, max: int | None = None) -> list[Message]:
        """Looks at the messages of a queue, by its name or URL, without receiving them."""
        path, query = self._path(queue)
        narrowed: dict[str, object] = {**query} if place is None else {**query, "place": place}
        found: list[Message] = []
        skip: int | None = 0
        while skip is not None and (max is None or len(found) < max):
            page = PAGE if max is None else min(PAGE, max - len(found))
            answer = self._endpoint.ask("GET", (*path, "messages"), {**narrowed, "skip": skip, "max": page})
            found.extend(answer["messages"])
            skip = answer["next_skip"]
        return found

    def locate(self, queue: str, message_id: str) -> Message:
        """Says where a message is and why, also how it left the queue if it is among the last 8,192 that left one."""
        path, query = self._path(queue)
        message: Message = self._endpoint.ask("GET", (*path, "messages", message_id), query)
        return message

    def advance(self, seconds: float) -> None:
        """Moves the clock of a server that was started with ``clock="manual"``; what becomes due has happened on return."""
        self._endpoint.ask("POST", ("clock", "advance"), body={"milliseconds": round(seconds * 1000)})

    def now(self) -> float:
        """The time of the server, in seconds since 1970."""
        return float(self._endpoint.ask("GET", ("clock",))["now"]) / 1000

    def delete_queues(self) -> None:
        """Deletes all queues of the account. SQS lets nobody use their names again for 60 seconds."""
        for queue in self.queues():
            _, _, _, region, account, name = queue["arn"].split(":")
            self._endpoint.call("DeleteQueue", account, region, {"QueueUrl": f"{self.url}/{account}/{name}"})

    def _path(self, queue: str) -> tuple[tuple[str, str], dict[str, str]]:
        """The path of a queue in the developer's API, and its account and region."""
        account, name = self.account, queue
        if "://" in queue:
            account, name = queue.rsplit("/", 2)[1:]
        return ("queues", name), {"account": account, "region": self.region}


class InjectedFault:
    """A fault at work. As a context manager it is removed at the end."""

    def __init__(self, endpoint: Endpoint, members: dict[str, Any]) -> None:
        self._endpoint = endpoint
        self.members = members

    def __repr__(self) -> str:
        return f"<fault {self.members}>"

    def __enter__(self) -> InjectedFault:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    @property
    def id(self) -> int:
        """Its number."""
        return int(self.members["id"])

    def struck(self) -> int | None:
        """How often it has struck; nothing if it is gone, because it has struck for the last time or was removed."""
        listed = self._endpoint.ask("GET", ("faults",))["faults"]
        return next((fault["struck"] for fault in listed if fault["id"] == self.id), None)

    def remove(self) -> None:
        """Ends the fault, if it has not ended already."""
        if self.struck() is not None:
            self._endpoint.ask("DELETE", ("faults", str(self.id)))


class Faults:
    """Injected faults, of one account or of all."""

    def __init__(self, endpoint: Endpoint, account: str | None) -> None:
        self._endpoint = endpoint
        self._account = account

    def inject(
        self,
        effect: Effect,
        *,
        action: str | None = None,
        queue: str | None = None,
        times: int | None = None,
        probability: float | None = None,
        milliseconds: int | None = None,
        share: float | None = None,
        entries: Iterable[str] | None = None,
    ) -> InjectedFault:
        """Injects a fault: ``inject("throttle", action="SendMessage", queue="jobs", times=2)``.

        ``milliseconds`` belongs to ``latency``; ``share`` or ``entries``, ids of a batch, to ``partial_failure``.
        """
        members: dict[str, object] = {
            "effect": effect,
            "account": self._account,
            "action": action,
            "queue": queue.rsplit("/", 1)[-1] if queue else queue,
            "times": times,
            "probability": probability,
            "milliseconds": milliseconds,
            "share": share,
            "entries": None if entries is None else list(entries),
        }
        given = {name: value for name, value in members.items() if value is not None}
        return InjectedFault(self._endpoint, self._endpoint.ask("POST", ("faults",), body=given))

    def list(self) -> list[InjectedFault]:
        """The faults at work, of this account if they are those of one."""
        listed = self._endpoint.ask("GET", ("faults",))["faults"]
        ours = [fault for fault in listed if self._account in (None, fault.get("account"))]
        return [InjectedFault(self._endpoint, fault) for fault in ours]

    def clear(self) -> None:
        """Ends these faults."""
        for fault in self.list():
            fault.remove()


def _attribute(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return json.dumps(value)
    return str(value)
