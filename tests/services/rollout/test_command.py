"""An operator's decision goes the same way as the rule's."""

from uuid import uuid4

import pytest

from services.rollout.command import end
from tests.services.rollout.test_control import canary, status
from tests.services.rollout.world import World


def test_an_operator_promotes_and_the_loop_carries_it_out(world: World) -> None:
    people, release_id = canary(world, 2)
    end(world.store, release_id, "promote", "heard them all", "Ada")
    assert world.served() == dict.fromkeys(people, (1, None, None))
    world.control().turn()
    assert status(world, release_id) == "promoted"
    row = world.one("select reason, inputs ->> 'by' as by from rollout.decisions")
    assert row == {"reason": "heard them all", "by": "Ada"}


def test_a_canary_is_ended_also_where_its_plan_cannot_be_read(world: World) -> None:
    _, release_id = canary(world, 2)
    world.do("update rollout.releases set plan = jsonb_set(plan, '{looks}', '[0.05, 1.0]')")
    end(world.store, release_id, "hold", "its plan cannot be read", "Ada")
    world.control().turn()
    assert status(world, release_id) == "held"


def test_what_is_over_or_unknown_cannot_be_decided(world: World) -> None:
    _, release_id = canary(world, 2)
    end(world.store, release_id, "roll_back", "hum in the low end", "Ada")
    with pytest.raises(ValueError, match="just been decided"):
        end(world.store, release_id, "promote", "no, wait", "Ada")
    with pytest.raises(ValueError, match="No canary"):
        end(world.store, uuid4(), "hold", "?", "Ada")
