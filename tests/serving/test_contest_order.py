"""Who competes at the first look: whoever is in the batch, in whatever order news of them comes."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from serving.contest import Contest
from serving.engine.params import Update
from serving.engine.ticket import Notify


class FakeStudio:
    """One that hears at once and in which nobody waits; `cancelled` are the tickets that were taken out, `woken` those
    that may go on."""

    def __init__(self) -> None:
        self.cancelled: list[Any] = []
        self.woken: list[Any] = []
        self.engine = SimpleNamespace(
            state=lambda: SimpleNamespace(waiting=0), cancel=self.cancelled.append, wake=self.woken.append
        )
        self.base = SimpleNamespace(codec=SimpleNamespace(frames_for=round))

    def outcome(self, ticket: Any) -> Awaitable[torch.Tensor]:
        return asyncio.wrap_future(ticket.future)

    async def decode(self, call: Callable[..., Any], *args: Any) -> Any:
        return call(*args)


def heard(latents: torch.Tensor, _seconds: float) -> Any:
    return SimpleNamespace(score=float(latents.mean()), rewards=None)


def guess(score: float) -> Update:
    return Update("denoising", step=2, steps=4, guess=torch.full((1, 1), score))


@pytest.mark.parametrize(
    ("begun", "kept"), [((True, True, True), [0, 2]), ((True, False, True), [0]), ((True, False, False), [0])]
)
def test_the_first_to_tell_meets_all_who_are_in_the_batch(begun: tuple[bool, ...], kept: list[int]) -> None:
    """The first guess comes before any news of the others; who is kept goes on."""
    studio: Any = FakeStudio()
    judge: Any = SimpleNamespace(hear=heard, sketches=False)
    tickets: list[Any] = [SimpleNamespace(begun=each, future=Future()) for each in begun]
    notify: list[Notify] = []

    def enter(_seed: int, tell: Notify) -> Any:
        notify.append(tell)
        return tickets[len(notify) - 1]

    async def compete() -> Contest:
        contest = Contest(studio, judge, enter, [1, 2, 3], 1.0)
        updates = contest.updates()
        notify[0](guess(0.5))
        await anext(updates)
        for place in (1, 2):
            notify[place](guess(place / 10))
        notify[0](Update("denoising", step=3, steps=4))
        await anext(updates)
        contest.close()
        return contest

    entrants = asyncio.run(compete()).competitors
    assert tuple(each.halfway is not None for each in entrants) == begun
    assert [place for place, ticket in enumerate(tickets) if ticket in studio.woken] == kept
    assert [ticket in studio.cancelled for ticket in tickets] == [True] * 3
