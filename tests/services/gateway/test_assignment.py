"""Laws of the draw: repeatable, fair to the shares, and another salt is another draw."""

from collections import Counter
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Arm
from services.gateway.assignment import ARMS, CANARY, STEADY, Draw, draw_arm, draw_pair, draw_wish, normalised

LISTENER = UUID(int=1)
shares = st.dictionaries(st.sampled_from(ARMS), st.floats(0.05, 1), min_size=2, max_size=4)


def track(number: int) -> UUID:
    return uuid5(LISTENER, str(number))


@given(st.text(max_size=20), st.uuids(), st.uuids(), shares)
def test_a_draw_can_be_repeated(salt: str, listener: UUID, of: UUID, wanted: dict[Arm, float]) -> None:
    assert draw_arm(salt, listener, of, wanted) == draw_arm(salt, listener, of, wanted)
    assert draw_pair(salt, listener, of, wanted) == draw_pair(salt, listener, of, wanted)


@given(st.uuids(), st.uuids(), shares)
def test_an_arm_is_drawn_with_the_chance_it_is_said_to_have(listener: UUID, of: UUID, wanted: dict[Arm, float]) -> None:
    draw = draw_arm("salt", listener, of, wanted)
    assert draw.propensity == pytest.approx(normalised(wanted)[draw.arm])


@pytest.mark.parametrize("wanted", [STEADY, CANARY])
def test_shares_are_met(wanted: dict[Arm, float]) -> None:
    drawn = Counter(draw_arm("salt", LISTENER, track(n), wanted).arm for n in range(20_000))
    for arm, share in wanted.items():
        assert drawn[arm] / 20_000 == pytest.approx(share, abs=0.015)


@pytest.mark.parametrize("shares", [STEADY, CANARY])
def test_what_learning_is_measured_against_is_never_crowded_out(shares: dict[Arm, float]) -> None:
    assert shares["cold"] >= 0.1
    assert shares["base"] >= 0.25


def test_another_salt_is_an_independent_draw() -> None:
    agreed = sum(
        draw_arm("one", LISTENER, track(n), STEADY).arm == draw_arm("two", LISTENER, track(n), STEADY).arm
        for n in range(20_000)
    )
    assert agreed / 20_000 == pytest.approx(0.25**2 + 0.15**2 + 0.6**2, abs=0.015)


@given(st.uuids(), st.uuids(), shares)
def test_a_pair_has_two_arms(listener: UUID, pair: UUID, wanted: dict[Arm, float]) -> None:
    first, second = draw_pair("salt", listener, pair, wanted)
    assert first.arm != second.arm


@pytest.mark.parametrize("wanted", [STEADY, CANARY, {"base": 0.2, "champion": 0.5, "candidate": 0.3}])
def test_each_place_of_a_pair_has_the_chances_that_are_logged(wanted: dict[Arm, float]) -> None:
    pairs = [draw_pair("salt", LISTENER, track(n), wanted) for n in range(20_000)]
    for place in (0, 1):
        drawn = Counter(pair[place].arm for pair in pairs)
        logged = {pair[place].arm: pair[place].propensity for pair in pairs}
        assert sum(logged.values()) == pytest.approx(1)
        for arm, chance in logged.items():
            assert drawn[arm] / 20_000 == pytest.approx(chance, abs=0.015)


@pytest.mark.parametrize("wrong", [{}, {"base": 0.0}, {"base": -0.1, "champion": 1.1}, {"other": 1.0}])
def test_wrong_shares_are_refused(wrong: dict[Arm, float]) -> None:
    with pytest.raises(ValueError, match=r"arm|share"):
        draw_arm("salt", LISTENER, track(0), wrong)


def test_a_pair_of_one_arm_is_refused() -> None:
    with pytest.raises(ValueError, match="two arms"):
        draw_pair("salt", LISTENER, track(0), {"champion": 1.0})


def wishes(many: int, twins: float) -> list[tuple[Draw, ...]]:
    """One listener's wishes in a canary, as the gateway counts them."""
    made: list[tuple[Draw, ...]] = []
    sides = 0
    for number in range(many):
        made.append(draw_wish("salt", LISTENER, track(number), CANARY, number=sides, twins=twins))
        sides += made[-1][0].arm in ("champion", "candidate")
    return made


def test_champion_and_candidate_take_turns_within_blocks_of_two() -> None:
    """So a listener hears as many of each, and what comes first in a block is a coin's choice."""
    first = [wish[0].arm for wish in wishes(4000, 0.5) if wish[0].arm in ("champion", "candidate")]
    blocks = list(zip(first[::2], first[1::2], strict=False))
    assert {frozenset(block) for block in blocks} == {frozenset(("champion", "candidate"))}
    assert sum(block[0] == "candidate" for block in blocks) / len(blocks) == pytest.approx(0.5, abs=0.05)


def test_twins_are_as_many_as_asked_for_and_offered_in_either_order() -> None:
    made = wishes(6000, 0.85)
    pairs = [wish for wish in made if len(wish) == 2]
    assert len(pairs) / len(made) == pytest.approx(0.6 * 0.85, abs=0.02)
    assert all({draw.arm for draw in pair} == {"champion", "candidate"} for pair in pairs)
    assert all(draw.propensity == 0.5 for pair in pairs for draw in pair)
    assert sum(pair[0].arm == "candidate" for pair in pairs) / len(pairs) == pytest.approx(0.5, abs=0.03)


def test_other_arms_keep_their_shares_beside_twins() -> None:
    made = wishes(20_000, 0.85)
    for arm in ("base", "cold"):
        assert sum(wish[0].arm == arm for wish in made) / len(made) == pytest.approx(CANARY[arm], abs=0.01)
    assert all(wish[0].propensity == pytest.approx(CANARY[wish[0].arm]) for wish in made if len(wish) == 1)
    assert not any(len(wish) == 2 for wish in wishes(500, 0.0))
