"""`./encore logs NAME`: the end of a log, what is added to it, and a quiet end."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.bootstrap import PROJECT
from infra.local.home import Home
from tests.stacks import clean_environment


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Of kafka, with three lines."""
    file = Home(tmp_path).log_of("kafka")
    file.parent.mkdir()
    file.write_text("one\ntwo\nthree\n")
    return file


def command(log: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "infra.local.main", "logs", *arguments],
        cwd=PROJECT,
        env=clean_environment() | {"ENCORE_HOME": str(log.parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def following(log: Path) -> Iterator["subprocess.Popen[str]"]:
    # A test run in the background ignores Ctrl-C, and its children would inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with command(log, "kafka", "-f", "-n", "2") as process:
        signal.signal(signal.SIGINT, before)
        yield process
        process.kill()


def next_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_a_followed_log_shows_its_end_and_what_is_added_also_after_rotation(
    log: Path, following: "subprocess.Popen[str]"
) -> None:
    assert [next_line(following), next_line(following)] == ["two\n", "three\n"]
    with log.open("a") as added:
        added.write("four\n")
    assert next_line(following) == "four\n"
    with log.open("a") as added:
        added.write("five\n")
    log.rename(log.with_suffix(".log.1"))
    log.write_text("six\n")
    assert [next_line(following), next_line(following)] == ["five\n", "six\n"]


def test_ctrl_c_ends_it_without_a_trace(following: "subprocess.Popen[str]") -> None:
    next_line(following)
    following.send_signal(signal.SIGINT)
    _, complaints = following.communicate(timeout=120)
    assert (following.returncode, complaints) == (130, "Stopped.\n")


def test_a_reader_that_leaves_ends_it_without_a_word(log: Path) -> None:
    log.write_text("a line\n" * 100_000)
    with command(log, "kafka", "-n", "100000") as process:
        assert next_line(process) == "a line\n"
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(timeout=120) == -signal.SIGPIPE
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_an_unknown_part_is_answered_with_those_that_have_logs(log: Path) -> None:
    with command(log, "kafak") as process:
        _, complaints = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "'kafak'" in complaints
    assert "there are logs of: kafka" in complaints
