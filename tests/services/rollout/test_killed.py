"""Killed before or after any single step, the next start ends where an undisturbed one would have ended."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from schemas.registry import model_name
from services.rollout.control import Control
from services.rollout.self_tests import SelfTests
from services.rollout.watching import Watching
from tests.services.rollout.listeners import PLAN
from tests.services.rollout.test_control import BETTER, WORSE, Means
from tests.services.rollout.world import World

STEPS = ("open_release", "record", "finish", "revert", "confirm", "point", "drop", "send_all", "prefetch")


class Killed(BaseException):
    """The process is no more."""


class Fuse:
    """Passes calls on, and kills before (odd) or after (even) the chosen one of those that change something."""

    def __init__(self, blows_at: int) -> None:
        self.left = blows_at

    def _burn(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed

    def step(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def fused(*values: Any, **named: Any) -> Any:
            self._burn()
            answer = call(*values, **named)
            self._burn()
            return answer

        return fused

    def around(self, part: object) -> Any:
        fuse = self

        class Fused:
            def __getattr__(self, name: str) -> Any:
                call = getattr(part, name)
                return fuse.step(call) if name in STEPS else call

        return Fused()


def fused(world: World, fuse: Fuse) -> Control:
    store, registry, producer = (fuse.around(part) for part in (world.store, world.registry, world.broker.producer()))
    watching = Watching(store, fuse.around(world.watches), registry, producer)
    self_tests = SelfTests(world.pool)
    return Control(
        world.pool,
        store,
        registry,
        producer,
        fuse.step(world.prefetched.extend),
        PLAN,
        world.care,
        watching,
        self_tests,
    )


def state(world: World, people: list[UUID]) -> tuple[object, ...]:
    return (
        world.do("select status from rollout.releases"),
        world.do("select look, verdict, reason from rollout.decisions"),
        [world.served()[who] for who in people],
        [world.registry.aliases(model_name(who)) for who in people],
        len({message.value for message in world.events()}),
    )


def play(world: World, means: Means, fuse: Fuse) -> list[UUID]:
    """Plays the story; after a kill a new process goes on with a fuse that does not blow."""
    people = [world.listener() for _ in range(3)]
    round_id = world.round(people)
    turn(world, fuse)
    world.rate_all(world.release(round_id)["release_id"], means)
    turn(world, fuse)
    return people


def turn(world: World, fuse: Fuse) -> None:
    try:
        fused(world, fuse).turn()
    except Killed:
        world.control().turn()


@pytest.mark.parametrize("means", [BETTER, WORSE], ids=["promote", "hold"])
def test_any_kill_leads_to_the_same_end(world: World, means: Means) -> None:
    people = play(world, means, Fuse(blows_at=0))
    expected = state(world, people)
    assert expected[4] == 2  # started and ended, however often they were sent
    kills = 0
    for blows_at in range(1, 100):
        clear(world)
        fuse = Fuse(blows_at)
        people = play(world, means, fuse)
        assert state(world, people) == expected, f"killed at step {blows_at}"
        if fuse.left > 0:
            break
        kills += 1
    assert kills > 15


def clear(world: World) -> None:
    world.do(
        "truncate rollout.listener_models, rollout.decisions, rollout.members, rollout.releases, training.adapters,"
        " training.rounds, feedback.tracks, feedback.ratings, feedback.plays cascade"
    )
    world.registry.named.clear()
    world.registry.versions.clear()
    for log in world.broker.logs.values():
        log.clear()
