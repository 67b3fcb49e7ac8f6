"""Fixtures for pytest: a server for the session, and for each test an account of its own.

Under pytest-xdist each worker has its own server, so that a test that advances the clock does so for itself alone. A server
starts with the first test that asks for it, in a few milliseconds, and ends with the worker, however that ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ._account import Account
from ._errors import LocalQueueError
from ._server import LocalQueue, start

#: Of a failed test's queues, the messages of each that are shown, and the characters of each body.
SHOWN_MESSAGES = 10
SHOWN_CHARACTERS = 100

_ACCOUNT = pytest.StashKey[Account]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("local_queue_clock", "Where time comes from in tests without a marker: system or manual.", default="system")
    parser.addini("local_queue_arguments", "Further arguments of `local-queue serve`.", type="args")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "local_queue(clock): 'manual' gives the fixture local_queue a server whose clock the test advances, 'system' one "
        "with the clock of the machine.",
    )


@pytest.fixture(scope="session")
def local_queue_server(pytestconfig: pytest.Config) -> Iterator[LocalQueue]:
    """The server of this session with the clock of the machine. Override it to start one in another way."""
    with start(*pytestconfig.getini("local_queue_arguments")) as server:
        yield server


@pytest.fixture(scope="session")
def local_queue_manual_server(pytestconfig: pytest.Config) -> Iterator[LocalQueue]:
    """The server of this session whose clock stands still until it is advanced."""
    with start(*pytestconfig.getini("local_queue_arguments"), clock="manual") as server:
        yield server


@pytest.fixture
def local_queue(request: pytest.FixtureRequest) -> Iterator[Account]:
    """An account of the session's server that only this test uses. Afterwards its queues and its faults are gone."""
    server: LocalQueue = request.getfixturevalue(_server_of(request))
    account = server.new_account()
    request.node.stash[_ACCOUNT] = account
    yield account
    del request.node.stash[_ACCOUNT]
    account.faults.clear()
    account.delete_queues()


@pytest.fixture
def local_queue_env(local_queue: Account, monkeypatch: pytest.MonkeyPatch) -> Account:
    """The same, and for this test it is what AWS SDKs find in the environment."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_SQS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in local_queue.env().items():
        monkeypatch.setenv(name, value)
    return local_queue


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome: Any = yield
    report = outcome.get_result()
    account = item.stash.get(_ACCOUNT, None)
    if account is not None and report.when == "call" and report.failed:
        report.sections.append(("local-queue", _describe(account)))


def _server_of(request: pytest.FixtureRequest) -> str:
    marker = request.node.get_closest_marker("local_queue")
    clock = request.config.getini("local_queue_clock")
    if marker is not None:
        unknown = [*marker.args, *(name for name in marker.kwargs if name != "clock")]
        if unknown:
            raise pytest.UsageError(f"the marker local_queue takes clock='manual' or clock='system', not {unknown}")
        clock = marker.kwargs.get("clock", clock)
    if clock not in ("system", "manual"):
        raise pytest.UsageError(f"the clock of local_queue is 'system' or 'manual', not {clock!r}")
    return "local_queue_manual_server" if clock == "manual" else "local_queue_server"


def _describe(account: Account) -> str:
    """What is in the queues of a failed test, and why it is not visible."""
    try:
        lines = [f"account {account.account} of {account.url}"]
        for queue in account.queues():
            counts = ", ".join(f"{queue[place]} {place.replace('_', ' ')}" for place in ("ready", "delayed", "in_flight"))
            lines.append(f"{queue['name']}: {counts}")
            if queue["arn"].split(":")[3] == account.region:
                for message in account.peek(queue["name"], max=SHOWN_MESSAGES):
                    body = repr(message["body"][:SHOWN_CHARACTERS])[1:-1]
                    lines.append(f"  {body}: {message['why']['text']}")
        lines.extend(f"fault: {fault.members}" for fault in account.faults.list())
    except LocalQueueError as error:
        return str(error)
    return "\n".join(lines)
