"""After a promotion: a part hears what was before, the way back by itself and by command, killed or not."""

import json
import random
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from schemas.events import Arm, ReleaseEvent
from schemas.registry import model_name
from services.rollout import metrics
from services.rollout.care import Care
from services.rollout.command import revert
from services.rollout.stats import Ratings
from services.rollout.way_back import Heard, Person, worse
from tests.services.rollout.listeners import PLAN
from tests.services.rollout.test_control import BETTER, canary, status
from tests.services.rollout.test_killed import Fuse, Killed, fused
from tests.services.rollout.world import World

Q = Care().held_back


def promoted(world: World, listeners: int = 4) -> tuple[list[UUID], UUID]:
    """A release that was promoted over a first champion: its listeners hear version 2, and partly 1."""
    people, first = canary(world, listeners)
    world.rate_all(first, BETTER)
    world.control().turn()
    world.round(people)
    world.control().turn()
    (second,) = (
        row["release_id"] for row in world.do("select release_id from rollout.releases where status = 'canary'")
    )
    world.rate_all(second, BETTER)
    world.control().turn()
    assert status(world, second) == "promoted"
    return people, second


def heard(world: World, people: list[UUID], stars: dict[Arm, int], each: int = 8) -> None:
    """Each listener rates this many tracks of the champion's for each of the version before, which are half as many."""
    versions = {row["listener_id"]: row for row in world.do("select * from rollout.listener_models")}
    for who in people:
        counts: dict[Arm, int] = {"champion": each, "previous": each // 2}
        for arm, count in counts.items():
            version = versions[who][f"{arm}_version"]
            for _ in range(count):
                world.rate(who, arm, None, stars[arm])
            world.do(
                "update feedback.tracks set model_version = %s where arm = %s and listener_id = %s"
                " and model_version is null and release_id is null",
                None if version is None else f"{model_name(who)}/{version}", arm, who,
            )  # fmt: skip


def test_a_promotion_is_watched_and_a_worse_champion_goes_back_by_itself(world: World) -> None:
    people, release_id = promoted(world)
    assert world.served() == dict.fromkeys(people, (2, 1, None))
    heard(world, people, {"champion": 1, "previous": 5})
    world.control().turn()
    assert status(world, release_id) == "reverted"
    assert world.served() == dict.fromkeys(people, (1, 2, None))
    assert all(world.registry.aliases(model_name(who)) == {"champion": 1, "previous": 2} for who in people)
    row = world.one("select * from rollout.decisions where verdict = 'revert'")
    assert "rated lower" in row["reason"]
    assert row["inputs"]["by"] == "rollout"
    assert row["inputs"]["uplift"]["champion - previous"] is None, "all differ by the same: no interval"
    assert len(row["inputs"]["evidence"]) == len(people)
    event = ReleaseEvent.model_validate_json(world.events()[-1].value or b"")
    assert (event.type, event.id) == ("encore.release.reverted", row["decision_id"])


def test_a_good_champion_is_confirmed_when_the_watch_is_over(world: World) -> None:
    people, release_id = promoted(world)
    heard(world, people, {"champion": 5, "previous": 3})
    world.control().turn()
    assert world.do("select * from rollout.decisions where verdict = 'confirm'") == []
    watching = "select count(*) as n from rollout.listener_models where watched_release_id = %s"
    assert world.one(watching, release_id)["n"] == len(people)
    world.do("update rollout.releases set decided_at = decided_at - %s", timedelta(seconds=Care().watch_s))
    world.control().turn()
    assert world.one(watching, release_id)["n"] == 0
    assert world.one("select count(*) as n from rollout.decisions where verdict = 'confirm'")["n"] == 1
    assert (status(world, release_id), set(world.served().values())) == ("promoted", {(2, 1, None)})


def test_a_person_takes_a_promotion_back_also_to_the_cold_start(world: World) -> None:
    people, release_id = canary(world, 3)
    world.rate_all(release_id, BETTER)
    world.control().turn()
    said = revert(world.store, world.watches, release_id, "hum in the low end", "Ada")
    assert "3 listeners" in said
    assert world.served() == dict.fromkeys(people, (None, 1, None))
    world.control().turn()
    assert status(world, release_id) == "reverted"
    assert all(world.registry.aliases(model_name(who)) == {"previous": 1} for who in people)
    assert world.one("select inputs ->> 'by' as by from rollout.decisions where verdict = 'revert'") == {"by": "Ada"}
    assert "0 listeners" in revert(world.store, world.watches, release_id, "again", "Ada"), "once more changes nothing"
    with pytest.raises(ValueError, match="unknown"):
        revert(world.store, world.watches, uuid4(), "?", "Ada")


def test_a_running_canary_over_what_goes_back_is_held_first(world: World) -> None:
    people, release_id = promoted(world)
    newer = world.round(people[:2])
    world.control().turn()
    with pytest.raises(ValueError, match="is canary"):
        revert(world.store, world.watches, world.release(newer)["release_id"], "?", "Ada")
    revert(world.store, world.watches, release_id, "hum", "Ada")
    assert world.served() == dict.fromkeys(people, (1, 2, None))
    world.control().turn()
    assert (world.release(newer)["status"], status(world, release_id)) == ("held", "reverted")


def test_a_watch_that_this_version_cannot_read_stops_no_other_release(world: World) -> None:
    promoted(world)
    world.do("update rollout.releases set care = care || '{\"of a newer version\": 1}'")
    _, release_id = canary(world)
    world.rate_all(release_id, BETTER)
    before = metrics.FAILED._value.get()
    world.control().turn()
    assert status(world, release_id) == "promoted"
    assert metrics.FAILED._value.get() == before + 1


def test_aliases_go_back_also_of_who_is_in_a_newer_canary_by_then(world: World) -> None:
    people, release_id = promoted(world)
    revert(world.store, world.watches, release_id, "hum", "Ada")
    round_id = world.round(people[:1])  # a canary begins before the registry could be told
    world.control().start_canaries()
    world.control().turn()
    assert (world.release(round_id)["status"], status(world, release_id)) == ("canary", "reverted")
    assert all(world.registry.aliases(model_name(who))["champion"] == 1 for who in people)


def test_who_moved_on_or_was_pinned_is_left_where_they_are(world: World) -> None:
    people, release_id = promoted(world)
    world.do("update rollout.listener_models set pinned = true where listener_id = %s", people[0])
    world.do(
        "update rollout.listener_models set champion_version = 1, previous_version = null where listener_id = %s",
        people[1],
    )
    revert(world.store, world.watches, release_id, "hum", "Ada")
    assert world.served() == {
        people[0]: (2, 1, None), people[1]: (1, None, None), people[2]: (1, 2, None), people[3]: (1, 2, None),
    }  # fmt: skip


def test_any_kill_during_the_way_back_leads_to_the_same_end(world: World) -> None:
    people, release_id = promoted(world)
    heard(world, people, {"champion": 1, "previous": 5})
    kills = 0
    for blows_at in range(1, 60):
        fuse = Fuse(blows_at)
        try:
            fused(world, fuse).turn()
        except Killed:
            kills += 1
            world.control().turn()
        assert status(world, release_id) == "reverted", f"killed at step {blows_at}"
        assert world.served() == dict.fromkeys(people, (1, 2, None))
        assert all(world.registry.aliases(model_name(who)) == {"champion": 1, "previous": 2} for who in people)
        assert world.one("select count(*) as n from rollout.decisions where verdict = 'revert'")["n"] == 1
        sent = {json.loads(message.value or b"")["id"] for message in world.events()}
        assert len(sent) == 5, "two started, two promoted, one reverted, however often they were sent"
        if fuse.left > 0:
            break
        undo(world, release_id, people)
    assert kills > 8


def undo(world: World, release_id: UUID, people: list[UUID]) -> None:
    """As it was before the way back."""
    world.do("delete from rollout.decisions where verdict = 'revert'")
    world.do("update rollout.releases set status = 'promoted' where release_id = %s", release_id)
    world.do(
        "update rollout.listener_models set champion_version = 2, previous_version = 1, watched_release_id = %s",
        release_id,
    )
    for who in people:
        world.registry.point(model_name(who), "champion", 2)
        world.registry.point(model_name(who), "previous", 1)
    for log in world.broker.logs.values():
        log[:] = [message for message in log if b"reverted" not in (message.value or b"")]


def test_one_listener_alone_takes_nothing_back() -> None:
    """However sure they are: the comparison must hold without them."""
    hostile = Person(uuid4(), Heard(Ratings.of([1] * 34)), Heard(Ratings.of([5] * 6)))
    others = [Person(uuid4(), Heard(Ratings.of([3, 4] * 4)), Heard(Ratings.of([3, 4]))) for _ in range(8)]
    assert worse([hostile, *others], Q, PLAN.guardrail_alpha, PLAN.minimum_listeners) is None
    assert worse([hostile] * 4, Q, PLAN.guardrail_alpha, PLAN.minimum_listeners) is not None
    assert worse([hostile] * 2, Q, PLAN.guardrail_alpha, PLAN.minimum_listeners) is None


def listener(draw: random.Random, effect: float, tracks: int) -> list[tuple[bool, int]]:
    """(on previous?, stars) of each track; the champion is worse by `effect` stars."""
    level = draw.gauss(3.3, 0.6)
    fell = [draw.random() < Q for _ in range(tracks)]
    return [(old, min(5, max(1, round(draw.gauss(level - (0 if old else effect), 0.9))))) for old in fell]


def person(tracks: list[tuple[bool, int]]) -> Person:
    new, old = ([stars for on, stars in tracks if on is side] for side in (False, True))
    return Person(uuid4(), Heard(Ratings.of(new), len(new)), Heard(Ratings.of(old), len(old)))


def taken_back(draw: random.Random, effect: float, listeners: int = 12, tracks: int = 40) -> bool:
    """Whether a watch that is looked at after every fourth track of each listener ever goes back."""
    people = [listener(draw, effect, tracks) for _ in range(listeners)]
    looks = ([person(own[:upto]) for own in people] for upto in range(4, tracks + 1, 4))
    return any(worse(look, Q, 0.05, 3) is not None for look in looks)


def test_a_champion_that_is_no_worse_rarely_goes_back_and_a_bad_one_does() -> None:
    draw = random.Random(5)
    assert sum(taken_back(draw, 0.0) for _ in range(100)) <= 5
    assert sum(taken_back(draw, 1.0) for _ in range(20)) >= 18


def test_what_failed_in_a_canary_or_a_pair_says_nothing_about_the_champion(world: World) -> None:
    people, release_id = promoted(world)
    (watch,) = world.watches.watched()
    for canary_of, pair_id, who in ((None, None, people[0]), (release_id, None, people[1]), (None, uuid4(), people[2])):
        track_id = uuid4()
        world.do(
            "insert into gateway.tracks (track_id, listener_id, pair_id, prompt, seconds, seed, arm, propensity,"
            " request, status) values (%s, %s, %s, '', 4, 7, 'champion', 0.5, '{}', 'failed')",
            track_id, who, pair_id,
        )  # fmt: skip
        world.do(
            "insert into feedback.track_failures (track_id, listener_id, arm, release_id, code, failed_at)"
            " values (%s, %s, 'champion', %s, 'engine_failed', now())",
            track_id, who, canary_of,
        )  # fmt: skip
    failed = {one.listener_id: one.champion.failed for one in world.watches.people(watch)}
    assert failed == dict.fromkeys(people, 0) | {people[0]: 1}
