"""What the rule is told of a canary, on a real database: who compared what, who came, what went missing."""

from datetime import timedelta
from uuid import uuid4

import pytest

from services.rollout.evidence import Compared
from tests.services.rollout.test_control import canary
from tests.services.rollout.world import World


def test_evidence_is_what_members_made_of_the_release(world: World) -> None:
    people, release_id = canary(world, 3)
    world.rate(people[0], "candidate", release_id, 5)
    world.rate(people[0], "champion", release_id, 3)
    world.rate(people[0], "champion", None, 2, ago=timedelta(days=1))
    world.rate(world.listener(), "candidate", release_id, 1)
    world.do(
        "insert into feedback.track_failures values (%s, %s, 'candidate', %s, 'broken', now())",
        uuid4(), people[1], release_id,
    )  # fmt: skip
    evidence = world.store.evidence(release_id)
    assert [each.listener_id for each in evidence.listeners] == people
    rated, failing, silent = evidence.listeners
    assert rated.pairs == (Compared(2),)
    assert (rated.on("candidate").total, rated.on("champion").count) == (5, 1)
    assert (failing.failed, failing.present, silent.present) == (1, False, False)
    counts = evidence.counts("candidate")
    assert (counts.made, counts.failed, counts.rated) == (2, 1, 2)


def test_twins_are_compared_with_each_other_and_what_is_left_alone_in_its_order(world: World) -> None:
    people, release_id = canary(world, 3)
    who = people[0]
    alone = world.tracks([(who, "candidate"), (who, "champion"), (who, "candidate")], release_id)
    pair_id, champion, candidate = world.twins(who, release_id)
    world.hear([(who, track) for track in (*alone, champion, candidate)], "{[0,9000)}")
    for track, stars in zip((*alone, champion, candidate), (2, 3, 5, 4, 1), strict=True):
        world.give(who, track, stars)
    world.vote(who, pair_id, "second")
    assert world.store.evidence(release_id).listeners[0].pairs == (Compared(-1), Compared(-3, -1))


@pytest.mark.parametrize(
    ("choice", "candidate_first", "vote"),
    [("first", True, 1), ("first", False, -1), ("second", False, 1), ("tie", True, 0)],
)
def test_a_vote_without_stars_is_a_comparison(world: World, choice: str, candidate_first: bool, vote: int) -> None:
    people, release_id = canary(world, 3)
    pair_id, *tracks = world.twins(people[0], release_id, candidate_first=candidate_first)
    world.vote(people[0], pair_id, choice)
    assert world.store.evidence(release_id).listeners[0].pairs == ()  # nothing of it was heard
    world.hear([(people[0], track) for track in tracks], "{[0,9500)}")
    assert world.store.evidence(release_id).listeners[0].pairs == (Compared(None, vote),)


def test_a_twin_of_which_one_half_was_heard_is_a_track_alone(world: World) -> None:
    people, release_id = canary(world, 3)
    _, champion, _ = world.twins(people[0], release_id)
    world.hear([(people[0], champion)], "{[0,9500)}")
    world.give(people[0], champion, 2)
    world.rate(people[0], "candidate", release_id, 5)
    assert world.store.evidence(release_id).listeners[0].pairs == (Compared(3),)


def test_a_track_that_was_left_early_and_not_rated_was_disliked(world: World) -> None:
    people, release_id = canary(world, 3)
    left, leaving, ended = world.tracks(
        [(people[0], "candidate"), (people[1], "candidate"), (people[2], "candidate")], release_id
    )
    world.hear([(people[0], left)], "{[0,3000)}", ago=timedelta(minutes=2))
    world.hear([(people[1], leaving)], "{[0,3000)}")  # perhaps still listening
    world.hear([(people[2], ended)], "{[0,10000)}", ago=timedelta(minutes=2))
    for who in people:
        world.rate(who, "champion", release_id, 4)
    assert [each.pairs for each in world.store.evidence(release_id).listeners] == [(Compared(-3, None, 1, -1),), (), ()]


def test_a_rating_of_what_was_never_played_does_not_count(world: World) -> None:
    people, release_id = canary(world, 3)
    unheard = world.track(people[0], "candidate", release_id)
    world.give(people[0], unheard, 1)
    world.rate(people[0], "champion", release_id, 5)
    assert world.store.evidence(release_id).listeners[0].pairs == ()


def test_who_has_only_listened_is_present(world: World) -> None:
    people, release_id = canary(world, 3)
    heard, unheard = world.track(people[0], "base", release_id), world.track(people[1], "base", release_id)
    for who, track, what in ((people[0], heard, "{[0,3000)}"), (people[1], unheard, "{}")):
        world.do("insert into feedback.plays values (%s, %s, %s, 0, now(), now())", who, track, what)
    evidence = world.store.evidence(release_id)
    assert [each.present for each in evidence.listeners] == [True, False, False]
