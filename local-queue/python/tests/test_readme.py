"""The examples of the README, word for word, and their output but for times and ports."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)


def without_times(text: str) -> str:
    return re.sub(r"\d+\.\d+s", "0.00s", text)


def test_the_tests_pass_and_print_what_it_shows(tmp_path: Path) -> None:
    pytest.importorskip("boto3")
    tests, _ = blocks("python")
    [shown] = blocks("console")
    (tmp_path / "test_jobs.py").write_text(tests)
    command, _, expected = shown.rpartition("$ ")[2].partition("\n")
    assert command == ".venv/bin/pytest -q test_jobs.py"
    arguments = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "test_jobs.py"]
    ran = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True)
    assert without_times(ran.stdout) == without_times(expected)


def test_the_program_prints_what_it_shows() -> None:
    _, program = blocks("python")
    _, expected = blocks("text")
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == expected


def test_a_failed_test_shows_its_queues_as_it_says(tmp_path: Path) -> None:
    expected, _ = blocks("text")
    (tmp_path / "test_fails.py").write_text(
        "def test_fails(local_queue):\n"
        "    url = local_queue.create_queue('jobs')\n"
        "    local_queue.call('SendMessage', QueueUrl=url, MessageBody='hello')\n"
        "    local_queue.call('ReceiveMessage', QueueUrl=url)\n"
        "    assert 0\n"
    )
    arguments = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "test_fails.py"]
    ran = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True)
    pattern = re.sub(r"\d+\\\.\d+", r"[0-9.]+", re.escape(expected)).replace("40783", r"\d+")
    assert re.search(pattern, ran.stdout), ran.stdout


def test_the_program_s_own_readme_shows_the_same_test() -> None:
    section = (README.parents[1] / "README.md").read_text().split("### pytest\n")[1].split("\n###")[0]
    [shown] = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert shown in blocks("python")[0]
