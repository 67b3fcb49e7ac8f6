"""Emulators as processes: how each is started, and when it answers."""

import http.client
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from importlib import metadata
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".cache/compare"
START_SECONDS_MAX = 60
AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=00"
)


class Emulator:
    """A name with its version, and a command in which {port} stands for the port."""

    def __init__(self, name, command, environment=()):
        self.name, self.command, self.environment = name, command, dict(environment)

    def start(self, more=()):
        return Running(self, dict(more))


class Running:
    """A process that answers, with everything that it has started; a context that ends it."""

    def __init__(self, emulator, more):
        self.name = emulator.name
        self.port = free_port()
        self.folder = tempfile.TemporaryDirectory(prefix="compare-")
        command = [part.format(port=self.port) for part in emulator.command]
        environment = {**os.environ, **{name: value.format(port=self.port) for name, value in emulator.environment.items()}}
        self.log = open(Path(self.folder.name) / "log", "w+b")
        began = time.monotonic()
        self.process = subprocess.Popen(
            command, cwd=self.folder.name, env={**environment, **more}, stdout=self.log, stderr=self.log,
            start_new_session=True,
        )
        self.start_seconds = self.wait(began)

    def wait(self, began):
        while True:
            try:
                self.call("ListQueues", {})
                return time.monotonic() - began
            except (OSError, http.client.HTTPException):
                if time.monotonic() - began > START_SECONDS_MAX or self.process.poll() is not None:
                    self.log.seek(0)
                    text = self.log.read().decode(errors="replace")[-2000:]
                    self.stop()
                    raise RuntimeError(f"{self.name} does not answer:\n{text}") from None
                time.sleep(0.002)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def call(self, action, members, connection=None):
        """One request of SQS in AWS JSON; an answer that is not 200 is an error."""
        connection = connection or self.connect()
        connection.request("POST", "/", json.dumps(members), headers(action))
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise http.client.HTTPException(f"{action} of {self.name}: {response.status} {body[:300]!r}")
        return json.loads(body)

    def resident_bytes(self):
        """What the process and those that it has started hold of memory, as the kernel counts it."""
        total = 0
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
                of_group = os.getpgid(int(status.parent.name)) == self.process.pid
            except (OSError, ValueError):
                continue
            if of_group and "VmRSS" in fields:
                total += int(fields["VmRSS"].split()[0]) * 1024
        return total

    def stop(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                break
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                continue
        self.log.close()
        self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def headers(action):
    return {
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": f"AmazonSQS.{action}",
        "authorization": AUTHORIZATION,
    }


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def local_queue(*arguments):
    command = [os.environ["LOCAL_QUEUE"], "serve", "--listen", "127.0.0.1:{port}", *arguments]
    return Emulator("local-queue", command)


def ministack():
    name = f"ministack {metadata.version('ministack')}"
    return Emulator(name, [str(CACHE / "python/bin/ministack")], {"GATEWAY_PORT": "{port}"})


def moto():
    command = [str(CACHE / "python/bin/moto_server"), "--host", "127.0.0.1", "--port", "{port}"]
    return Emulator(f"moto {metadata.version('moto')}", command)


def fauxqs():
    package = json.loads((CACHE / "node_modules/fauxqs/package.json").read_text())
    program = CACHE / "node_modules/.bin/fauxqs"
    environment = {"FAUXQS_PORT": "{port}", "FAUXQS_LOGGER": "false"}
    return Emulator(f"fauxqs {package['version']}", [str(program)], environment)
