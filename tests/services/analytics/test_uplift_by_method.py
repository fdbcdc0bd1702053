"""By method a cell has the listeners whose candidates were made by it; of all releases together, each counts once."""

from collections import defaultdict
from statistics import fmean
from typing import Any
from uuid import UUID

import psycopg
import pytest

from schemas.analysis import EVERY_RELEASE
from tests.services.rollout.world import World

Given = list[tuple[int, str, int]]  # listener, arm, stars

FIRST: Given = [(0, "cold", 2), (0, "candidate", 5), (0, "candidate", 4), (1, "cold", 3), (1, "candidate", 3)]
SECOND: Given = [(0, "cold", 1), (0, "cold", 4), (0, "candidate", 5), (1, "cold", 2), (1, "candidate", 4)]
METHODS = ({0: "signed", 1: "songs"}, {0: "signed", 1: "signed"})


@pytest.fixture
def releases(world: World) -> list[UUID]:
    """Two releases to the same two listeners, and stars outside of any."""
    listeners = [world.listener() for _ in range(2)]
    made = []
    for given, methods in zip((FIRST, SECOND), METHODS, strict=True):
        round_id = world.round(listeners)
        release_id = world.one(
            "insert into rollout.releases (release_id, round_id, status, salt, plan)"
            " values (gen_random_uuid(), %s, 'promoted', '', '{}') returning release_id",
            round_id,
        )["release_id"]
        for index, method in methods.items():
            world.do(
                "update training.adapters set method = %s where (round_id, listener_id) = (%s, %s)",
                method, round_id, listeners[index],
            )  # fmt: skip
        world.do(
            "insert into rollout.members (release_id, listener_id, candidate_version)"
            " select %s, listener_id, version from training.adapters where round_id = %s",
            release_id, round_id,
        )  # fmt: skip
        world.ratings([(listeners[who], arm, stars) for who, arm, stars in given], release_id)  # type: ignore[misc]
        made.append(release_id)
    world.ratings([(listeners[0], "cold", 5), (listeners[0], "candidate", 1)], None)
    for release_id in (*made, EVERY_RELEASE):
        world.do("select feedback.refresh_cells(%s)", release_id)
    return made


def ask(world: World, release: UUID, by: list[str], metric: str = "stars") -> dict[tuple[str, ...], tuple[int, float]]:
    """Cell to (listeners, mean difference)."""
    rows = world.do("select * from analytics.uplift_by(%s::text[], %s, 'candidate', 'cold', %s)", by, metric, release)
    return {tuple(row["cell"]): (row["listeners"], row["d"] / row["listeners"]) for row in rows}


def plain(*given: Given) -> float:
    """Mean over listeners of the difference of their means over all that they gave."""
    stars: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for who, arm, number in (each for one in given for each in one):
        stars[who][arm].append(number)
    return fmean(fmean(arms["candidate"]) - fmean(arms["cold"]) for arms in stars.values())


def of(who: int, given: Given) -> Given:
    return [each for each in given if each[0] == who]


def test_a_release_is_told_by_the_methods_of_its_candidates(world: World, releases: list[UUID]) -> None:
    first, second = releases
    expected = {("signed",): (1, plain(of(0, FIRST))), ("songs",): (1, plain(of(1, FIRST)))}
    assert ask(world, first, ["method"]) == {cell: pytest.approx(said) for cell, said in expected.items()}
    assert ask(world, second, ["method"]) == {("signed",): pytest.approx((2, plain(SECOND)))}
    assert ask(world, first, ["method", "home"]).keys() == {("signed", "unknown"), ("songs", "unknown")}


@pytest.mark.usefixtures("releases")
def test_of_all_releases_together_each_counts_once_with_all_that_one_method_gave(world: World) -> None:
    assert ask(world, EVERY_RELEASE, ["method"]) == {
        ("signed",): pytest.approx((2, plain(of(0, FIRST), SECOND))),
        ("songs",): pytest.approx((1, plain(of(1, FIRST)))),
    }
    assert ask(world, EVERY_RELEASE, []) == {(): pytest.approx((2, plain(FIRST, SECOND)))}
    assert ask(world, EVERY_RELEASE, ["home"]) == {("unknown",): pytest.approx((2, plain(FIRST, SECOND)))}
    assert {listeners for listeners, _ in ask(world, EVERY_RELEASE, ["method"], "completion").values()} == {1, 2}


def test_votes_of_all_releases_are_told_by_method(world: World, releases: list[UUID]) -> None:
    (who,) = {row["listener_id"] for row in world.do(
        "select m.listener_id from feedback.candidate_methods m where method = 'songs'"
    )}  # fmt: skip
    for release_id, choices in zip(releases, (("first", "second"), ("first", "first")), strict=True):
        for choice in choices:
            pair_id, _, _ = world.twins(who, release_id)
            world.vote(who, pair_id, choice)
    world.do("select feedback.refresh_cells(%s)", EVERY_RELEASE)
    asked = "select * from analytics.uplift_by(%s::text[], 'pair_wins', 'candidate', 'champion', %s)"
    by_method = {row["cell"][0]: row["d"] for row in world.do(asked, ["method"], EVERY_RELEASE)}
    assert by_method == pytest.approx({"signed": 0.5, "songs": 0.0})
    (all_of_it,) = world.do(asked, [], EVERY_RELEASE)
    assert (all_of_it["listeners"], all_of_it["observations"], all_of_it["d"]) == pytest.approx((1, 4, 0.25))


@pytest.mark.parametrize("asked", [("{style}", "whole"), ("{tenure}", "whole"), ("{}", "day"), ("{}", "cumulative")])
def test_what_is_of_one_release_is_refused_of_all(world: World, asked: tuple[Any, ...]) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        world.do(
            "select * from analytics.uplift_by(%s::text[], 'stars', 'candidate', 'cold', %s, %s)",
            asked[0], EVERY_RELEASE, asked[1],
        )  # fmt: skip
