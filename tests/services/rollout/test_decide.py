"""The rule, by what an operator relies on: thin data holds, worse goes back at once, better is promoted at a look."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.events import Arm
from services.rollout.decide import Decision, decide, information
from services.rollout.evidence import ArmCounts, Compared, Evidence, Look
from services.rollout.plan import Plan, Prior
from tests.services.rollout.listeners import PLAN, TRACKS, canary, listener, listener_id

WINS = [1, 2, 0, 1]
MIDDLING = [0, 1, -1, 0]
BETTER = [[*WINS[index % 3 :], 1, 0][:4] for index in range(12)]
NOISE = [[1, -1, 0, index % 3 - 1] for index in range(12)]
PROMISING = [[1, 0, -1, 1], [1, 0, 1, 0], [-1, 0, 1, 0]] * 4


def decided(evidence: Evidence, plan: Plan = PLAN, past: list[Look] | None = None, age_s: float = 10) -> Decision:
    """The decision, where one is due."""
    decision = decide(evidence, plan, past or [], age_s)
    assert decision is not None
    return decision


def test_nothing_is_decided_before_the_first_look() -> None:
    assert decide(canary([[2]] * 12), PLAN, [], 10) is None


def test_a_clearly_better_candidate_is_promoted_at_a_look() -> None:
    decision = decided(canary(BETTER))
    assert (decision.verdict, decision.look, decision.final) == ("promote", 2, True)
    assert decision.low is not None
    assert decision.low > 0
    assert decision.level == pytest.approx(0.05, abs=1e-6)
    assert decision.estimate == pytest.approx(sum(map(sum, BETTER)) / 48)


def test_votes_count_beside_stars() -> None:
    """Stars alone say nothing here; the same with votes for the candidate promotes."""
    undecided = canary(NOISE)
    assert decided(undecided).verdict == "hold"
    voted = replace(undecided, listeners=tuple(listener(i, own, [1, 1, 1, i % 2]) for i, own in enumerate(NOISE)))
    assert decided(voted).verdict == "promote"
    only_votes = tuple(
        replace(each, pairs=tuple(Compared(None, pair.vote) for pair in each.pairs)) for each in voted.listeners
    )
    assert decided(Evidence(only_votes, TRACKS)).verdict == "promote"


def test_a_look_that_was_taken_is_not_taken_again() -> None:
    half = canary([own[:2] for own in PROMISING])
    first = decided(half)
    assert (first.verdict, first.look, first.final) == ("hold", 1, False)
    assert decide(half, PLAN, [Look(first.look, first.fraction, first.spent)], 20) is None


def test_the_last_look_has_less_to_spend_after_an_earlier_one() -> None:
    first, second = decided(canary(BETTER)), decided(canary(BETTER), past=[Look(1, 0.5, 0.00557)])
    assert first.level is not None
    assert second.level is not None
    assert second.level < first.level


def test_no_difference_at_the_last_look_retires_the_candidate_and_says_what_would_have_been_missed() -> None:
    decision = decided(canary(NOISE))
    assert (decision.verdict, decision.final) == ("hold", True)
    assert decision.detectable is not None
    assert f"less than {decision.detectable:.2f} stars would not have been seen" in decision.reason


def test_a_candidate_that_is_hardly_worth_finding_ends_early() -> None:
    decision = decided(canary([[0, index % 2 - 1] for index in range(12)]))
    assert (decision.verdict, decision.look, decision.final) == ("hold", 1, True)
    assert "worth finding" in decision.reason


def test_a_promising_canary_puts_its_last_look_off_once() -> None:
    plan = PLAN.model_copy(update={"looks": (0.75, 1.0)})
    people = [[1, 0, 0, 0, 0, 0]] * 7 + [[0] * 6] * 3 + [[-1, 0, 0, 1, 0, 1]] * 2

    def after(pairs: int) -> Evidence:
        return canary([own[:pairs] for own in people])

    first = decided(after(3), plan)
    assert (first.verdict, first.final, first.extended) == ("hold", False, True)
    past = [Look(1, first.fraction, first.spent, extended=True)]
    assert decide(after(4), plan, past, 20) is None
    last = decided(after(6), plan, past)
    assert (last.look, last.final, last.verdict) == (2, True, "promote")


def test_a_better_candidate_with_few_listeners_is_held() -> None:
    heard_one = replace(listener(2), present=True)
    few = replace(canary(BETTER[:2]), listeners=(*canary(BETTER[:2]).listeners, heard_one))
    decision = decided(few, age_s=PLAN.max_age_s)
    assert (decision.verdict, decision.final) == ("hold", True)
    assert "2 listeners" in decision.reason


def test_a_canary_that_nobody_rates_ends_in_hold() -> None:
    silent = canary([[]] * 5, {})
    assert decide(silent, PLAN, [], PLAN.silent_after_s - 1) is None
    decision = decided(silent, age_s=PLAN.silent_after_s)
    assert (decision.verdict, decision.final) == ("hold", True)


def test_members_who_never_listen_do_not_hold_the_clock() -> None:
    half_silent = canary([*BETTER, *([[]] * 12)])
    past = [Look(1, 0.5, 0.00557)]
    assert information(half_silent, PLAN, PLAN.silent_after_s - 1) == pytest.approx(0.5)
    assert decide(half_silent, PLAN, past, PLAN.silent_after_s - 1) is None
    decision = decided(half_silent, past=past, age_s=PLAN.silent_after_s)
    assert (decision.verdict, decision.look, decision.final) == ("promote", 2, True)


def test_members_who_had_gone_before_it_began_are_not_waited_for_at_all() -> None:
    plan = PLAN.model_copy(update={"expected": 12})
    assert decided(canary([*BETTER, *([[]] * 12)]), plan).verdict == "promote"


def test_a_canary_to_which_too_few_come_ends_before_its_week() -> None:
    lonely = canary([[1], [2], *([[]] * 30)])
    assert decide(lonely, PLAN, [], PLAN.silent_after_s - 1) is None
    decision = decided(lonely, age_s=PLAN.silent_after_s)
    assert (decision.verdict, decision.final) == ("hold", True)
    assert "2 of 32 members have listened, 3 are needed" in decision.reason


def test_the_earliest_allowed_look_is_decided_for_any_number_of_listeners() -> None:
    """At its level of error, about one in ten thousand million, a quantile from the body of t would be lost."""
    plan = PLAN.model_copy(update={"looks": (0.1, 1.0)})
    for listeners in (3, 300):
        decision = decided(canary([[1 - index % 3] for index in range(listeners)]), plan)
        assert (decision.verdict, decision.look) == ("hold", 1)


def test_a_clearly_worse_candidate_goes_back_without_a_look() -> None:
    early = canary([*([[-2]] * 14), *([[]] * 14)])
    assert information(early, PLAN, 10) < PLAN.looks[0]
    decision = decided(early)
    assert (decision.verdict, decision.final) == ("roll_back", True)
    assert "liked less (-2.00 stars over 14 listeners)" in decision.reason
    assert decision.weakest is not None
    assert decision.weakest <= PLAN.guardrail_alpha / 4


@pytest.mark.parametrize(
    ("pair", "word"), [(Compared(0, skipped=1), "skipped"), (Compared(0, completed=-1), "end"), (None, "fails")]
)
def test_each_guardrail_rolls_back(pair: Compared | None, word: str) -> None:
    def worse(sign: int) -> Evidence:
        pairs = () if pair is None else (Compared(0, None, sign * pair.skipped, sign * pair.completed),)
        one = replace(listener(0), pairs=pairs, failed=sign if pair is None else 0)
        return Evidence(tuple(replace(one, listener_id=listener_id(index)) for index in range(14)), TRACKS)

    decision = decided(worse(1))
    assert decision.verdict == "roll_back"
    assert word in decision.reason
    assert decide(worse(-1), PLAN, [], 10) is None


LOST: dict[Arm, ArmCounts] = {"champion": ArmCounts(60, 60, 0, 55), "candidate": ArmCounts(60, 60, 0, 55)}


@pytest.mark.parametrize(
    ("candidate", "word"),
    [
        (ArmCounts(asked=20, made=20, rated=20), "asked for"),
        (ArmCounts(asked=60, made=20, rated=20), "made"),
        (ArmCounts(asked=60, made=60, rated=30), "rated less often"),
    ],
)
def test_tracks_that_went_missing_hold_what_would_be_promoted(candidate: ArmCounts, word: str) -> None:
    assert decided(canary(BETTER, LOST)).verdict == "promote"
    decision = decided(canary(BETTER, {**LOST, "candidate": candidate}))
    assert decision.verdict == "hold"
    assert word in decision.reason


def test_a_candidate_that_is_rated_more_readily_may_still_be_promoted() -> None:
    readily: dict[Arm, ArmCounts] = {**LOST, "champion": ArmCounts(60, 60, 0, 30)}
    assert decided(canary(BETTER, readily)).verdict == "promote"


def test_one_eager_listener_brings_no_look_about() -> None:
    assert information(canary([[1] * 60, *([[]] * 11)]), PLAN, 10) == pytest.approx(1.25 / 12)


def test_the_order_of_listeners_changes_nothing() -> None:
    evidence = canary(BETTER)
    one, other = decided(evidence), decided(replace(evidence, listeners=evidence.listeners[::-1]))
    assert (one.verdict, one.reason) == (other.verdict, other.reason)


def test_a_declared_small_canary_is_decided_by_expected_loss_and_says_so() -> None:
    few = canary([[1, 0, 1, 0], [0, 1, 0, -1], [1, 0, 0, 1], [0, 0, 1, 0]])
    assert decided(few).verdict == "hold"
    decision = decided(few, PLAN.model_copy(update={"prior": Prior(mean=0.1, sd=0.3)}))
    assert decision.verdict == "promote"
    assert "by expected loss" in decision.reason
    assert decided(canary(NOISE), PLAN.model_copy(update={"prior": Prior()})).verdict == "hold"


@settings(max_examples=60)
@given(st.lists(st.lists(st.integers(-4, 4), max_size=6), max_size=8), st.floats(0, 7200))
def test_a_promotion_has_its_bound_above_zero_without_any_one_listener(stars: list[list[int]], age_s: float) -> None:
    evidence = canary(stars)
    decision = decide(evidence, PLAN, [], age_s)
    if decision is None or decision.verdict != "promote":
        return
    assert decision.low is not None
    assert decision.weakest is not None
    assert min(decision.low, decision.weakest) > 0
    assert sum(map(bool, stars)) >= PLAN.minimum_listeners


def test_an_empty_release_holds() -> None:
    assert decided(Evidence(()), age_s=PLAN.max_age_s).verdict == "hold"


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


def test_a_canary_that_was_planned_in_ratings_goes_on() -> None:
    before = {key: value for key, value in PLAN.model_dump().items() if key != "pairs"}
    assert Plan.model_validate(before | {"ratings_per_arm": 2.5, "minimum_listeners": 2}).pairs == 3
