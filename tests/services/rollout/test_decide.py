"""The rule, by what an operator relies on: thin data holds, worse goes back at once, better is promoted at a look."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.events import Arm
from services.rollout.decide import Decision, decide, information, keeps_champion
from services.rollout.evidence import ArmCounts, Evidence, ListenerRatings, Look
from services.rollout.plan import Plan
from services.rollout.stats import Ratings
from tests.services.rollout.listeners import PLAN, TRACKS, Given, canary, listener_id, rated, upto

Stars = dict[Arm, list[int]]
WINS = [4, 5, 4, 5]
MIDDLING = [3, 3, 2, 4]
BETTER: list[Stars] = [{"champion": MIDDLING, "candidate": [*WINS[index % 3 :], 3]} for index in range(12)]


def run(people: list[list[Given]], plan: Plan = PLAN) -> Decision | None:
    """Looks after each round of ratings until something final happens, as the loop does; None if nothing does."""
    past: list[Look] = []
    rounds = max(len(given) for given in people)
    for step in range(1, rounds + 1):
        decision = decide(upto(people, step), plan, past, plan.max_age_s if step == rounds else 0)
        if decision is None:
            continue
        if decision.final:
            return decision
        past.append(Look(decision.look, decision.fraction, decision.spent))
    return None


def test_nothing_is_decided_before_the_first_look() -> None:
    assert decide(canary([{"champion": [3], "candidate": [5]}] * 12), PLAN, [], 10) is None


def test_a_clearly_better_candidate_is_promoted_at_a_look() -> None:
    decision = decide(canary(BETTER), PLAN, [], 10)
    assert decision is not None
    assert (decision.verdict, decision.look, decision.final) == ("promote", 2, True)
    assert decision.low is not None
    assert decision.low > 0
    assert decision.level == pytest.approx(0.05, abs=1e-6)


def test_a_look_that_was_taken_is_not_taken_again() -> None:
    half = canary([{"champion": [3, 2], "candidate": [3, 3]}, {"champion": [2, 3], "candidate": [2, 2]}] * 6)
    first = decide(half, PLAN, [], 10)
    assert first is not None
    assert (first.verdict, first.look, first.final) == ("hold", 1, False)
    assert decide(half, PLAN, [Look(first.look, first.fraction, first.spent)], 20) is None


def test_the_last_look_has_less_to_spend_after_an_earlier_one() -> None:
    first = decide(canary(BETTER), PLAN, [], 10)
    second = decide(canary(BETTER), PLAN, [Look(1, 0.5, 0.00557)], 10)
    assert first is not None
    assert second is not None
    assert first.level is not None
    assert second.level is not None
    assert second.level < first.level


def test_no_difference_at_the_last_look_retires_the_candidate() -> None:
    same = canary([{"champion": [3, 4, 3, 2], "candidate": [3, 3, 4, 1 + 2 * (i % 2)]} for i in range(12)])
    decision = decide(same, PLAN, [], 10)
    assert decision is not None
    assert (decision.verdict, decision.final) == ("hold", True)


def test_a_better_candidate_with_few_listeners_is_held() -> None:
    decision = decide(canary([*BETTER[:2], {"champion": [3]}]), PLAN, [], PLAN.max_age_s)
    assert decision is not None
    assert (decision.verdict, decision.final) == ("hold", True)
    assert "2 listeners" in decision.reason


def test_a_canary_that_nobody_rates_ends_in_hold_when_it_is_old() -> None:
    silent = canary([{}] * 5, {})
    assert decide(silent, PLAN, [], PLAN.silent_after_s - 1) is None
    decision = decide(silent, PLAN, [], PLAN.silent_after_s)
    assert decision is not None
    assert (decision.verdict, decision.final) == ("hold", True)


def test_members_who_never_listen_do_not_hold_the_clock() -> None:
    half_silent = canary([*BETTER, *([{}] * 12)])
    assert information(half_silent, PLAN, PLAN.silent_after_s - 1) == pytest.approx(0.5)
    decision = decide(half_silent, PLAN, [Look(1, 0.5, 0.00557)], PLAN.silent_after_s)
    assert decision is not None
    assert (decision.verdict, decision.look, decision.final) == ("promote", 2, True)


def test_a_canary_to_which_too_few_come_ends_before_its_week() -> None:
    rated_both: Stars = {"champion": MIDDLING, "candidate": WINS}
    lonely = canary([rated_both, rated_both, *([{}] * 30)])
    assert decide(lonely, PLAN, [], PLAN.silent_after_s - 1) is None
    decision = decide(lonely, PLAN, [], PLAN.silent_after_s)
    assert decision is not None
    assert (decision.verdict, decision.final) == ("hold", True)
    assert "2 of 32 members have listened, 3 are needed" in decision.reason


def test_the_earliest_allowed_look_is_decided_for_any_number_of_listeners() -> None:
    """At its level of error, about one in ten thousand million, a quantile from the body of t would be lost."""
    plan = PLAN.model_copy(update={"looks": (0.1, 1.0)})
    for listeners in (3, 300):
        people: list[Stars] = [{"champion": MIDDLING[: 1 + i % 2], "candidate": MIDDLING[:1]} for i in range(listeners)]
        decision = decide(canary(people), plan, [], 10)
        assert decision is not None
        assert (decision.verdict, decision.look) == ("hold", 1)


def test_a_clearly_worse_candidate_goes_back_without_a_look() -> None:
    rated_both: Stars = {"champion": [5, 4], "candidate": [1]}
    early = canary([*([rated_both] * 8), *([{}] * 8)])
    assert information(early, PLAN, 10) < PLAN.looks[0]
    decision = decide(early, PLAN, [], 10)
    assert decision is not None
    assert (decision.verdict, decision.final) == ("roll_back", True)
    assert "rated lower" in decision.reason


@pytest.mark.parametrize(
    ("candidate", "champion", "word"),
    [
        (ArmCounts(drawn=30, failed=14), ArmCounts(drawn=30), "fails"),
        (ArmCounts(drawn=30, started=30, skipped=24), ArmCounts(drawn=30, started=30, skipped=2), "skipped"),
        (ArmCounts(drawn=30, started=30, completed=1), ArmCounts(drawn=30, started=30, completed=26), "end"),
    ],
)
def test_each_guardrail_rolls_back(candidate: ArmCounts, champion: ArmCounts, word: str) -> None:
    tracks: dict[Arm, ArmCounts] = {"base": ArmCounts(drawn=20), "champion": champion, "candidate": candidate}
    decision = decide(canary([{}] * 12, tracks), PLAN, [], 10)
    assert decision is not None
    assert decision.verdict == "roll_back"
    assert word in decision.reason
    swapped: dict[Arm, ArmCounts] = {**tracks, "champion": candidate, "candidate": champion}
    assert decide(canary([{}] * 12, swapped), PLAN, [], 10) is None


def test_tracks_that_do_not_fit_the_shares_hold_what_would_be_promoted() -> None:
    lost: dict[Arm, ArmCounts] = {**TRACKS, "candidate": ArmCounts(drawn=2)}
    decision = decide(canary(BETTER, lost), PLAN, [], 10)
    assert decision is not None
    assert decision.verdict == "hold"
    assert "sample ratio" in decision.reason


def test_one_eager_listener_brings_no_look_about() -> None:
    rates_all_day: Stars = {"champion": [3] * 60, "candidate": [5] * 60}
    eager = canary([rates_all_day, *([{}] * 11)])
    assert information(eager, PLAN, 10) == pytest.approx(2 / 12)


def test_the_order_of_listeners_changes_nothing() -> None:
    evidence = canary(BETTER)
    turned = replace(evidence, listeners=evidence.listeners[::-1])
    one, other = decide(evidence, PLAN, [], 10), decide(turned, PLAN, [], 10)
    assert one is not None
    assert other is not None
    assert (one.verdict, one.reason) == (other.verdict, other.reason)


def test_a_listener_whose_own_candidate_is_clearly_worse_keeps_the_champion() -> None:
    unlucky: Stars = {"champion": [5, 5, 4, 5], "candidate": [2, 1, 2, 2]}
    decision = decide(canary([*BETTER, unlucky]), PLAN, [], 10)
    assert decision is not None
    assert decision.verdict == "promote"
    assert decision.keeps == (listener_id(12),)


@pytest.mark.parametrize(
    ("champion", "candidate", "keeps"),
    [
        ([5, 5, 5], [1, 1, 2], True),  # the own interval lies below zero
        ([5, 1, 5, 5], [1, 5, 1, 4], True),  # 1.25 stars lower with four ratings each
        ([5, 1, 5], [1, 5, 1], False),  # too few for so noisy a difference
        ([4, 4, 4, 5], [4, 3, 4, 4], False),
        ([3, 3, 3, 3], [5, 5, 5, 4], False),
        ([], [1, 1, 1, 1], False),
    ],
)
def test_who_keeps_the_champion(champion: list[int], candidate: list[int], keeps: bool) -> None:
    arms: dict[Arm, Ratings] = {"champion": Ratings.of(champion), "candidate": Ratings.of(candidate)}
    assert keeps_champion(ListenerRatings(listener_id(0), arms=arms)) is keeps


@settings(max_examples=60)
@given(
    st.lists(
        st.fixed_dictionaries(
            {arm: st.lists(st.integers(1, 5), max_size=6) for arm in ("base", "champion", "candidate")}
        ),
        max_size=8,
    ),
    st.floats(0, 7200),
)
def test_a_promotion_always_has_its_bound_above_zero_and_enough_listeners(stars: list[Stars], age_s: float) -> None:
    evidence = canary(stars)
    decision = decide(evidence, PLAN, [], age_s)
    if decision is None or decision.verdict != "promote":
        return
    assert decision.low is not None
    assert decision.low > 0
    assert len(evidence.differences("champion", "candidate")) >= PLAN.minimum_listeners


def test_an_empty_release_holds() -> None:
    decision = decide(Evidence(()), PLAN, [], PLAN.max_age_s)
    assert decision is not None
    assert decision.verdict == "hold"


@pytest.mark.parametrize("looks", [(0.5, 1.0), (0.34, 0.67, 1.0)])
def test_a_candidate_that_is_no_better_is_promoted_no_more_often_than_alpha(looks: tuple[float, ...]) -> None:
    """Ratings clustered by listener, looked at after every rating: the promise behind every promotion."""
    draw, promoted, runs = random.Random(18), 0, 600
    plan = PLAN.model_copy(update={"looks": looks})
    for _ in range(runs):
        decision = run(rated(draw, listeners=12, tracks=14, uplift=0.0), plan)
        promoted += decision is not None and decision.verdict == "promote"
    assert promoted / runs <= 0.05 + 0.018  # two standard errors of the simulation


def test_a_candidate_that_is_no_worse_is_seldom_rolled_back() -> None:
    draw, back, runs = random.Random(19), 0, 400
    for _ in range(runs):
        decision = run(rated(draw, listeners=12, tracks=14, uplift=0.0, spread=0.0))
        back += decision is not None and decision.verdict == "roll_back"
    assert back / runs <= 0.05


def test_real_differences_are_mostly_found() -> None:
    draw = random.Random(23)
    better = [run(rated(draw, 12, 14, 0.8)) for _ in range(150)]
    worse = [run(rated(draw, 12, 14, -1.5)) for _ in range(150)]
    assert sum(d is not None and d.verdict == "promote" for d in better) > 120
    assert sum(d is not None and d.verdict == "roll_back" for d in worse) > 120
    assert not any(d is not None and d.verdict == "promote" for d in worse)


@pytest.mark.parametrize(
    "wrong",
    [
        {"shares": {"base": 0.2, "champion": 0.3, "candidate": 0.5}},
        {"shares": {"base": 0.2, "champion": 0.2, "candidate": 0.2}},
        {"shares": {"champion": 0.5, "candidate": 0.5}},
        {"looks": (0.5, 0.9)},
        {"looks": (1.0, 0.5)},
        {"looks": (0.05, 1.0)},
    ],
)
def test_a_plan_that_cannot_be_decided_by_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Plan.model_validate(PLAN.model_dump() | wrong)
