"""Nobody's track depends on anybody else's: companions, order, batch size, join time, other adapters, publishes."""

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from serving.engine.adapters.slots import AdapterKey
from serving.engine.bases.base import nothing_given
from serving.engine.bases.shipped.checkpoint import random_base
from serving.engine.engine import Engine
from serving.engine.music.plan import plan_of
from serving.engine.params import Job, Limits, StepReport
from serving.engine.refusals import AdapterNotResidentError, StepError
from serving.engine.ticket import Ticket
from serving.engine.windows import Given, plan
from tests.serving.engine.parts import RANK, WAIT_S, adapter, engine, job, key, result

KINDS = 10


def same(result: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=0)


def kind(number: int) -> Job:
    """One of `KINDS` different jobs: with and without adapter, guidance, conditions, context, windows."""
    name = None if number % 4 == 0 else key(number % 4)
    made = job(number, frames=16 if number % 3 else 24, steps=2 + number % 3, adapter=name, given=number % 5 > 0)
    if number == 7:
        made = replace(made, windows=plan(16, 8, 2))
    if number in (2, 6):
        made = replace(made, plan=plan_of("90 bpm, A minor", len(made.start), 21.5))
    if number == 8:
        made = replace(made, given=Given(torch.randn(16, 8), (torch.arange(16) < 6).float()))
    return made


@cache
def jobs() -> tuple[Job, ...]:
    return tuple(kind(number) for number in range(KINDS))


def stocked(limits: Limits, observe: Callable[[StepReport], None] | None = None) -> Engine:
    """A running engine that holds the adapters of every kind."""
    made = engine(limits, observe)
    made.start()
    for number in (1, 2, 3):
        made.install(key(number), adapter(made.base, number))
    return made


@pytest.fixture(scope="module")
def alone() -> list[Tensor]:
    """Every job's result when it has the engine to itself."""
    made = stocked(Limits(rows=2, queue=2, slots=4, rank=RANK))
    results = [result(made, each) for each in jobs()]
    made.stop(drain_s=0)
    return results


@settings(max_examples=8, deadline=None)
@given(
    order=st.permutations(range(KINDS)),
    rows=st.integers(2, 12),
    joins=st.lists(st.integers(0, 6), min_size=KINDS, max_size=KINDS),
)
def test_a_result_depends_on_its_job_alone(
    alone: list[Tensor], order: list[int], rows: int, joins: list[int]
) -> None:  # fmt: skip
    """Any order, any batch cap, and joining after any step of the others."""
    tickets: dict[int, Ticket] = {}
    steps = 0

    def join(_: StepReport) -> None:
        nonlocal steps
        for number in order:
            if joins[number] == steps:
                tickets[number] = made.submit(jobs()[number])
        steps += 1

    made = stocked(Limits(rows=rows, queue=KINDS, slots=4, rank=RANK), join)
    # Long enough for the last to join while it runs.
    longest = made.submit(job(99, steps=8))
    longest.future.result(WAIT_S)
    for number, ticket in tickets.items():
        same(ticket.future.result(WAIT_S), alone[number])
    assert set(tickets) == {number for number in range(KINDS) if joins[number] <= 6}
    made.stop(drain_s=0)


def test_two_engines_agree_wherever_their_adapters_lie(alone: list[Tensor]) -> None:
    other = engine(Limits(rows=16, queue=KINDS, slots=9, rank=RANK))
    other.start()
    for number in (9, 3, 8, 2, 7, 1):
        other.install(key(number), adapter(other.base, number))
    tickets = [other.submit(each) for each in jobs()]
    for ticket, expected in zip(tickets, alone, strict=True):
        same(ticket.future.result(WAIT_S), expected)
    other.stop(drain_s=0)


def test_without_an_adapter_it_is_the_bare_base_bit_for_bit() -> None:
    bare, what = random_base(0), job(3, guidance=1.0)
    latents = what.start[None]
    with torch.inference_mode():
        tokens = bare.conditions(what.prompt[None], what.style[None])
        for time, delta in zip(what.path.times, what.path.deltas, strict=True):
            at = torch.tensor([time])
            velocity = bare.transformer(
                hidden_states=latents, timestep=at, timestep_r=at, encoder_hidden_states=tokens,
                context_latents=nothing_given(bare.conditions, latents), return_dict=False,
            )[0]  # fmt: skip
            latents = latents + delta * velocity
    made = stocked(Limits(rows=2, queue=2, slots=4, rank=RANK))
    assert torch.equal(result(made, what), latents[0])
    made.stop(drain_s=0)


