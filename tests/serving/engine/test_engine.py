"""What a listener relies on: a result that is theirs alone, a fair turn, an end in every case."""

import pickle
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from serving.engine.adapters.slots import NoFreeSlotError
from serving.engine.engine import Engine
from serving.engine.params import Job, Limits, Update
from serving.engine.refusals import (
    AdapterNotResidentError,
    DeadlineError,
    JobCancelledError,
    QueueFullError,
    StepError,
    StoppedError,
)
from serving.engine.schedule import inversion, sampling
from serving.engine.ticket import Ticket
from serving.engine.windows import plan
from tests.serving.engine.parts import RANK, WAIT_S, Gate, adapter, engine, job, key, result


@pytest.fixture
def running() -> Iterator[Engine]:
    made = engine()
    made.start()
    yield made
    made.stop(drain_s=0)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def gated(gate: Gate) -> Iterator[Engine]:
    """Two rows, two places in line, held after its first step."""
    made = engine(Limits(rows=2, queue=2, slots=4, rank=RANK), gate)
    made.start()
    yield made
    gate.open()
    made.stop(drain_s=0)


def test_rows_join_and_leave_while_others_run(gate: Gate) -> None:
    made = engine(Limits(rows=4, queue=8, slots=4, rank=RANK), gate)
    made.start()
    long = made.submit(job(1, steps=6))
    assert gate.reached.acquire(timeout=WAIT_S)
    short = made.submit(job(2, steps=2))
    gate.open()
    short.future.result(WAIT_S)
    long.future.result(WAIT_S)
    made.stop(drain_s=0)
    assert [report.rows for report in gate.reports] == [2, 4, 4, 2, 2, 2]


def test_adapters_differ_and_the_base_does_not_hear_them(running: Engine) -> None:
    bare = result(running, job(1))
    running.install(key(1), adapter(running.base, 1))
    running.install(key(2), adapter(running.base, 2))
    tickets = [running.submit(job(1, adapter=name)) for name in (None, key(1), key(2))]
    base, one, two = (ticket.future.result(WAIT_S) for ticket in tickets)
    torch.testing.assert_close(base, bare, atol=1e-5, rtol=0)
    assert (one - bare).abs().max() > 0.01
    assert (one - two).abs().max() > 0.01


def test_guidance_without_anything_given_is_no_guidance(running: Engine) -> None:
    assert job(1, given=False).rows == 1
    guided, plain = job(1, given=False), job(1, given=False, guidance=1.0)
    assert torch.equal(result(running, guided), result(running, plain))
    assert not torch.allclose(result(running, job(1)), result(running, job(1, guidance=1.0)), atol=1e-3)


def test_inversion_leads_back_to_the_song(running: Engine) -> None:
    song = torch.randn(16, 8, generator=torch.Generator().manual_seed(0)) * 0.5

    def along(path: object, start: torch.Tensor) -> torch.Tensor:
        assert isinstance(path, type(sampling(1, 1.0)))
        return result(running, Job("listener", start, path, torch.zeros(24, 384), torch.zeros(200)))

    noise = along(inversion(64, 1.0), song)
    again = along(sampling(64, 1.0), noise)
    assert (noise - song).abs().mean() > 0.1
    assert (again - song).abs().mean() < 0.1 * (noise - song).abs().mean()


def test_progress_tells_place_and_every_step(gated: Engine, gate: Gate) -> None:
    first: list[Update] = []
    second: list[Update] = []
    one, two = gated.submit(job(1), first.append), gated.submit(job(2), second.append)
    gate.open()
    one.future.result(WAIT_S)
    two.future.result(WAIT_S)
    assert first[0].stage == "queued"
    assert [update.step for update in second if update.stage == "denoising"] == [1, 2, 3, 4]
    assert all(update.to_go_s is not None and update.to_go_s >= 0 for update in first + second)


def test_a_full_queue_says_when_to_come_back(gated: Engine, gate: Gate) -> None:
    gated.submit(job(1))
    assert gate.reached.acquire(timeout=WAIT_S)
    waiting = [gated.submit(job(seed)) for seed in (2, 3)]
    with pytest.raises(QueueFullError) as caught:
        gated.submit(job(4))
    assert caught.value.retry_after_s > 0
    assert pickle.loads(pickle.dumps(caught.value)).retry_after_s == caught.value.retry_after_s  # noqa: S301
    gate.open()
    for ticket in waiting:
        ticket.future.result(WAIT_S)
    result(gated, job(4))


