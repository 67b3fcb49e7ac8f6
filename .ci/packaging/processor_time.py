"""What a request costs two builds of local-queue: processor_time.py BINARY OTHER

Both are loaded in turn over 16 connections. Counted is processor time of the server, which other processes disturb least.
Fails if BINARY answers less than 95 % of what OTHER answers in the same time.
"""

import json
import pathlib
import socket
import statistics
import subprocess
import sys
import time

CONNECTIONS = 16
ROUNDS = 7
ROUND_SECONDS = 2
RATIO_MIN = 0.95
ENTRIES = 10


class Server:
    """A server with a queue, and connections to it."""

    def __init__(self, binary: str) -> None:
        command = [binary, "serve", "--listen", "127.0.0.1:0", "--create", "jobs", "--print-json"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        address = json.loads(self.process.stdout.readline())
        self.host = f"{address['host']}:{address['port']}"
        self.sockets = [socket.create_connection((address["host"], address["port"])) for _ in range(CONNECTIONS)]

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def processor_seconds(self) -> float:
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def request(self, action: str, members: dict) -> bytes:
        body = json.dumps(members).encode()
        head = (
            f"POST / HTTP/1.1\r\nHost: {self.host}\r\nX-Amz-Target: AmazonSQS.{action}\r\n"
            f"Content-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def all(self, requests: list[bytes]) -> list[bytes]:
        """One request on each connection at the same time, and what is answered."""
        for connection, request in zip(self.sockets, requests, strict=True):
            connection.sendall(request)
        return [answer(connection) for connection in self.sockets]


def answer(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, body = data.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 200"), data
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return body


def cycle(server: Server) -> int:
    """As many sends as a receive takes, the receive, and a delete of all; gives the number of requests."""
    send = server.request("SendMessage", {"QueueUrl": "jobs", "MessageBody": "x" * 256})
    for _ in range(ENTRIES):
        server.all([send] * CONNECTIONS)
    receive = server.request("ReceiveMessage", {"QueueUrl": "jobs", "MaxNumberOfMessages": ENTRIES})
    deletes = []
    for received in server.all([receive] * CONNECTIONS):
        messages = json.loads(received)["Messages"]
        entries = [{"Id": str(at), "ReceiptHandle": it["ReceiptHandle"]} for at, it in enumerate(messages)]
        deletes.append(server.request("DeleteMessageBatch", {"QueueUrl": "jobs", "Entries": entries}))
    server.all(deletes)
    return CONNECTIONS * (ENTRIES + 2)


def rate(binary: str) -> float:
    """Requests that a second of the processor answers."""
    server = Server(binary)
    try:
        cycle(server)
        began, before, requests = time.monotonic(), server.processor_seconds(), 0
        while time.monotonic() - began < ROUND_SECONDS:
            requests += cycle(server)
        return requests / (server.processor_seconds() - before)
    finally:
        server.stop()


def main() -> None:
    binaries = sys.argv[1:]
    rounds = [[rate(binary) for binary in binaries] for _ in range(ROUNDS)]
    for at, binary in enumerate(binaries):
        print(f"{statistics.median(rates[at] for rates in rounds):9.0f} requests a second of the processor: {binary}")
    ratio = statistics.median(one / other for one, other in rounds)
    print(f"{ratio:9.2f} is the ratio")
    if ratio < RATIO_MIN:
        sys.exit(f"{binaries[0]} answers less than {RATIO_MIN:.0%} of what the other one does")


if __name__ == "__main__":
    main()
