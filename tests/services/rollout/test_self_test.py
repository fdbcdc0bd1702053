"""The permanent A/A: quiet on what does not differ, loud when the machinery lies; and who is held out of releases."""

import hashlib
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.holdout import is_held_out
from services.rollout.care import Care
from services.rollout.self_test import judged, split_p
from services.rollout.self_tests import SelfTests
from services.rollout.stats import Ratings
from services.rollout.way_back import Heard, Person
from tests.services.rollout.world import World


def half(track: UUID) -> int:
    return hashlib.sha256(str(track).encode()).digest()[0] & 1


def last_week() -> datetime:
    """The Wednesday of the week that is over."""
    today = datetime.now(UTC)
    return today - timedelta(days=today.weekday() + 5)


def heard(world: World, who: UUID, stars: Sequence[int], *, by_half: bool) -> None:
    """Champion tracks of last week; `by_half`: a fault gives one half of them five stars."""
    tracks = world.tracks([(who, "champion")] * len(stars), None)
    world.do("update feedback.tracks set made_at = %s where listener_id = %s", last_week(), who)
    for track, given in zip(tracks, stars, strict=True):
        world.do(
            "insert into feedback.ratings (listener_id, track_id, stars, rated_at, event_id, received_at)"
            " values (%s, %s, %s, now(), %s, now())",
            who, track, (5 if half(track) else 1) if by_half else given, uuid4(),
        )  # fmt: skip


@pytest.mark.usefixtures("same_day")
@pytest.mark.parametrize("by_half", [False, True])
def test_each_week_is_tested_once_and_kept(world: World, monkeypatch: pytest.MonkeyPatch, by_half: bool) -> None:
    """The ids, by which the halves are told apart, are drawn too: one week in twenty alarms by chance."""
    draw, ids = random.Random(3), random.Random(5)
    monkeypatch.setattr("tests.services.rollout.world.uuid7", lambda: UUID(int=ids.getrandbits(128)))
    for _ in range(4):
        heard(world, world.listener(), [draw.randint(2, 5) for _ in range(16)], by_half=by_half)
    world.control().turn()
    world.control().turn()
    (week,) = SelfTests(world.pool).weeks()
    assert week["week"].weekday() == 0
    assert week["listeners"] == 4
    assert ("guardrail" in week["alarms"]) is by_half
    if not by_half:
        assert week["alarms"] == []
        assert week["low"] <= 0 <= week["high"]


def test_a_week_that_is_not_over_or_empty_is_not_tested(world: World) -> None:
    world.track(world.listener(), "champion", None)
    world.control().turn()
    assert SelfTests(world.pool).weeks() == []


def person(draw: random.Random, tracks: int = 30) -> tuple[Person, int, int]:
    """Somebody whose halves differ by nothing but the coin; and how many tracks each half has."""
    level = draw.gauss(3.3, 0.7)
    halves: tuple[list[int], list[int]] = ([], [])
    for _ in range(tracks):
        halves[draw.random() < 0.5].append(min(5, max(1, round(draw.gauss(level, 0.9)))))
    one, other = halves
    return Person(uuid4(), Heard(Ratings.of(one)), Heard(Ratings.of(other))), len(one), len(other)


def test_over_many_weeks_it_alarms_as_often_as_its_error_says() -> None:
    draw, weeks = random.Random(11), 200
    alarms = {"estimate": 0, "guardrail": 0, "ratio": 0}
    for _ in range(weeks):
        drawn = [person(draw) for _ in range(12)]
        made = sum(one for _, one, _ in drawn), sum(other for _, _, other in drawn)
        for name in judged([each for each, _, _ in drawn], made).alarms:
            alarms[name] += 1
    # Three Monte Carlo standard errors above 5 %, of 200 weeks.
    assert 0 < alarms["estimate"] <= 19
    assert alarms["guardrail"] <= 19
    assert alarms["ratio"] <= 2


def test_an_uneven_split_alarms() -> None:
    assert split_p(0, 0) == 1
    assert split_p(500, 500) == 1
    assert split_p(450, 550) == pytest.approx(0.00157, rel=0.01)  # chi-square 10 with one degree of freedom
    assert "ratio" in judged([], (400, 600)).alarms


def test_who_is_held_out_is_in_no_release(world: World) -> None:
    world.care = Care(holdout_share=0.5)
    people = [world.listener() for _ in range(24)]
    world.round(people)
    world.control().turn()
    assert set(world.served()) == {who for who in people if not is_held_out(who, 0.5)}
    assert 0 < len(world.served()) < 24
