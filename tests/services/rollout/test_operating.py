"""Operators pause, stop, opt out and switch off; each with reason and name, by command and by order over HTTP."""

import argparse
from typing import Any
from uuid import UUID, uuid4

import pytest

from schemas.operating import Action
from schemas.registry import model_name
from services.errors import BackendAway
from services.rollout import releases
from services.rollout.operating import Operating, Wish
from services.rollout.perform import perform
from tests.services.rollout.listeners import PLAN
from tests.services.rollout.test_control import BETTER, WORSE, canary, status
from tests.services.rollout.world import World


def did(world: World, action: Action, release: UUID | None = None, listener: UUID | None = None) -> str:
    return perform(world.pool, Wish(action, "because", "Ada", release, listener))


def said(world: World, *arguments: str) -> str:
    chosen: argparse.Namespace = releases.parser().parse_args(arguments)
    return releases.answer(world.pool, chosen)


def age(world: World, seconds: float) -> None:
    """Everything that happened happened so much earlier."""
    world.do(
        "update rollout.releases set started_at = started_at - make_interval(secs => %s),"
        " paused_at = paused_at - make_interval(secs => %s)",
        seconds, seconds,
    )  # fmt: skip


def test_a_paused_canarys_clock_stands_still_and_nothing_is_decided(world: World) -> None:
    _, release_id = canary(world)
    age(world, 100)
    did(world, "pause", release_id)
    assert "already" in did(world, "pause", release_id)
    age(world, PLAN.max_age_s + 1)
    (paused,) = world.store.running()
    assert paused.age_s == pytest.approx(100, abs=60)
    world.rate_all(release_id, WORSE)
    world.control().turn()
    assert status(world, release_id) == "canary"
    did(world, "resume", release_id)
    (running,) = world.store.running()
    assert running.age_s == pytest.approx(100, abs=60)
    world.control().turn()
    assert status(world, release_id) == "rolled_back"
    with pytest.raises(ValueError, match="is rolled_back"):
        did(world, "pause", release_id)
    told = [(row["action"], row["reason"], row["acted_by"]) for row in Operating(world.pool).actions()]
    assert told == [("resume", "because", "Ada"), ("pause", "because", "Ada")]


def test_a_person_ends_a_paused_canary(world: World) -> None:
    _, release_id = canary(world)
    did(world, "pause", release_id)
    did(world, "hold", release_id)
    world.control().turn()
    assert status(world, release_id) == "held"


def test_while_stopped_no_canary_begins_and_those_that_run_are_decided(world: World) -> None:
    _, release_id = canary(world)
    did(world, "stop")
    world.round([world.listener()])
    world.rate_all(release_id, WORSE)
    world.control().turn()
    assert [row["status"] for row in world.do("select status from rollout.releases")] == ["rolled_back"]
    did(world, "start")
    world.control().turn()
    assert world.one("select count(*) as n from rollout.releases where status = 'canary'")["n"] == 1


def test_who_opted_out_leaves_the_canary_and_joins_none(world: World) -> None:
    people, release_id = canary(world)
    did(world, "opt_out", listener=people[0])
    assert world.served()[people[0]] == (None, None, None)
    world.rate_all(release_id, BETTER)
    world.control().turn()
    assert status(world, release_id) == "promoted"
    assert world.served() == dict.fromkeys(people, (1, None, None)) | {people[0]: (None, None, None)}
    assert world.registry.aliases(model_name(people[0])) == {}, "what is not served is not champion"
    world.round(people[:2])
    world.control().turn()
    assert (world.served()[people[0]][2], world.served()[people[1]][2]) == (None, 2)
    did(world, "opt_in", listener=people[0])
    world.round([people[0]])
    world.control().turn()
    assert world.served()[people[0]][2] == 3
    with pytest.raises(ValueError, match="no listener"):
        did(world, "opt_out", listener=uuid4())


def order(world: World, action: str, release: UUID | None) -> UUID:
    order_id = uuid4()
    world.do(
        "insert into gateway.orders (order_id, action, release_id, reason, ordered_by)"
        " values (%s, %s, %s, 'because', 'Ada')",
        order_id, action, release,
    )  # fmt: skip
    return order_id


def answers(world: World) -> dict[UUID, Any]:
    return {row["order_id"]: row["done"] for row in world.do("select * from rollout.answers")}


