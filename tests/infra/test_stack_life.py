"""A stack through its accidents: a killed part, a killed supervisor, a second launcher, its end. Real servers."""

import signal
import time
from collections.abc import Callable, Iterator

import psutil
import psycopg
import pytest

from infra.local import leftovers
from infra.local.down import down
from infra.local.errors import StackError
from infra.local.home import Home
from infra.local.postgres import with_database
from infra.local.probes import ask
from infra.local.supervision import Supervisor
from infra.local.up import up
from tests.stacks import RunningStack, clean_environment, start, temporary_home

PARTS = ("postgres", "kafka")
PATIENCE_S = 240


@pytest.fixture(scope="module")
def running() -> Iterator[RunningStack]:
    with temporary_home() as home:
        yield start(home, *PARTS)


def _until(condition: Callable[[], bool], what: str) -> None:
    limit = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < limit, f"still not so: {what}"
        time.sleep(0.1)


def _pid(home: Home, part: str) -> int:
    return Supervisor(home).states()[part].pid


@pytest.mark.e2e
@pytest.mark.parametrize("part", PARTS)
def test_a_killed_part_comes_back_by_itself(running: RunningStack, part: str) -> None:
    before = _pid(running.home, part)
    psutil.Process(before).send_signal(signal.SIGKILL)
    _until(lambda: _pid(running.home, part) not in (0, before), f"{part} has a new process")
    _until(lambda: not ask(running.stack.part(part).probe), f"{part} is well")


@pytest.mark.e2e
def test_up_on_a_running_stack_changes_nothing(running: RunningStack) -> None:
    before = {part: _pid(running.home, part) for part in PARTS}
    assert start(running.home, *PARTS).stack == running.stack
    assert {part: _pid(running.home, part) for part in PARTS} == before


@pytest.mark.e2e
def test_after_the_supervisor_was_killed_up_goes_on_with_the_data(running: RunningStack) -> None:
    with psycopg.connect(with_database(running.postgres_dsn, "postgres"), autocommit=True) as connection:
        connection.execute("create table kept (word text)")
        connection.execute("insert into kept values ('here')")
    orphan = psutil.Process(_pid(running.home, "kafka"))
    supervisor = next(parent for parent in orphan.parents() if "supervisord" in " ".join(parent.cmdline()))
    supervisor.kill()
    supervisor.wait(PATIENCE_S)
    again = start(running.home, *PARTS)
    assert not orphan.is_running()
    with psycopg.connect(with_database(again.postgres_dsn, "postgres")) as connection:
        assert connection.execute("select word from kept").fetchall() == [("here",)]


@pytest.mark.e2e
def test_other_settings_are_refused_while_the_stack_runs(running: RunningStack) -> None:
    environ = clean_environment() | {"ENCORE_ARM_SALT": "another"}
    with pytest.raises(StackError, match="ENCORE_ARM_SALT"):
        up(running.home, environ, PARTS)


@pytest.mark.e2e
def test_two_launchers_do_not_work_on_one_folder(running: RunningStack) -> None:
    with running.home.alone(), pytest.raises(StackError, match="Another launcher"):
        down(running.home)


@pytest.mark.e2e
def test_a_part_that_cannot_start_is_named_with_the_end_of_its_log() -> None:
    with temporary_home() as home:
        home.make()
        (home.folder / "kafka" / "data").mkdir(parents=True)
        (home.folder / "kafka" / "data" / "meta.properties").write_text("version=9\n")
        with pytest.raises(StackError, match=r"kafka ended .* times in a row(.|\n)*kafka\.log"):
            start(home, "kafka")


@pytest.mark.e2e
def test_down_leaves_no_process_and_no_socket(running: RunningStack) -> None:
    assert leftovers.find(running.home.folder)
    assert down(running.home) == []
    assert leftovers.find(running.home.folder) == []
    assert not running.home.short.exists()
    assert down(running.home) == []
