"""What the tests have in common."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

#: Longer than anything here takes on a busy machine.
PATIENCE_SECONDS = 60


def is_alive(pid: int) -> bool:
    """Whether a process is there and is not merely waited for by whoever adopted it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return not stat.rpartition(")")[2].lstrip().startswith("Z")


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions within a test are not those of the run around it."""
    for name in list(os.environ):
        if name.startswith(("PYTEST_", "AWS_")) and name != "PYTEST_CURRENT_TEST":
            monkeypatch.delenv(name)