def test_an_order_that_nobody_understands_is_refused_and_holds_no_other(world: World) -> None:
    _, release_id = canary(world)
    strange, plain = order(world, "sing", release_id), order(world, "pause", release_id)
    world.control().turn()
    answers = {row["order_id"]: (row["done"], row["says"]) for row in world.do("select * from rollout.answers")}
    assert answers[strange] == (False, "There is no action sing.")
    assert answers[plain][0]


def test_orders_are_done_and_answered_once_and_again_after_a_kill(world: World) -> None:
    _, release_id = canary(world)
    given = [order(world, "pause", release_id), order(world, "promote", release_id), order(world, "hold", uuid4())]
    world.control().turn()
    assert status(world, release_id) == "promoted"
    assert answers(world) == dict(zip(given, (True, True, False), strict=True))
    world.do("delete from rollout.answers")  # as if killed between the deed and the answer
    world.do("delete from gateway.orders where action = 'pause'")
    world.control().turn()
    assert answers(world) == {given[1]: True, given[2]: False}


def test_a_listener_is_pinned_by_an_order_also_where_the_registry_was_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = world.listener()
    world.round([who], status="failed")
    pin, unpin = uuid4(), uuid4()
    said = "insert into gateway.orders (order_id, action, listener_id, version, reason, ordered_by)"
    world.do(said + " values (%s, 'pin', %s, 1, 'because', 'Ada')", pin, who)

    def away(*_: object) -> None:
        raise BackendAway("mlflow", "MLflow cannot be reached.")

    with monkeypatch.context() as patch:
        patch.setattr(world.registry, "point", away)
        world.control().turn()
    assert answers(world) == {}
    world.control().turn()
    assert answers(world) == {pin: True}
    assert world.registry.aliases(model_name(who))["champion"] == 1
    assert world.one("select pinned from rollout.listener_models where listener_id = %s", who)["pinned"]
    world.do(said + " values (%s, 'unpin', %s, null, 'because', 'Ada')", unpin, who)
    world.control().turn()
    assert answers(world) == {pin: True, unpin: True}
    assert not world.one("select pinned from rollout.listener_models where listener_id = %s", who)["pinned"]


def test_the_command_shows_and_does(world: World) -> None:
    _, release_id = canary(world, 2)
    signed = ("--reason", "hum in the low end", "--by", "Ada")
    assert "recorded" in said(world, "pause", str(release_id), *signed)
    assert "paused" in said(world, "list")
    assert "acted_by=Ada" in said(world, "actions")
    assert "roll_back recorded" in said(world, "rollback", str(release_id), *signed)
    shown = said(world, "show", str(release_id))
    assert "hum in the low end" in shown
    assert "listener_id" not in shown
    with pytest.raises(ValueError, match="no release"):
        said(world, "show", str(uuid4()))


def test_switches_are_thrown_and_lifted_with_who_and_why(world: World) -> None:
    signed = ("--reason", "hum", "--by", "Ada")
    who = world.listener('{"home": "folk"}')
    told = said(world, "off", "--cohort", "home=folk", *signed)
    said(world, "off", "--everyone", *signed)
    said(world, "off", "--listener", str(who), *signed)
    assert len(said(world, "switches").splitlines()) == 3
    switch = told.split()[-3]
    said(world, "on", switch, *signed)
    assert "attribute=home" not in said(world, "switches")
    row = world.one("select * from gateway.switches where switch_id = %s", UUID(switch))
    assert (row["thrown_by"], row["lifted_by"], row["lifted_reason"]) == ("Ada", "Ada", "hum")
    with pytest.raises(ValueError, match="is thrown"):
        said(world, "on", switch, *signed)
    recorded = world.do("select action, name, reason from audit.entries where subject = %s order by entry_id", switch)
    assert [tuple(row.values()) for row in recorded] == [
        ("switch.thrown", "Ada", "hum"),
        ("switch.lifted", "Ada", "hum"),
    ]
    with pytest.raises(ValueError, match="attribute=value"):
        said(world, "off", "--cohort", "folk", *signed)
    with pytest.raises(ValueError, match="No listener is in"):
        said(world, "off", "--cohort", "Home=folk", *signed)
    with pytest.raises(ValueError, match="no listener"):
        said(world, "off", "--listener", str(uuid4()), *signed)


@pytest.mark.parametrize("missing", ["--reason", "--by"])
def test_nothing_is_done_without_a_reason_and_a_name(missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = {"--reason": "hum", "--by": "Ada"} | {missing: " "}
    arguments = [word for pair in given.items() for word in pair]
    with pytest.raises(SystemExit):
        releases.parser().parse_args(["stop", *arguments])
    assert "some words" in capsys.readouterr().err
