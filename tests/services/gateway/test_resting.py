"""Who floods rests beside whoever does not: never alone, never for long, never beside floods, and never for being the
service of many listeners."""

import asyncio
from collections.abc import Callable, Hashable
from itertools import count, pairwise
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.gateway.admission import PLACES, Admission
from services.gateway.resting import BURST_S, LATEST, MOST_S, SLOWER, WORK_S
from tests.services.gateway.virtual import virtually

Taken = list[tuple[float, float]]
"""When each request got its place, and when it gave it back."""
RUN_S: Final = 10.0
SLOW: Final = st.floats(0.01, 0.9)
WIDTHS: Final = st.integers(2, 20)


class Jumping:
    """A clock that moves on by seconds between two looks, and else with the loop's."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self._looks = 0

    def __call__(self) -> float:
        self._looks -= 1
        if self._looks == 0:
            self.ahead += 5.0
        return now() + self.ahead

    def jumps_after(self, looks: int) -> None:
        self._looks = looks


def now() -> float:
    return asyncio.get_running_loop().time()


async def sends(
    line: Admission,
    owner: str,
    taken: Taken,
    until: float,
    *,
    seconds: float,
    rest: float = 0.0,
    subject: Callable[[], Hashable] = lambda: None,
) -> None:
    """One request after the other, each of which takes so long once it has its place."""
    while now() < until:
        place = await line.place(owner, subject)
        since = now()
        await asyncio.sleep(seconds)
        place.leave()
        taken.append((since, now()))
        await asyncio.sleep(rest)


async def floods(line: Admission, owner: str, width: int, **each: object) -> Taken:
    taken: Taken = []
    until = now() + RUN_S
    await asyncio.gather(*(sends(line, owner, taken, until, **each) for _ in range(width)))  # type: ignore[arg-type]
    return sorted(taken)


def held_s(taken: Taken) -> float:
    return sum(left - came for came, left in taken)


async def beside(width: int, slow: float, subject: Callable[[], Hashable] = lambda: None) -> tuple[Taken, Taken]:
    """What a flood and a listener who sends one request after the other get beside each other."""
    line = Admission(now=now)
    quiet: Taken = []
    one = sends(line, "quiet", quiet, now() + RUN_S, seconds=0.01, rest=0.02)
    flooded, _ = await asyncio.gather(floods(line, "flood", width, seconds=slow, subject=subject), one)
    return flooded, quiet


@settings(max_examples=10, deadline=None)
@given(WIDTHS, SLOW)
def test_a_flood_alone_rests_never(width: int, slow: float) -> None:
    taken = virtually(lambda: floods(Admission(now=now), "flood", width, seconds=slow))
    assert held_s(taken) >= min(width, PLACES) * RUN_S * 0.999


@settings(max_examples=10, deadline=None)
@given(WIDTHS, SLOW)
def test_a_flood_beside_another_is_slow_and_not_forgotten(width: int, slow: float) -> None:
    flooded, quiet = virtually(lambda: beside(width, slow))
    during = [each for each in flooded if each[1] <= quiet[-1][1]]
    assert max(came - left for (_, left), (came, _) in pairwise(during)) <= MOST_S + 0.001
    share = max(1 / SLOWER, slow / (slow + MOST_S))
    at_once = BURST_S * max(1.0, slow / WORK_S)
    assert held_s(during) <= at_once + 2 * slow + share * RUN_S


@pytest.mark.parametrize("looks", range(1, 25))
def test_nobody_is_forgotten_whose_rest_ends_between_two_looks_at_the_clock(looks: int) -> None:
    clock = Jumping()

    async def used(line: Admission, owner: str) -> None:
        place = await line.place(owner)
        await asyncio.sleep(0)
        clock.ahead += 0.1
        place.leave()

    async def rests() -> None:
        line = Admission(1, now=clock)
        await used(line, "quiet")
        flooding = [asyncio.create_task(used(line, "flood")) for _ in range(20)]
        for _ in range(5 * len(flooding)):
            await asyncio.sleep(0)
        assert not all(task.done() for task in flooding)
        clock.jumps_after(looks)
        await used(line, "quiet")
        await asyncio.wait_for(asyncio.gather(*flooding), 60)

    virtually(rests)


@settings(max_examples=10, deadline=None)
@given(WIDTHS, SLOW)
def test_who_sends_one_request_after_the_other_never_waits(width: int, slow: float) -> None:
    _, quiet = virtually(lambda: beside(width, slow))
    assert max(came - left for (_, left), (came, _) in pairwise(quiet)) == pytest.approx(0.02, abs=1e-6)


def test_a_page_that_opens_does_not_rest() -> None:
    async def opens() -> float:
        line = Admission(now=now)
        quiet = asyncio.create_task(sends(line, "quiet", [], now() + 10, seconds=0.01))
        await asyncio.sleep(1)
        began = now()
        await asyncio.gather(*(sends(line, "page", [], now() + 1e-9, seconds=0.04) for _ in range(10)))
        took = now() - began
        await quiet
        return took

    assert virtually(opens) == pytest.approx(0.4)


def test_floods_do_not_rest_for_each_other() -> None:
    async def two() -> list[Taken]:
        line = Admission(now=now)
        return await asyncio.gather(*(floods(line, owner, 4, seconds=0.02) for owner in ("a", "b")))

    for taken in virtually(two):
        assert held_s(taken) >= 0.95 * RUN_S


def test_a_service_of_many_listeners_has_its_share_and_one_for_a_single_listener_rests() -> None:
    of_many = count()
    many, _ = virtually(lambda: beside(4, 0.02, lambda: next(of_many) % LATEST))
    single, _ = virtually(lambda: beside(4, 0.02, lambda: "one listener"))
    assert held_s(single) < 0.15 * RUN_S < 0.6 * RUN_S < held_s(many)