def test_each_window_follows_its_own_part_of_the_plan() -> None:
    made = stocked(Limits(rows=2, queue=2, slots=4, rank=RANK))
    what = replace(job(3, frames=24), windows=plan(24, 16, 8))
    late = plan_of("90 bpm, A minor", 24, 21.5)
    late[:16] = 0
    without, planned = result(made, what), result(made, replace(what, plan=late))
    assert torch.equal(planned[:16], without[:16])
    assert (planned[16:] - without[16:]).abs().max() > 1e-3
    made.stop(drain_s=0)


def test_a_plan_of_another_length_is_refused() -> None:
    made = stocked(Limits(rows=2, queue=2, slots=4, rank=RANK))
    with pytest.raises(ValueError, match="expected a plan"):
        made.submit(replace(job(3), plan=torch.zeros(3, 28)))
    with pytest.raises(ValueError, match="expected a null plan"):
        made.submit(replace(job(3), null_plan=torch.zeros(3, 28)))
    made.stop(drain_s=0)


def test_noise_in_every_other_slot_changes_nothing(alone: list[Tensor]) -> None:
    made = engine(Limits(rows=2, queue=2, slots=8, rank=RANK))
    made.start()
    made.install(key(1), adapter(made.base, 1))
    quiet = result(made, jobs()[1])
    for number in range(20, 26):
        noise = {name: (a * 1e4, b * torch.nan) for name, (a, b) in adapter(made.base, number).items()}
        made.install(key(number), noise)
    assert torch.equal(result(made, jobs()[1]), quiet)
    same(quiet, alone[1])
    made.stop(drain_s=0)


def test_a_companion_that_is_not_finite_spoils_nobody(alone: list[Tensor]) -> None:
    made = stocked(Limits(rows=8, queue=KINDS, slots=6, rank=RANK))
    made.install(key(30), {name: (a * torch.nan, b) for name, (a, b) in adapter(made.base, 1).items()})
    tickets = [made.submit(jobs()[number]) for number in (1, 2)]
    broken = made.submit(job(1, steps=3, adapter=key(30)))
    with pytest.raises(StepError, match="finite"):
        broken.future.result(WAIT_S)
    for number, ticket in zip((1, 2), tickets, strict=True):
        same(ticket.future.result(WAIT_S), alone[number])
    made.stop(drain_s=0)


VERSIONS = 6


class Listener(threading.Thread):
    """Asks for one track after the other, each of the newest version that was published."""

    def __init__(self, asked: Engine, what: Job, tracks: int) -> None:
        super().__init__()
        self._engine, self._what, self._tracks = asked, what, tracks
        self.newest, self.made = 0, list[tuple[int, Tensor]]()

    def run(self) -> None:
        while len(self.made) < self._tracks:
            named = self.newest
            try:
                ticket = self._engine.submit(replace(self._what, adapter=version(named)))
            except AdapterNotResidentError:  # it gave way between the look and the submit, as in `serving.tracks`
                continue
            self.made.append((named, ticket.future.result(WAIT_S)))


def version(number: int) -> AdapterKey:
    return AdapterKey("listener", number, f"{number:064x}")


def test_publishing_under_load_fails_nothing_and_mixes_no_versions() -> None:
    """Each track is wholly of the version it named, while newer ones are published and old ones give way."""
    what = replace(job(5, steps=3), windows=plan(16, 8, 2))
    made = engine(Limits(rows=8, queue=64, slots=4, rank=RANK))
    made.start()
    versions = [adapter(made.base, 100 + number) for number in range(VERSIONS)]
    expected = []
    for number, factors in enumerate(versions):
        made.install(version(number), factors)
        expected.append(result(made, replace(what, adapter=version(number))))

    listeners = [Listener(made, what, tracks=20) for _ in range(2)]
    made.install(version(0), versions[0])
    for listener in listeners:
        listener.start()
    published = 0
    while any(listener.is_alive() for listener in listeners):
        published += 1
        made.install(version(published % VERSIONS), versions[published % VERSIONS])
        for listener in listeners:
            listener.newest = published % VERSIONS
            listener.join(0.01)
    tracks = [track for listener in listeners for track in listener.made]
    assert len(tracks) == 40
    assert len({named for named, _ in tracks}) > 1
    for named, latents in tracks:
        same(latents, expected[named])
    state = made.state()
    assert (state.pinned, state.jobs) == (0, 0)
    assert state.evicted > VERSIONS
    made.stop(drain_s=0)
