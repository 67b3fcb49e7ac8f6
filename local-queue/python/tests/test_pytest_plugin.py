"""The plugin, in sessions of pytest of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import is_alive, wait_until


def test_each_test_has_queues_of_its_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        SERVERS, LEFT = set(), []

        @pytest.mark.parametrize("number", range(5))
        def test_alone(local_queue, local_queue_server, number):
            assert local_queue.queues() == []
            url = local_queue.create_queue("jobs")
            local_queue.call("SendMessage", QueueUrl=url, MessageBody=str(number))
            assert [message["body"] for message in local_queue.peek("jobs")] == [str(number)]
            local_queue.faults.inject("throttle", action="ListQueues")
            SERVERS.add(local_queue_server.pid)
            LEFT.append(local_queue)

        def test_of_one_server_where_nothing_is_left(local_queue_server):
            assert len(SERVERS) == 1
            assert [account.queues() for account in LEFT] == [[]] * 5
            assert local_queue_server.faults.list() == []
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=6)


def test_the_clock_is_what_the_marker_says_or_the_configuration(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from local_queue import RequestError

        def test_system(local_queue):
            with pytest.raises(RequestError, match="--clock manual"):
                local_queue.advance(1)

        @pytest.mark.local_queue(clock="manual")
        def test_manual(local_queue):
            before = local_queue.now()
            local_queue.advance(43_200)
            assert local_queue.now() == before + 43_200

        @pytest.mark.local_queue(clock="manual")
        class TestMany:
            @pytest.mark.local_queue(clock="system")
            def test_nearest_marker(self, local_queue):
                with pytest.raises(RequestError):
                    local_queue.advance(1)
        """
    )
    pytester.runpytest_subprocess("--strict-markers").assert_outcomes(passed=3)
    result = pytester.runpytest_subprocess("-o", "local_queue_clock=manual", "-k", "test_system")
    result.assert_outcomes(failed=1)


def test_a_wrong_marker_is_an_error_that_says_what_is_right(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.local_queue(clock="virtual")
        def test_clock(local_queue): ...

        @pytest.mark.local_queue(clok="manual")
        def test_name(local_queue): ...
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        ["*the clock of local_queue is 'system' or 'manual', not 'virtual'*", "*takes clock='manual' or clock='system'*clok*"]
    )


def test_arguments_of_the_configuration_reach_the_server_and_a_fixture_can_replace_it(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nlocal_queue_arguments = --create declared --region eu-west-3")
    pytester.makepyfile(
        """
        def test_declared(local_queue_server):
            assert [queue["arn"] for queue in local_queue_server.queues()] == ["arn:aws:sqs:eu-west-3:000000000000:declared"]
        """
    )
    pytester.makepyfile(
        test_own="""
        import local_queue as package
        import pytest

        @pytest.fixture(scope="session")
        def local_queue_server():
            with package.start(create=["own"]) as server:
                yield server

        def test_own(local_queue, local_queue_server):
            assert [queue["name"] for queue in local_queue_server.queues()] == ["own"]
            assert local_queue.url == local_queue_server.url
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=2)


def test_code_that_makes_its_own_client_finds_the_account_of_the_test(pytester: pytest.Pytester) -> None:
    pytest.importorskip("boto3")
    pytester.makepyfile(
        """
        import boto3

        def work():
            sqs = boto3.client("sqs")
            sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="jobs")["QueueUrl"], MessageBody="hello")

        def test_work(local_queue_env):
            local_queue_env.create_queue("jobs")
            work()
            assert local_queue_env.peek("jobs")[0]["body"] == "hello"
        """
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_PROFILE", "a profile that is not there")
        pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_failed_test_shows_what_is_in_its_queues_and_why(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        r"""
        import pytest

        @pytest.mark.local_queue(clock="manual")
        def test_fails(local_queue):
            url = local_queue.create_queue("jobs")
            local_queue.call("SendMessage", QueueUrl=url, MessageBody="h\u00e9llo\n\x9b2J\u202e <b>")
            local_queue.call("ReceiveMessage", QueueUrl=url, VisibilityTimeout=90)
            local_queue.faults.inject("throttle", times=3)
            assert local_queue.peek(url, place="ready")

        def test_fails_without_a_server():
            assert not "shown"
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*- local-queue -*",
            "account 000000000001 of http://127.0.0.1:*",
            "jobs: 0 ready, 0 delayed, 1 in flight",
            r"  héllo\n\x9b2J\u202e <b>: Receive 1 of it, 0 s ago, holds it for another 90 s unless it is deleted.",
            "fault: *'effect': 'throttle'*",
        ]
    )
    assert str(result.stdout).count("- local-queue -") == 1
    assert not {"\x9b", "\u202e"} & set(str(result.stdout))


TWO_HUNDRED = """
import os
import pytest

@pytest.mark.local_queue(clock="manual")
@pytest.mark.parametrize("number", range(200))
def test_alone(local_queue, local_queue_manual_server, number):
    with open("servers", "a") as servers:
        servers.write(f"{os.getpid()} {local_queue_manual_server.pid}\\n")
    assert local_queue.queues() == []
    url = local_queue.create_queue("jobs", VisibilityTimeout=30 + number)
    local_queue.call("SendMessage", QueueUrl=url, MessageBody=str(number))
    receive = lambda: [it["Body"] for it in local_queue.call("ReceiveMessage", QueueUrl=url).get("Messages", [])]
    assert receive() == [str(number)]
    local_queue.advance(30 + number - 1)
    assert receive() == []
    with local_queue.faults.inject("throttle", action="SendMessage"):
        local_queue.advance(1)
        assert receive() == [str(number)]
"""


def test_two_hundred_tests_in_eight_workers_do_not_disturb_each_other(pytester: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    pytester.makepyfile(TWO_HUNDRED)
    pytester.runpytest_subprocess("-n", "8").assert_outcomes(passed=200)
    pairs = {line for line in Path("servers").read_text().splitlines()}
    workers = {pair.split()[0] for pair in pairs}
    servers = [int(pair.split()[1]) for pair in pairs]
    assert len(pairs) == len(workers) == len(set(servers)) > 1, "each worker has one server"
    assert not any(is_alive(server) for server in servers)


ENDLESS = """
import pytest

@pytest.mark.parametrize("number", range(4))
def test_at_work(local_queue, local_queue_server, local_queue_manual_server, number):
    with open("servers", "a") as servers:
        servers.write(f"{local_queue_server.pid}\\n{local_queue_manual_server.pid}\\n")
    while True:
        local_queue.queues()
"""


@pytest.mark.parametrize("workers", [0, 4])
def test_a_runner_that_is_killed_leaves_no_server(pytester: pytest.Pytester, workers: int) -> None:
    if workers:
        pytest.importorskip("xdist")
    pytester.makepyfile(ENDLESS)
    command = [sys.executable, "-m", "pytest", "-q", *(["-n", str(workers)] if workers else [])]
    runner = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
    servers = Path("servers")
    expected = 2 * max(workers, 1)
    wait_until(lambda: servers.exists() and len(servers.read_text().splitlines()) == expected, "the servers have started")
    pids = [int(line) for line in servers.read_text().splitlines()]
    assert all(is_alive(pid) for pid in pids)
    os.kill(runner.pid, signal.SIGKILL)
    runner.wait()
    wait_until(lambda: not any(is_alive(pid) for pid in pids), "the servers end with the runner")
