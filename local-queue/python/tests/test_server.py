"""A server as a program starts it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import is_alive, wait_until

import local_queue
from local_queue import ActionError, BinaryNotFoundError, LocalQueueError, RequestError, StartError


def script(path: Path, lines: str) -> Path:
    """A program of the shell."""
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    return path


def test_a_message_is_delayed_until_the_clock_has_advanced() -> None:
    with local_queue.start(clock="manual", create=["jobs", "orders.fifo"]) as queues:
        assert [queue["name"] for queue in queues.queues()] == ["jobs", "orders.fifo"]
        url = f"{queues.url}/000000000000/jobs"
        sent = queues.call("SendMessage", QueueUrl=url, MessageBody="hello", DelaySeconds=900)
        [message] = queues.peek(url)
        assert (message["place"], message["why"]["reason"]) == ("delayed", "delayed")
        before = queues.now()
        queues.advance(899.5)
        assert queues.call("ReceiveMessage", QueueUrl=url) == {}
        queues.advance(0.5)
        assert queues.now() == pytest.approx(before + 900)
        [received] = queues.call("ReceiveMessage", QueueUrl=url)["Messages"]
        queues.call("DeleteMessage", QueueUrl=url, ReceiptHandle=received["ReceiptHandle"])
        left = queues.locate("jobs", sent["MessageId"])
        assert (left["place"], left["why"]["reason"]) == ("gone", "deleted")


def test_a_queue_is_created_with_attributes_as_python_has_them() -> None:
    with local_queue.start() as queues:
        dead = queues.create_queue("dead.fifo")
        policy = {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead.fifo", "maxReceiveCount": 3}
        url = queues.create_queue("jobs.fifo", ContentBasedDeduplication=True, VisibilityTimeout=90, RedrivePolicy=policy)
        attributes = queues.call("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert dead == f"{queues.url}/000000000000/dead.fifo"
        assert (attributes["VisibilityTimeout"], attributes["ContentBasedDeduplication"]) == ("90", "true")
        assert json.loads(attributes["RedrivePolicy"]) == policy


def test_messages_are_looked_at_in_pages_and_by_place() -> None:
    with local_queue.start(create=["jobs"]) as queues:
        for number in range(0, 1_010, 10):
            entries = [{"Id": str(one), "MessageBody": str(number + one)} for one in range(10)]
            queues.call("SendMessageBatch", QueueUrl="jobs", Entries=entries)
        queues.call("ReceiveMessage", QueueUrl="jobs", MaxNumberOfMessages=5)
        assert len(queues.peek("jobs")) == 1_010
        assert len(queues.peek("jobs", place="in_flight")) == 5
        assert len(queues.peek("jobs", place="ready", max=7)) == 7
        assert queues.peek("jobs", max=0) == []


def test_bytes_are_binary_attributes() -> None:
    with local_queue.start(create=["jobs"]) as queues:
        attributes = {"key": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}}
        queues.call("SendMessage", QueueUrl="jobs", MessageBody="x", MessageAttributes=attributes)
        assert queues.peek("jobs")[0]["attributes"] == {"key": {"type": "Binary", "value": "AP8="}}
        with pytest.raises(TypeError, match="set is no value of a request"):
            queues.call("SendMessage", QueueUrl="jobs", MessageBody={1})


def test_faults_strike_and_end() -> None:
    with local_queue.start(create=["jobs", "other"]) as queues:
        fault = queues.faults.inject("throttle", action="SendMessage", queue=f"{queues.url}/000000000000/jobs", times=2)
        with pytest.raises(ActionError, match="SendMessage failed: RequestThrottled") as refused:
            queues.call("SendMessage", QueueUrl="jobs", MessageBody="x")
        assert (refused.value.code, refused.value.status, fault.struck()) == ("RequestThrottled", 403, 1)
        queues.call("SendMessage", QueueUrl="other", MessageBody="x")
        with queues.faults.inject("lost_response"):
            with pytest.raises(RequestError, match="did not answer .*: it runs"):
                queues.call("ListQueues")
        assert [fault.id for fault in queues.faults.list()] == [fault.id]
        queues.faults.clear()
        assert (queues.faults.list(), fault.struck()) == ([], None)
        fault.remove()
        with pytest.raises(RequestError, match="milliseconds: is missing"):
            queues.faults.inject("latency")


def test_accounts_do_not_see_each_other() -> None:
    with local_queue.start(create=["jobs"]) as queues:
        first, second = queues.new_account(), queues.new_account()
        assert len({queues.account, first.account, second.account}) == 3
        url = first.create_queue("jobs")
        first.call("SendMessage", QueueUrl=url, MessageBody="of the first")
        second.create_queue("jobs")
        assert (second.peek("jobs"), queues.peek("jobs")) == ([], [])
        assert second.peek(url)[0]["body"] == "of the first"
        first.faults.inject("throttle")
        second.faults.inject("internal_error", action="ListQueues")
        assert second.call("GetQueueUrl", QueueName="jobs")["QueueUrl"] == f"{queues.url}/{second.account}/jobs"
        with pytest.raises(ActionError, match="RequestThrottled"):
            first.call("ListQueues")
        first.faults.clear()
        assert len(queues.faults.list()) == 1
        elsewhere = "arn:aws:sqs:eu-west-1"
        local_queue.Account(first._endpoint, first.account, "eu-west-1", first.faults).create_queue("there")
        assert any(queue["arn"].startswith(elsewhere) for queue in first.queues())
        first.delete_queues()
        assert (first.queues(), len(second.queues()), len(queues.queues())) == ([], 1, 1)
        queues.reset()
        assert (second.queues(), len(queues.queues()), queues.faults.list()) == ([], 1, [])


def test_a_server_is_used_by_many_threads() -> None:
    with local_queue.start() as queues, ThreadPoolExecutor(20) as pool:

        def send_and_receive(_: int) -> str:
            account = queues.new_account()
            url = account.create_queue("jobs")
            account.call("SendMessage", QueueUrl=url, MessageBody=account.account)
            [message] = account.call("ReceiveMessage", QueueUrl=url)["Messages"]
            assert message["Body"] == account.account
            return account.account

        assert len(set(pool.map(send_and_receive, range(200)))) == 200


def test_boto3_finds_it_by_arguments_and_by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    boto3 = pytest.importorskip("boto3")
    with local_queue.start(create=["jobs"], account="111122223333", region="eu-west-1") as queues:
        by_arguments = boto3.client("sqs", **queues.client_kwargs())
        url = by_arguments.get_queue_url(QueueName="jobs")["QueueUrl"]
        for name, value in queues.env().items():
            monkeypatch.setenv(name, value)
        boto3.Session().client("sqs").send_message(QueueUrl=url, MessageBody="hello")
        assert url == f"{queues.url}/111122223333/jobs"
        assert queues.peek("jobs")[0]["body"] == "hello"


def test_stop_ends_the_process_and_what_follows_says_so() -> None:
    queues = local_queue.start()
    assert is_alive(queues.pid)
    queues.stop()
    queues.stop()
    assert not is_alive(queues.pid)
    with pytest.raises(RequestError, match="Connection refused.*: it ended with exit code 0"):
        queues.queues()
    assert queues.log().startswith(f"local-queue listens on {queues.url} ")


def test_a_server_that_was_killed_is_told_of() -> None:
    with local_queue.start() as queues:
        os.kill(queues.pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(queues.pid), "it ends")
        with pytest.raises(RequestError, match="signal 9 killed it"):
            queues.queues()


def test_the_system_clock_is_not_advanced() -> None:
    with local_queue.start() as queues, pytest.raises(RequestError, match="--clock manual"):
        queues.advance(1)


def test_a_queue_that_is_not_there_is_named() -> None:
    with local_queue.start() as queues, pytest.raises(RequestError, match="no queue .*:000000000000:a%20b%2Fc"):
        queues.peek("a b/c")


def test_why_a_server_does_not_start_is_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="(?s)ended with exit code 2.*--clokc"):
        local_queue.start("--clokc")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(StartError, match=f"failed to listen on {address}: .*in use"):
            local_queue.start("--listen", address)
    with pytest.raises(StartError, match="failed to run .*nothing: .*No such file"):
        local_queue.start(binary=tmp_path / "nothing")
    (tmp_path / "text").write_text("no program")
    with pytest.raises(StartError, match="failed to run .*text: .*Permission denied"):
        local_queue.start(binary=tmp_path / "text")
    with pytest.raises(StartError, match="its first line is not JSON: b'hello\\\\n'"):
        local_queue.start(binary=script(tmp_path / "other", "echo hello; exec cat"))
    with pytest.raises(StartError, match="(?s)did not say within 0.5 s where it listens\nit waits"):
        local_queue.start(binary=script(tmp_path / "silent", "echo it waits >&2; exec sleep 1000"), timeout=0.5)


def test_the_log_of_the_server_can_be_read_while_it_runs_and_afterwards(tmp_path: Path) -> None:
    said = {"endpoint_url": "http://127.0.0.1:9", "account": "000000000000", "region": "nowhere", "apis": {}}
    lines = f"echo '{json.dumps(said)}'\necho one >&2; read line; echo two >&2"
    queues = local_queue.start(binary=script(tmp_path / "talks", lines))
    wait_until(lambda: queues.log() == "one\n", "it writes its first line")
    with pytest.raises(RequestError, match="(?s)it runs, and wrote:\none"):
        queues.queues()
    queues.stop()
    assert queues.log() == "one\ntwo\n"


def test_the_program_is_found_or_the_places_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = local_queue.find_binary()
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    assert version.startswith("local-queue ")
    monkeypatch.setenv("LOCAL_QUEUE_BINARY", str(tmp_path / "nothing"))
    with pytest.raises(BinaryNotFoundError, match="LOCAL_QUEUE_BINARY names .*nothing, where there is no file"):
        local_queue.start()
    monkeypatch.delenv("LOCAL_QUEUE_BINARY")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("local_queue._binary._places", lambda: iter([tmp_path / "bin" / "local-queue"]))
    with pytest.raises(LocalQueueError, match="neither in .*bin nor on the PATH"):
        local_queue.find_binary()
    (tmp_path / "local-queue").symlink_to(found)
    assert local_queue.find_binary() == str(tmp_path / "local-queue")


TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.11
      Handler: index.handler
      InlineCode: |
        def handler(event, context):
            print("asked for", event["rawPath"])
            return {"statusCode": 200, "body": "hello"}
      Events:
        Get: {Type: HttpApi, Properties: {Path: /hello, Method: get}}
"""


def test_a_template_is_served_and_the_log_of_its_functions_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    with local_queue.start("--template", "template.yaml", "--python", sys.executable, cwd=tmp_path) as queues:
        assert list(queues.apis) == ["ServerlessHttpApi"]
        request = urllib.request.Request(queues.apis["ServerlessHttpApi"] + "/hello")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            assert answer.read() == b"hello"
        wait_until(lambda: "| asked for /hello" in queues.log(), "the function's line is in the log")


PARENT = """
import os, sys, local_queue
server = local_queue.start(*sys.argv[1:])
print(server.pid, flush=True)
sys.stdin.readline()
os._exit(3)
"""


@pytest.mark.parametrize("is_killed", [True, False])
def test_no_server_outlives_the_process_that_started_it(is_killed: bool) -> None:
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdin is not None and parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        if is_killed:
            parent.kill()
        else:
            parent.stdin.write("end without a clean-up\n")
            parent.stdin.flush()
        assert parent.wait() == (-signal.SIGKILL if is_killed else 3)
    wait_until(lambda: not is_alive(pid), "the server ends with its parent")
