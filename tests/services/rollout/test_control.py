"""The loop on a real database: what starts, what listeners are served, what the registry says, what is recorded."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import TypeAdapter

from schemas.events import Arm, ReleaseEvent
from schemas.registry import model_name
from services.errors import BackendAway
from services.rollout import metrics
from services.rollout.control import move_aliases, startable
from services.rollout.decide import Decision, decide
from services.rollout.evidence import Evidence, Look
from services.rollout.plan import Plan
from services.rollout.registry import RefusedByRegistry
from services.rollout.store import Member, WaitingRound
from tests.services.rollout.listeners import PLAN
from tests.services.rollout.memory_registry import MemoryRegistry
from tests.services.rollout.world import World

Means = dict[Arm, float]
BETTER: Means = {"base": 3.0, "cold": 2.8, "champion": 2.8, "candidate": 4.2}
WORSE: Means = {"base": 3.0, "cold": 3.0, "champion": 4.2, "candidate": 1.6}
SAME: Means = {"base": 3.0, "cold": 3.0, "champion": 3.0, "candidate": 3.0}


def canary(world: World, listeners: int = 14) -> tuple[list[UUID], UUID]:
    """A canary that has just started: its listeners and the release."""
    people = [world.listener() for _ in range(listeners)]
    round_id = world.round(people)
    world.control().turn()
    return people, world.release(round_id)["release_id"]


def status(world: World, release_id: UUID) -> str:
    return str(world.one("select status from rollout.releases where release_id = %s", release_id)["status"])


def types(world: World) -> list[str]:
    return [json.loads(message.value or b"")["type"] for message in world.events()]


def test_a_trained_round_becomes_a_canary(world: World) -> None:
    people, release_id = canary(world, 3)
    assert world.served() == dict.fromkeys(people, (None, None, 1))
    release = world.one("select * from rollout.releases")
    assert release["status"] == "canary"
    assert release["plan"]["shares"] == {"base": 0.25, "cold": 0.15, "champion": 0.3, "candidate": 0.3}
    assert {ref.listener_id for ref in world.prefetched} == set(people)
    event = ReleaseEvent.model_validate_json(world.events()[0].value or b"")
    assert (event.type, event.data.release_id, event.data.listeners) == ("encore.release.started", release_id, 3)


@pytest.mark.parametrize("state", ["running", "failed", "empty"])
def test_a_round_that_is_not_trained_starts_nothing(world: World, state: str) -> None:
    world.round([world.listener()], state)
    world.control().turn()
    assert world.do("select * from rollout.releases") == []


def test_a_better_candidate_becomes_champion(world: World) -> None:
    people, release_id = canary(world)
    world.rate_all(release_id, BETTER)
    world.control().turn()
    assert status(world, release_id) == "promoted"
    assert world.served() == dict.fromkeys(people, (1, None, None))
    assert all(world.registry.aliases(model_name(who)) == {"champion": 1} for who in people)
    assert types(world)[-1] == "encore.release.promoted"


def test_the_champion_before_is_kept_as_previous(world: World) -> None:
    people, first = canary(world)
    world.rate_all(first, BETTER)
    world.control().turn()
    second = world.round(people)
    world.control().turn()
    assert set(world.served().values()) == {(1, None, 2)}
    world.rate_all(world.release(second)["release_id"], BETTER)
    world.control().turn()
    assert set(world.served().values()) == {(2, 1, None)}
    assert all(world.registry.aliases(model_name(who)) == {"champion": 2, "previous": 1} for who in people)


@pytest.mark.parametrize(("means", "end"), [(WORSE, "rolled_back"), (SAME, "held")])
def test_a_candidate_that_is_not_better_leaves_the_champion(world: World, means: Means, end: str) -> None:
    people, release_id = canary(world)
    world.rate_all(release_id, means)
    world.control().turn()
    assert status(world, release_id) == end
    assert world.served() == dict.fromkeys(people, (None, None, None))
    assert all(world.registry.aliases(model_name(who)) == {} for who in people)
    assert types(world)[-1] == f"encore.release.{end}"


def test_who_is_worse_off_keeps_the_champion_when_the_rest_is_promoted(world: World) -> None:
    people, release_id = canary(world, 16)
    for _ in range(9):
        world.rate(people[0], "champion", release_id, 5)
        world.rate(people[0], "candidate", release_id, 1)
    world.rate_all(release_id, BETTER)
    world.control().turn()
    assert status(world, release_id) == "promoted"
    assert world.served() == dict.fromkeys(people, (1, None, None)) | {people[0]: (None, None, None)}
    assert world.registry.aliases(model_name(people[0])) == {}


def test_how_near_its_guardrails_are_is_kept_while_it_runs(world: World) -> None:
    _, release_id = canary(world)
    world.rate_all(release_id, SAME)
    world.control().turn()
    seen = {row["name"]: row for row in world.do("select * from rollout.guardrails where release_id = %s", release_id)}
    assert seen.keys() == {"stars", "skips", "completions", "failures"}
    allowed = world.one("select plan from rollout.releases")["plan"]["guardrail_alpha"] / 4
    assert all((row["p"], row["allowed"]) == (1.0, allowed) for row in seen.values())
    world.control().turn()
    assert seen == {row["name"]: row for row in world.do("select * from rollout.guardrails")}


def test_a_guardrail_that_ends_a_canary_is_kept_as_it_was(world: World) -> None:
    _, release_id = canary(world)
    world.rate_all(release_id, WORSE)
    world.control().turn()
    assert status(world, release_id) == "rolled_back"
    (stars,) = world.do("select p, allowed from rollout.guardrails where name = 'stars'")
    assert 0 < stars["p"] <= stars["allowed"]


def test_turns_without_news_write_nothing(world: World) -> None:
    _, release_id = canary(world)
    world.rate_all(release_id, {**SAME, "candidate": 3.2}, each=2)
    control = world.control()
    for _ in range(3):
        control.turn()
    assert [row["look"] for row in world.do("select look from rollout.decisions")] == [1]
    assert status(world, release_id) == "canary"


def test_a_stored_decision_repeats_from_its_inputs_alone(world: World) -> None:
    _, release_id = canary(world, 12)  # fewer the analysts' view does not show
    world.rate_all(release_id, BETTER)
    world.control().turn()
    row = world.one("select * from rollout.decisions")
    stored = row["inputs"]
    again = decide(
        TypeAdapter(Evidence).validate_python(stored["evidence"], strict=False),
        Plan.model_validate(stored["plan"]),
        [Look(**look) for look in stored["past"]],
        stored["age_s"],
    )
    assert again is not None
    assert (again.verdict, again.reason, again.look) == (row["verdict"], row["reason"], row["look"])
    world.do("update analytics.policy set min_listeners = 1")
    seen = world.one(
        "select * from analytics.uplift where cohort = 'all' and arm = 'candidate' and baseline = 'champion'"
    )
    stated = stored["uplift"]["candidate - champion"]
    assert [stated[name] for name in ("estimate", "low", "high")] == pytest.approx(
        [seen[name] for name in ("estimate", "low", "high")], abs=1e-3
    )


def test_a_plan_is_sized_for_who_takes_part(world: World) -> None:
    people = [world.listener() for _ in range(14)]
    for who in people[:9]:
        world.rate(who, "base", None, 3)
    round_id = world.round(people)
    world.control(PLAN.model_copy(update={"pairs": 20})).turn()
    plan = Plan.model_validate(world.release(round_id)["plan"])
    assert plan.expected == 9
    assert PLAN.pairs < plan.pairs <= 20
    assert plan.detectable is not None


def test_what_a_release_showed_is_kept_for_later_plans(world: World) -> None:
    _, first = canary(world)
    world.rate_all(first, SAME)
    world.control().turn()
    shown = world.one("select inputs -> 'shown' as shown from rollout.decisions")["shown"]
    assert shown["error"] > 0
    [earlier] = world.do(world.store._queries["earlier"])
    assert earlier["within"] == pytest.approx(shown["spread"]["within"])


def test_a_newer_round_waits_for_the_running_canary(world: World) -> None:
    people, first = canary(world)
    waiting = world.round(people[:2])
    elsewhere = world.round([world.listener()])
    world.control().turn()
    started = {row["round_id"] for row in world.do("select round_id from rollout.releases")}
    assert elsewhere in started
    assert waiting not in started
    world.rate_all(first, WORSE)
    world.control().turn()
    # The newer version's candidate alias was set while the older one was tested, and stays.
    assert world.registry.aliases(model_name(people[0])) == {"candidate": 2}
    world.control().turn()
    assert world.release(waiting)["status"] == "canary"
    assert world.served()[people[0]] == (None, None, 2)


def test_rounds_that_share_a_listener_go_in_order() -> None:
    a, b, c = uuid4(), uuid4(), uuid4()
    rounds = [WaitingRound(uuid4(), frozenset(who)) for who in ([a], [a, b], [b, c], [uuid4()])]
    assert startable(rounds, {a}) == [rounds[3]]
    assert startable(rounds, set()) == [rounds[0], rounds[3]]


def test_a_decision_survives_a_registry_that_is_away(world: World) -> None:
    people, release_id = canary(world)
    world.rate_all(release_id, BETTER)
    world.registry.away = True
    control = world.control()
    control.turn()
    assert status(world, release_id) == "canary"
    assert world.served() == dict.fromkeys(people, (1, None, None))  # what is heard does not wait for the registry
    world.registry.away = False
    control.turn()
    assert status(world, release_id) == "promoted"
    assert world.registry.aliases(model_name(people[0])) == {"champion": 1}


def test_kafka_away_puts_off_the_end_but_not_what_is_served(world: World) -> None:
    people, release_id = canary(world)
    world.rate_all(release_id, WORSE)
    world.broker.away = True
    control = world.control()
    control.turn()
    assert world.served() == dict.fromkeys(people, (None, None, None))
    assert status(world, release_id) == "canary"
    world.broker.away = False
    control.turn()
    assert status(world, release_id) == "rolled_back"


def test_an_erased_listener_does_not_hold_up_the_others(world: World) -> None:
    people, release_id = canary(world)
    world.rate_all(release_id, BETTER)
    del world.registry.named[model_name(people[0])]
    world.control().turn()
    assert status(world, release_id) == "promoted"
    assert world.registry.aliases(model_name(people[1])) == {"champion": 1}


def test_an_old_canary_gets_its_last_look_with_what_is_there(world: World) -> None:
    _, release_id = canary(world)
    world.do("update rollout.releases set started_at = now() - make_interval(secs => %s)", PLAN.max_age_s + 1)
    world.control().turn()
    assert status(world, release_id) == "held"


def test_an_error_in_one_verdict_holds_that_release_and_leaves_the_others_deciding(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, broken = canary(world)
    _, sound = canary(world)
    world.rate_all(broken, BETTER)
    world.rate_all(sound, BETTER)
    ours = {member.listener_id for member in world.store.members(broken)}

    def failing(evidence: Evidence, *rest: Any) -> Decision | None:
        if {each.listener_id for each in evidence.listeners} == ours:
            raise ArithmeticError("the series did not converge")
        return decide(evidence, *rest)

    before = metrics.FAILED._value.get()
    with monkeypatch.context() as patched:
        patched.setattr("services.rollout.control.decide", failing)
        for _ in range(2):
            world.control().turn()
    assert (status(world, broken), status(world, sound)) == ("canary", "promoted")
    assert metrics.FAILED._value.get() == before + 2
    row = world.one("select look, verdict, reason from rollout.decisions where release_id = %s", broken)
    assert (row["look"], row["verdict"]) == (0, "hold")
    assert "ArithmeticError: the series did not converge" in row["reason"]
    world.control().turn()  # the cause is gone
    assert status(world, broken) == "promoted"


def test_a_verdict_that_can_never_be_computed_ends_in_hold_in_time(world: World) -> None:
    people, release_id = canary(world)
    world.do("update rollout.releases set plan = jsonb_set(plan, '{looks}', '[0.05, 1.0]')")
    world.control().turn()
    assert status(world, release_id) == "canary"
    assert "first look" in world.one("select reason from rollout.decisions")["reason"]
    world.do("update rollout.releases set started_at = now() - make_interval(secs => %s)", PLAN.max_age_s)
    world.control().turn()
    assert status(world, release_id) == "held"
    assert world.served() == dict.fromkeys(people, (None, None, None))


def test_postgres_away_ends_the_turn(world: World) -> None:
    world.pool.close()
    with pytest.raises(BackendAway):
        world.control().turn()


def registered(registry: MemoryRegistry, *, candidate: int) -> tuple[Member, str]:
    """A listener with two versions, the second under test; the version before, 9, was pruned."""
    member = Member(uuid4(), candidate_version=candidate, champion_version=9)
    model = model_name(member.listener_id)
    for _ in range(2):
        registry.register(model)
    registry.point(model, "candidate", candidate)
    return member, model


def test_a_version_that_was_pruned_keeps_no_other_alias() -> None:
    registry = MemoryRegistry()
    member, model = registered(registry, candidate=2)
    move_aliases(registry, member, adopts=True)
    assert registry.aliases(model) == {"champion": 2}


def test_an_alias_that_the_registry_refuses_is_tried_again_and_keeps_no_other() -> None:
    class Stubborn(MemoryRegistry):
        def point(self, model: str, alias: str, version: int) -> None:
            if alias == "previous":
                raise RefusedByRegistry("mlflow", "MLflow answered 500")
            super().point(model, alias, version)

    registry = Stubborn()
    member, model = registered(registry, candidate=2)
    with pytest.raises(BackendAway):
        move_aliases(registry, member, adopts=True)
    assert registry.aliases(model) == {"champion": 2}


def test_one_listener_whose_aliases_are_refused_keeps_nobody_else(world: World) -> None:
    people, release_id = canary(world)
    stubborn = model_name(people[0])
    refused = True
    point = world.registry.point

    def refusing(model: str, alias: str, version: int) -> None:
        if refused and model == stubborn:
            raise RefusedByRegistry("mlflow", "MLflow answered 500")
        point(model, alias, version)

    world.registry.point = refusing  # type: ignore[method-assign]
    world.rate_all(release_id, BETTER, each=4)
    world.control().turn()
    assert status(world, release_id) == "canary"
    assert [world.registry.aliases(model_name(who)).get("champion") for who in people] == [None] + [1] * 13
    refused = False
    world.control().turn()
    assert (status(world, release_id), world.registry.aliases(stubborn)["champion"]) == ("promoted", 1)
