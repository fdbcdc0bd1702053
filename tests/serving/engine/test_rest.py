"""A job that was looked at rests: its rows stay its own, it takes no step, and it never rests for ever."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from queue import SimpleQueue

import pytest
import torch

from serving.engine.engine import Engine
from serving.engine.params import Job, Limits, StepReport, Update
from serving.engine.refusals import JobCancelledError
from serving.engine.ticket import Ticket
from tests.serving.engine.parts import RANK, WAIT_S, engine, job, result

Running = tuple[Engine, list[StepReport]]


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """Four rows; who rests does so until somebody ends it."""
    monkeypatch.setattr("serving.engine.engine.REST_S", float(WAIT_S))
    reports: list[StepReport] = []
    made = engine(Limits(rows=4, queue=8, slots=4, rank=RANK), reports.append)
    made.start()
    yield made, reports
    made.stop(drain_s=0)


def looking(seed: int) -> Job:
    return replace(job(seed), look=2, rest=True)


def rested(made: Engine, what: Job) -> Ticket:
    """Submits and waits until it was looked at."""
    news: SimpleQueue[Update] = SimpleQueue()
    ticket = made.submit(what, news.put)
    while news.get(timeout=WAIT_S).guess is None:
        pass
    return ticket


def test_it_takes_no_step_until_it_is_woken_and_then_becomes_what_it_would_have(running: Running) -> None:
    made, reports = running
    ticket = rested(made, looking(1))
    others = result(made, job(2, steps=3))
    assert [report.rows for report in reports] == [2] * 5
    assert made.state().rows == 2
    made.wake(ticket)
    woken = ticket.future.result(WAIT_S)
    assert [report.rows for report in reports] == [2] * 7
    torch.testing.assert_close(woken, result(made, job(1)), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(others, result(made, job(2, steps=3)), atol=1e-4, rtol=1e-4)


def test_it_can_be_taken_out(running: Running) -> None:
    made, reports = running
    ticket = rested(made, looking(1))
    made.cancel(ticket)
    with pytest.raises(JobCancelledError):
        ticket.future.result(WAIT_S)
    assert (made.state().rows, len(reports)) == (0, 2)


def test_nobody_waits_for_who_rests(running: Running) -> None:
    made, _ = running
    tickets = [rested(made, looking(seed)) for seed in (1, 2)]
    made.submit(job(3)).future.result(WAIT_S)
    assert all(ticket.future.result(WAIT_S).isfinite().all() for ticket in tickets)


def test_it_goes_on_by_itself(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = running
    monkeypatch.setattr("serving.engine.engine.REST_S", 0.05)
    assert rested(made, looking(1)).future.result(WAIT_S).isfinite().all()


def test_a_probe_and_a_stop_pass_who_rests(running: Running) -> None:
    made, _ = running
    ticket = rested(made, looking(1))
    made.probe(job(2, frames=2, steps=1)).future.result(WAIT_S)
    assert not ticket.future.done()
    stopping = threading.Thread(target=made.stop, args=(WAIT_S,))
    stopping.start()
    made.wake(ticket)
    assert ticket.future.result(WAIT_S).isfinite().all()
    stopping.join(WAIT_S)
