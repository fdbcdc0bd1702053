"""A release reaches its members in steps, each as large as what it can see."""

from uuid import UUID

import pytest

from services.rollout.care import Care
from services.rollout.operating import Operating, Wish
from services.rollout.ramp import steps
from tests.services.rollout.listeners import PLAN
from tests.services.rollout.test_control import status
from tests.services.rollout.world import World


@pytest.mark.parametrize(
    ("members", "expected"), [(12, (12,)), (38, (38,)), (40, (20, 40)), (400, (20, 200, 400)), (1, (1,)), (0, (0,))]
)
def test_a_step_that_would_see_nothing_is_left_out(members: int, expected: tuple[int, ...]) -> None:
    assert steps((0.05, 0.5, 1.0), members, 20) == expected


def ramped(world: World, members: int = 8) -> tuple[list[UUID], UUID]:
    """A canary in steps of a quarter, the half and all of its members."""
    world.care = Care(ramp=(0.25, 0.5, 1.0), ramp_least=2)
    people = [world.listener() for _ in range(members)]
    round_id = world.round(people)
    world.control().turn()
    return people, world.release(round_id)["release_id"]


def joined(world: World, release_id: UUID) -> list[UUID]:
    """Whom the canary has reached."""
    rows = world.do(
        "select listener_id from rollout.members join rollout.releases using (release_id)"
        " where release_id = %s and joins <= step",
        release_id,
    )
    return [row["listener_id"] for row in rows]


def rate(world: World, release_id: UUID, each: int) -> None:
    """Those who have joined rate as many tracks of champion and candidate, one as good as the other."""
    for who in joined(world, release_id):
        for number in range(each):
            world.rate(who, "champion", release_id, 2 + number % 3)
            world.rate(who, "candidate", release_id, 2 + number % 3)


def test_more_join_when_those_who_have_gave_their_ratings(world: World) -> None:
    people, release_id = ramped(world)
    first = joined(world, release_id)
    assert len(first) == 2
    assert set(world.served().values()) == {(None, None, 1)}, "all are taken: no other canary has them meanwhile"
    rate(world, release_id, PLAN.pairs - 1)
    world.control().turn()
    assert joined(world, release_id) == first
    rate(world, release_id, 1)
    world.control().turn()
    second = joined(world, release_id)
    assert len(second) == 4
    assert set(first) < set(second)
    rate(world, release_id, PLAN.pairs)
    world.control().turn()
    assert len(joined(world, release_id)) == 8 == len(people)
    told = world.do("select action, acted_by from rollout.actions")
    assert told == [{"action": "ramp", "acted_by": "rollout"}] * 2


def test_a_step_does_not_wait_for_ever_and_a_pause_holds_it(world: World) -> None:
    _, release_id = ramped(world)
    orders = Operating(world.pool)
    orders.pause_or_resume(Wish("pause", "a hum", "Ada", release_id))
    world.do(
        "update rollout.releases set step_at = step_at - interval '1 day', paused_at = paused_at - interval '1 day'"
    )
    world.control().turn()
    assert len(joined(world, release_id)) == 2
    orders.pause_or_resume(Wish("resume", "mended", "Ada", release_id))
    world.control().turn()
    assert len(joined(world, release_id)) == 2, "the step's clock stood still as well"
    world.do("update rollout.releases set step_at = step_at - interval '1 day'")
    world.control().turn()
    assert len(joined(world, release_id)) == 4


def test_nobody_joins_while_the_guardrails_cannot_be_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise ArithmeticError("the series did not converge")

    _, release_id = ramped(world)
    world.do("update rollout.releases set step_at = now() - interval '1 day'")
    with monkeypatch.context() as patch:
        patch.setattr("services.rollout.control.decide", breaks)
        world.control().turn()
    assert len(joined(world, release_id)) == 2
    world.control().turn()
    assert len(joined(world, release_id)) == 4


def test_a_bad_candidate_ends_before_the_others_hear_it(world: World) -> None:
    _, release_id = ramped(world, members=56)
    for who in joined(world, release_id):
        world.rate(who, "champion", release_id, 5)
        world.rate(who, "candidate", release_id, 1)
    world.control().turn()
    assert (status(world, release_id), len(joined(world, release_id))) == ("rolled_back", 14)