def test_cancelling_frees_the_rows_before_the_next_step(gated: Engine, gate: Gate) -> None:
    gone = gated.submit(job(1, steps=50))
    assert gate.reached.acquire(timeout=WAIT_S)
    waiting, next_one = gated.submit(job(2, steps=50)), gated.submit(job(3, steps=1))
    gated.cancel(waiting)
    with pytest.raises(JobCancelledError):
        waiting.future.result(0)
    gated.cancel(gone)
    gate.open()
    next_one.future.result(WAIT_S)
    with pytest.raises(JobCancelledError):
        gone.future.result(WAIT_S)
    # The one forward that ran before the cancel, and the one step of who came next.
    assert len(gate.reports) == 2


def test_a_listener_who_left_is_cancelled(running: Engine) -> None:
    def gone(_: Update) -> None:
        raise RuntimeError("the event loop is closed")

    with pytest.raises(JobCancelledError):
        running.submit(job(1, steps=1_000), gone).future.result(WAIT_S)


def test_a_passed_deadline_ends_a_job_waiting_or_running(
    gated: Engine, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("serving.engine.ticket.time", SimpleNamespace(monotonic=lambda: clock[0]))
    runs = gated.submit(job(1, steps=50, deadline=0.2))
    assert gate.reached.acquire(timeout=WAIT_S)
    waits = gated.submit(job(2, deadline=0.2))
    clock[0] = 0.3
    gate.open()
    for ticket in (runs, waits):
        with pytest.raises(DeadlineError):
            ticket.future.result(WAIT_S)


@pytest.mark.parametrize(
    "error", [MemoryError("out of memory"), torch.OutOfMemoryError("out of memory"), KeyError("x")]
)
def test_a_forward_that_fails_ends_its_jobs_and_the_engine_lives(
    running: Engine, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    with monkeypatch.context() as broken:

        def fail(*_: object, **__: object) -> None:
            raise error

        broken.setattr(running.base.transformer, "forward", fail)
        with pytest.raises(StepError, match=f"the forward failed: {error}"):
            result(running, job(1))
    result(running, job(1))


def test_conditions_that_fail_end_their_job_and_the_engine_lives(
    running: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:

        def fail(*_: object) -> None:
            raise MemoryError("no room")

        broken.setattr(running.base.conditions, "forward", fail)
        with pytest.raises(StepError, match="the conditions failed: no room"):
            result(running, job(1))
    result(running, job(1))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_nobody_waits_for_a_loop_that_broke() -> None:
    def break_it(_: object) -> None:
        raise KeyError("a fault of ours")

    made = engine(observe=break_it)
    made.start()
    tickets = [made.submit(job(seed)) for seed in (1, 2)]
    for ticket in tickets:
        with pytest.raises(StepError, match="a fault of ours"):
            ticket.future.result(WAIT_S)
    with pytest.raises(StoppedError):
        made.probe(job(3))


def test_factors_that_do_not_fit_are_refused_at_publish(running: Engine) -> None:
    with pytest.raises(ValueError, match="rank"):
        running.install(key(1), adapter(running.base, 1, rank=RANK + 1))
    assert not running.resident(key(1))


def test_an_infinite_result_is_an_error_not_a_track(running: Engine) -> None:
    running.install(key(1), {n: (a * 1e30, b * 1e30) for n, (a, b) in adapter(running.base, 1).items()})
    with pytest.raises(StepError, match="finite"):
        result(running, job(1, adapter=key(1)))
    result(running, job(1))


def test_an_adapter_that_is_not_resident_is_named(running: Engine) -> None:
    with pytest.raises(AdapterNotResidentError, match="listener-1"):
        running.submit(job(1, adapter=key(1)))


def test_a_job_of_another_base_is_refused(running: Engine) -> None:
    good = job(1)
    with pytest.raises(ValueError, match="channels"):
        running.submit(Job("x", torch.zeros(16, 7), good.path, good.prompt, good.style))


def test_publishing_while_it_is_used_changes_no_running_track(gated: Engine, gate: Gate) -> None:
    gated.install(key(1), adapter(gated.base, 1))
    track = gated.submit(job(1, adapter=key(1)))
    assert gate.reached.acquire(timeout=WAIT_S)
    for number in (2, 3, 4, 5):
        gated.install(key(number), adapter(gated.base, number))
    assert gated.resident(key(1))
    gate.open()
    with_others = track.future.result(WAIT_S)
    torch.testing.assert_close(result(gated, job(1, adapter=key(1))), with_others, atol=1e-5, rtol=0)


def test_a_pool_full_of_pins_takes_no_more(gated: Engine, gate: Gate) -> None:
    for number in (1, 2, 3):
        gated.install(key(number), adapter(gated.base, number))
    gated.submit(job(1, adapter=key(1)))
    assert gate.reached.acquire(timeout=WAIT_S)
    gated.submit(job(2, adapter=key(2)))
    gated.submit(job(3, adapter=key(3)))
    with pytest.raises(NoFreeSlotError):
        gated.install(key(4), adapter(gated.base, 4))


def test_no_slot_is_lost_by_a_thousand_publishes_cancels_and_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    made = engine(Limits(rows=8, queue=16, slots=6, rank=1))
    made.start()
    factors = adapter(made.base, 1, rank=1)
    chance, tickets, forward = random.Random(0), list[Ticket](), made.base.transformer.forward
    fate = random.Random(1)

    def sometimes_fail(**given: object) -> object:
        if fate.random() < 0.1:
            raise RuntimeError("an injected failure")
        velocity = forward(**given)[0]
        return (velocity * torch.nan if fate.random() < 0.05 else velocity,)

    monkeypatch.setattr(made.base.transformer, "forward", sometimes_fail)
    for number in range(1_000):
        name = key(chance.randrange(10))
        try:
            made.install(name, factors)
            deadline = time.monotonic() if chance.random() < 0.3 else None
            what = job(number, frames=4, steps=2, adapter=name, deadline=deadline)
            ticket = made.submit(replace(what, windows=plan(4, 2, 0)) if chance.random() < 0.5 else what)
        except (NoFreeSlotError, QueueFullError, AdapterNotResidentError):
            continue
        tickets.append(ticket)
        if chance.random() < 0.5:
            made.cancel(chance.choice(tickets))
    ends = Counter(type(ticket.future.exception(WAIT_S)) for ticket in tickets)
    assert set(ends) == {type(None), JobCancelledError, DeadlineError, StepError}
    state = made.state()
    assert (state.waiting, state.jobs, state.rows, state.pinned) == (0, 0, 0, 0)
    for number in range(100, 105):
        made.install(key(number), factors)
    assert set(made.state().resident) == {key(number) for number in range(100, 105)}
    made.stop(drain_s=0)


def test_the_probe_passes_a_full_line(gated: Engine, gate: Gate) -> None:
    gated.submit(job(1, steps=50))
    assert gate.reached.acquire(timeout=WAIT_S)
    gated.submit(job(2, steps=50))
    probe = gated.probe(job(9, steps=1))
    gate.open()
    probe.future.result(WAIT_S)


def test_a_stuck_step_is_noticed(gated: Engine, gate: Gate) -> None:
    assert gated.quiet_seconds() == 0
    gated.submit(job(1, steps=50))
    assert gate.reached.acquire(timeout=WAIT_S)
    before = gated.quiet_seconds()
    while gated.quiet_seconds() <= before:
        time.sleep(0.001)


def test_stopping_finishes_what_runs_and_refuses_what_comes() -> None:
    made = engine()
    made.start()
    tickets = [made.submit(job(seed)) for seed in range(3)]
    made.stop(drain_s=WAIT_S)
    assert all(ticket.future.result(0).isfinite().all() for ticket in tickets)
    with pytest.raises(StoppedError):
        made.submit(job(4))


def test_stopping_at_once_fails_what_is_left() -> None:
    gate = Gate()
    made = engine(Limits(rows=2, queue=2, slots=4, rank=RANK), gate)
    made.start()
    tickets = [made.submit(job(seed, steps=50)) for seed in (1, 2)]
    assert gate.reached.acquire(timeout=WAIT_S)
    gate.open()
    made.stop(drain_s=0)
    for ticket in tickets:
        with pytest.raises(StoppedError):
            ticket.future.result(0)
