"""Start, memory, speed and exactness of emulators of SQS, as a table. See `.ci/compare`."""

import json
import os
import selectors
import socket
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from emulators import fauxqs, headers, local_queue, ministack, moto

STARTS = 5
CONNECTIONS = 16
LOAD_SECONDS = 3.0
TIMED_SECONDS = 2
TIMES = 5
BODY = "x" * 256


def main():
    print("| emulator | start, ms | idle, MB | SendMessage, requests/s | visibility timeout late by, ms | delay late by, ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    for emulator in (local_queue(), ministack(), moto(), fauxqs()):
        starts = []
        for _ in range(STARTS):
            with emulator.start() as running:
                starts.append(running.start_seconds)
        with emulator.start() as running:
            megabytes = running.resident_bytes() / 1e6
            visibility, delay = exactness(running)
            rate = load(running)
        columns = (
            emulator.name, f"{statistics.median(starts) * 1000:.0f}", f"{megabytes:.0f}", f"{rate:.0f}",
            span(visibility), span(delay),
        )
        print(f"| {' | '.join(columns)} |", flush=True)
    cores = os.cpu_count()
    print(f"\n{CONNECTIONS} connections, messages of {len(BODY)} bytes, one client process on the same {cores} cores;")
    print(f"start: median of {STARTS}; late by: least to most of {TIMES} that wait for {TIMED_SECONDS} s in a long poll.")


def span(late):
    least, most = min(late) * 1000, max(late) * 1000
    return f"{least:.0f} to {most:.0f}"


def exactness(running):
    """How much later than its visibility timeout, and its delay, a message is received by a long poll."""

    def visible_again(number):
        queue = running.call("CreateQueue", {"QueueName": f"visible-{number}"})["QueueUrl"]
        running.call("SendMessage", {"QueueUrl": queue, "MessageBody": "a"})
        receive(running, queue, VisibilityTimeout=TIMED_SECONDS)
        return late(running, queue)

    def delayed(number):
        queue = running.call("CreateQueue", {"QueueName": f"delayed-{number}"})["QueueUrl"]
        running.call("SendMessage", {"QueueUrl": queue, "MessageBody": "a", "DelaySeconds": TIMED_SECONDS})
        return late(running, queue)

    def late(running, queue):
        began = time.monotonic()
        receive(running, queue, WaitTimeSeconds=10)
        return time.monotonic() - began - TIMED_SECONDS

    with ThreadPoolExecutor(TIMES) as threads:
        return [list(threads.map(measured, range(TIMES))) for measured in (visible_again, delayed)]


def receive(running, queue, **members):
    messages = running.call("ReceiveMessage", {"QueueUrl": queue, **members}).get("Messages")
    if not messages:
        raise RuntimeError(f"{running.name} has no message for {members}")


def load(running):
    """Requests a second: each connection sends the next when it has the answer to the last."""
    queue = running.call("CreateQueue", {"QueueName": "load"})["QueueUrl"]
    body = json.dumps({"QueueUrl": queue, "MessageBody": BODY}).encode()
    lines = [f"{name}: {value}" for name, value in headers("SendMessage").items()]
    head = "\r\n".join(["POST / HTTP/1.1", f"host: 127.0.0.1:{running.port}", *lines, f"content-length: {len(body)}", "", ""])
    request = head.encode() + body
    selector = selectors.DefaultSelector()
    for _ in range(CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", running.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(request)
        selector.register(connection, selectors.EVENT_READ, bytearray())
    answered, began = 0, time.monotonic()
    while time.monotonic() - began < LOAD_SECONDS:
        for key, _ in selector.select(1):
            received = key.data
            piece = key.fileobj.recv(65536)
            if not piece:
                raise RuntimeError(f"{running.name} has closed a connection")
            received += piece
            if is_whole(received):
                if not received.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")):
                    raise RuntimeError(f"{running.name} answers {bytes(received[:200])!r}")
                received.clear()
                answered += 1
                key.fileobj.sendall(request)
    elapsed = time.monotonic() - began
    for key in list(selector.get_map().values()):
        key.fileobj.close()
    return answered / elapsed


def is_whole(received):
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = bytes(received[:end]).lower()
    at = head.find(b"content-length:")
    if at < 0:
        return received.endswith(b"0\r\n\r\n")
    length = int(head[at + 15 :].split(b"\r\n", 1)[0])
    return len(received) >= end + 4 + length


if __name__ == "__main__":
    main()
