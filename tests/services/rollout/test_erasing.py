"""Of an erased listener rollout keeps nothing that names them; the others of their release go on."""

from uuid import UUID

import psycopg
import pytest

from schemas.registry import model_name
from services.rollout import erasing
from services.rollout.erasing import erase
from tests.services.rollout.test_control import BETTER, canary, status
from tests.services.rollout.world import World


def begin(world: World, who: UUID) -> None:
    """The erasure of this listener, as the gateway begins it."""
    world.do(
        "insert into gateway.erasures (erasure_id, tombstone, listener, service, asked_by, settles_at)"
        " values (%s, gateway.tombstone(%s), %s, 'a-product', 'operator', now())",
        who, who, who,
    )  # fmt: skip
    world.do("insert into gateway.erasure_steps (erasure_id, store) values (%s, 'rollout')", who)


def traces(world: World, who: UUID) -> list[str]:
    """Tables of rollout that name a listener in any column; tables are found by the catalogue."""
    names = world.do(
        "select oid::regclass::text as name from pg_class"
        " where relkind = 'r' and relnamespace = 'rollout'::regnamespace"
    )
    count = "select count(*) as n from {} t where strpos(t::text, %s) > 0"
    return [row["name"] for row in names if world.one(count.format(row["name"]), str(who))["n"]]


def confirmed(world: World) -> bool:
    return bool(world.one("select confirmed_at is not null as yes from gateway.erasure_steps")["yes"])


def test_nothing_names_them_and_the_others_go_on(world: World) -> None:
    (who, other, *_), release_id = canary(world)
    world.rate_all(release_id, BETTER, each=12)
    world.do(
        "insert into rollout.actions (action_id, action, listener_id, reason, acted_by)"
        " values (gen_random_uuid(), 'opt_out', %s, 'x', 'anna')",
        who,
    )
    world.do("insert into rollout.answers values (gen_random_uuid(), true, %s)", f"listener {who} is left out")
    world.control().turn()
    assert status(world, release_id) == "promoted"
    before = world.one("select inputs_sha256, inputs::text as inputs from rollout.decisions")
    assert str(who) in before["inputs"]
    begin(world, who)
    world.control().turn()
    assert traces(world, who) == []
    assert confirmed(world)
    assert world.served()[other][0] == 1
    assert world.registry.aliases(model_name(who)) == {}
    after = world.one("select inputs_sha256, inputs::text as inputs from rollout.decisions")
    assert len(after["inputs"]) == len(before["inputs"])
    deed = world.one("select detail from audit.entries where action = 'decision.inputs_renamed'")["detail"]
    assert deed == {"sha256_before": before["inputs_sha256"], "sha256": after["inputs_sha256"]}


def test_a_running_canary_goes_on_without_them(world: World) -> None:
    (who, *others), release_id = canary(world)
    begin(world, who)
    world.control().turn()
    assert [member.listener_id for member in world.store.members(release_id)] == sorted(others)
    world.rate_all(release_id, BETTER, each=12)
    world.control().turn()
    assert status(world, release_id) == "promoted"
    assert traces(world, who) == []


def test_a_round_that_waits_does_not_bring_them_back(world: World) -> None:
    who, other = world.listener(), world.listener()
    round_id = world.round([who, other])
    begin(world, who)
    world.control().turn()
    members = world.store.members(world.release(round_id)["release_id"])
    assert [member.listener_id for member in members] == [other]


def test_while_the_registry_is_away_nothing_is_confirmed(world: World) -> None:
    (who, *_), _release = canary(world)
    begin(world, who)
    world.registry.away = True
    erase(world.pool, world.registry)
    assert not confirmed(world)
    world.registry.away = False
    erase(world.pool, world.registry)
    assert confirmed(world)


@pytest.mark.parametrize("after", range(len(erasing._STEPS) + 1))
def test_killed_at_any_step_the_next_call_ends_it(world: World, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    (who, *_), _release = canary(world)
    begin(world, who)
    with monkeypatch.context() as broken:
        broken.setattr(erasing, "_STEPS", (*erasing._STEPS[:after], "no such step"))
        with pytest.raises(KeyError):
            erase(world.pool, world.registry)
    assert not confirmed(world)
    erase(world.pool, world.registry)
    assert traces(world, who) == []
    assert confirmed(world)


def test_rollout_may_not_begin_an_erasure(world: World) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), world.pool.connection() as connection:
        connection.execute("delete from gateway.erasures")
