"""The server as a process that does not outlive this one."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Literal

from ._account import Account, Faults
from ._binary import find_binary
from ._endpoint import Endpoint
from ._errors import LocalQueueError, StartError

#: What the server needs at most to end, beside the functions of a template, which have 8 seconds.
STOP_SECONDS = 15
#: What of the log stands in an error.
LOG_TAIL = 4_000


def start(
    *arguments: str,
    create: Iterable[str] = (),
    clock: Literal["system", "manual"] | None = None,
    account: str | None = None,
    region: str | None = None,
    binary: str | os.PathLike[str] | None = None,
    timeout: float = 30,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
) -> LocalQueue:
    """Starts a server on a free port of 127.0.0.1 and waits until it answers.

    ``create`` names queues to create at start. ``clock="manual"`` stops the clock, which ``advance`` moves. The account has
    12 digits, zeros by default; the region is us-east-1 by default. ``arguments`` are further ones of ``local-queue serve``:
    ``start("--template", "template.yaml")``.

    The server ends with ``stop()``, at the end of a ``with`` block, and when this process ends, even if it is killed.
    """
    command = [os.fspath(binary) if binary is not None else find_binary(), "serve", "--listen", "127.0.0.1:0"]
    command += ["--until-stdin-closes", "--print-json"]
    for option, value in (("--clock", clock), ("--account", account), ("--region", region)):
        command += [] if value is None else [option, value]
    command += [argument for name in create for argument in ("--create", name)]
    command += arguments
    return LocalQueue(_Process(command, timeout, cwd, env))


class LocalQueue(Account):
    """A server that runs, and the queues of its default account."""

    def __init__(self, process: _Process) -> None:
        said = process.said
        endpoint = Endpoint(said["endpoint_url"], process.why_silent)
        super().__init__(endpoint, said["account"], said["region"], Faults(endpoint, None))
        self._process = process
        self._numbers = itertools.count(1)

    def __enter__(self) -> LocalQueue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The id of the server's process."""
        return self._process.pid

    @property
    def apis(self) -> dict[str, str]:
        """The URLs of the APIs of a template, by their ids."""
        return dict(self._process.said["apis"])

    def new_account(self) -> Account:
        """An account that nobody has used: its queues, and the faults that it injects, are its own."""
        return self.of_account(f"{next(self._numbers):012d}")

    def of_account(self, account: str) -> Account:
        """The queues of an account of 12 digits."""
        return Account(self._endpoint, account, self.region, Faults(self._endpoint, account))

    def reset(self) -> None:
        """Forgets every queue and fault of all accounts; those that were declared at start are made anew."""
        self._endpoint.ask("POST", ("reset",))

    def log(self) -> str:
        """What the server has written to standard error: warnings, and the log of a template's functions."""
        return self._process.log()

    def stop(self) -> None:
        """Ends the server; a second time does nothing."""
        self._process.stop()


class _Process:
    """The process, which ends when the other end of its standard input is closed: by us, or by the system with us."""

    def __init__(
        self,
        command: list[str],
        timeout: float,
        cwd: str | os.PathLike[str] | None,
        env: Mapping[str, str] | None,
    ) -> None:
        self._log = tempfile.TemporaryFile()
        try:
            # In a session of its own Ctrl-C of a terminal does not reach it: it is we who stop it, after its clients.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                start_new_session=True,
                cwd=cwd,
                env=None if env is None else {**os.environ, **env},
            )
        except OSError as error:
            self._log.close()
            raise StartError(f"failed to run {command[0]}: {error}") from error
        self._ready = threading.Event()
        self._first_line = b""
        threading.Thread(target=self._read, name="local-queue", daemon=True).start()
        #: What the server says of itself: the line of JSON that `local-queue serve --help` describes.
        self.said: dict[str, Any] = self._wait(timeout)

    @property
    def pid(self) -> int:
        return self._process.pid

    def _read(self) -> None:
        """Reads what it says once it answers, and whatever else it says, so that the pipe never fills."""
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            self._first_line = lines.readline()
            self._ready.set()
            while lines.read1(65_536):  # type: ignore[attr-defined]
                pass

    def _wait(self, timeout: float) -> dict[str, Any]:
        in_time = self._ready.wait(timeout)
        try:
            said: dict[str, Any] = json.loads(self._first_line)
            return said
        except ValueError:
            pass
        if not in_time:
            state = f"it did not say within {timeout:g} s where it listens"
        elif self._first_line:
            state = f"its first line is not JSON: {self._first_line!r}"
        else:
            # The end of its output comes with its own.
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                pass
            state = self._state()
        log = self.log()
        self.kill()
        raise StartError(f"local-queue did not start: {state}\n{log[-LOG_TAIL:]}".rstrip())

    def _state(self) -> str:
        code = self._process.poll()
        if code is None:
            return "it runs"
        return f"signal {-code} killed it" if code < 0 else f"it ended with exit code {code}"

    def why_silent(self) -> str:
        tail = self.log()[-LOG_TAIL:].strip()
        return f"{self._state()}, and wrote:\n{tail}" if tail else self._state()

    def log(self) -> str:
        if self._log.closed:
            return self._last_log
        # By position: the file has one offset, and the server writes at it.
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode("utf-8", "replace")

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise LocalQueueError(f"local-queue did not end within {STOP_SECONDS} s and was killed") from None
        self._close()

    def kill(self) -> None:
        assert self._process.stdin is not None
        self._process.kill()
        self._process.stdin.close()
        self._process.wait()
        self._close()

    def _close(self) -> None:
        if not self._log.closed:
            self._last_log = self.log()
            self._log.close()
