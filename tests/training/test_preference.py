"""What is believed of listeners: on raters whose parameters are known the truth is covered as often as is said."""

from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, ndtri

from training.preference import (
    GAIN_MIDDLE,
    GAIN_SD,
    LISTENING,
    NOISE,
    OFFSET_SD,
    PAIR_SLOPE,
    PAIR_TIE,
    Belief,
    Hearing,
    Pair,
    Signals,
    Verdict,
    estimate,
)

COVERED, SIDE = 0.9, float(ndtri(0.95))


def hearing(number: int, *stars: int, heard: float = 30.0, length: float = 30.0) -> Hearing:
    return Hearing(UUID(int=number), heard, length, stars)


def answers(satisfaction: np.ndarray, rng: np.random.Generator, repeats: int = 1) -> list[tuple[int, ...]]:
    """Ratings of a rater drawn from what `preference` believes of raters."""
    offset, gain = rng.normal(0, OFFSET_SD), float(np.clip(rng.normal(GAIN_MIDDLE, GAIN_SD), 0.3, 1.7))
    careless = rng.choice([0.03, 0.2, 0.5], p=[0.85, 0.1, 0.05])

    def one(s: float) -> int:
        if rng.random() < careless:
            return int(rng.integers(1, 6))
        return int(np.clip(round(3 + offset + gain * s + rng.normal(0, NOISE)), 1, 5))

    return [tuple(one(s) for _ in range(repeats)) for s in satisfaction]


def drawn_pairs(satisfaction: np.ndarray, rng: np.random.Generator, count: int) -> list[Pair]:
    found = []
    for _ in range(count):
        i, j = (int(each) for each in rng.choice(len(satisfaction), 2, replace=False))
        d = PAIR_SLOPE * (satisfaction[i] - satisfaction[j])
        first, second = expit(d - PAIR_TIE), expit(-d - PAIR_TIE)
        verdict: Verdict = ("first", "second", "tie")[rng.choice(3, p=[first, second, 1 - first - second])]
        found.append(Pair(UUID(int=i), UUID(int=j), verdict))
    return found


def coverage(beliefs: list[tuple[Belief, np.ndarray]]) -> float:
    """Share of truths within the central 90 % of what is believed."""
    inside = [np.abs(truth - belief.mean) <= SIDE * np.sqrt(belief.variance) for belief, truth in beliefs]
    return float(np.concatenate(inside).mean())


@pytest.mark.parametrize(
    ("repeats", "pairs", "listening"), [(1, 0, False), (2, 0, False), (1, 15, False), (1, 0, True)]
)
def test_the_truth_is_covered_at_the_stated_rate(repeats: int, pairs: int, *, listening: bool) -> None:
    rng, beliefs = np.random.default_rng(3), []
    for _ in range(150):
        truth = rng.normal(size=20)
        score = LISTENING * truth + np.sqrt(1 - LISTENING**2) * rng.normal(size=20)
        heard = 20 + np.argsort(np.argsort(score)) / 2.0
        given_stars = answers(truth, rng, repeats)
        hearings = [
            Hearing(UUID(int=i), float(heard[i]) if listening else 30.0, 30.0, given_stars[i]) for i in range(20)
        ]
        signals = Signals(listening=listening)
        beliefs.append((estimate(hearings, drawn_pairs(truth, rng, pairs), signals), truth))
    assert abs(coverage(beliefs) - COVERED) < 0.03
    # What is believed is worth something: it lies nearer to the truth than the middle does.
    assert np.mean([np.square(b.mean - t).mean() for b, t in beliefs]) < 0.6


def test_every_signal_adds_certainty_and_can_be_switched_off() -> None:
    rng = np.random.default_rng(5)
    truth = rng.normal(size=12)
    stars = answers(truth, rng)
    heard = 10 + 20 * (truth - truth.min()) / np.ptp(truth)
    hearings = [Hearing(UUID(int=i), float(heard[i]), 30.0, stars[i]) for i in range(12)]
    pairs = drawn_pairs(truth, rng, 20)
    nothing = estimate(hearings, pairs, Signals(stars=False, listening=False, pairs=False))
    assert np.allclose(nothing.mean, 0.0)
    assert np.allclose(nothing.variance, 1.0, atol=0.01)
    for on in ("stars", "listening", "pairs"):
        without = estimate(hearings, pairs, Signals(**{on: False}))
        assert without.variance.mean() > estimate(hearings, pairs).variance.mean()
        alone = estimate(hearings, pairs, Signals(**{name: name == on for name in ("stars", "listening", "pairs")}))
        assert np.corrcoef(alone.mean, truth)[0, 1] > 0.3
    stars_only = estimate(hearings, (), Signals(listening=False))
    time_only = estimate(hearings, (), Signals(stars=False))
    assert stars_only.variance.mean() < time_only.variance.mean()


def test_a_generous_and_a_strict_rater_who_mean_the_same_are_believed_nearly_alike() -> None:
    stars = Signals(listening=False)
    generous = estimate([hearing(i, star) for i, star in enumerate((5, 4, 5, 4, 3, 4))], signals=stars)
    strict = estimate([hearing(i, star) for i, star in enumerate((3, 2, 3, 2, 1, 2))], signals=stars)
    assert generous.offset > 0.2 > -0.2 > strict.offset
    # Two stars apart: more than two standard deviations of satisfaction if it were only the music.
    assert np.abs(generous.mean - strict.mean).max() < 1.0
    assert (np.diff(generous.mean)[[0, 1, 3]] * [-1, 1, -1] > 0).all()


def test_repeats_tell_a_careless_rater_from_a_coherent_one() -> None:
    coherent = estimate([hearing(i, star, star) for i, star in enumerate((1, 5, 3, 4, 2, 5, 1, 4))])
    careless = estimate([hearing(i, *both) for i, both in enumerate(((1, 5), (5, 2), (3, 1), (4, 1), (2, 5), (5, 1)))])
    assert coherent.coherence > 0.93 > 0.7 > careless.coherence
    assert np.abs(careless.mean).max() < np.abs(coherent.mean).max()


def test_what_was_not_heard_says_nothing() -> None:
    belief = estimate([hearing(1, 5), hearing(2, 1, heard=0.0)], [Pair(UUID(int=2), UUID(int=1), "first")])
    assert belief.tracks == (UUID(int=1),)
    assert belief.mean[0] == pytest.approx(estimate([hearing(1, 5)]).mean[0])


@given(star=st.integers(1, 4), others=st.lists(st.integers(1, 5), max_size=6))
def test_a_star_more_is_never_less_satisfaction(star: int, others: list[int]) -> None:
    rest = [hearing(100 + i, each) for i, each in enumerate(others)]
    lower, higher = (estimate([hearing(0, each), *rest]).mean[0] for each in (star, star + 1))
    assert higher > lower


@pytest.mark.parametrize(
    ("hearings", "message"),
    [
        ([hearing(1, 6)], "stars of .*: expected 1 to 5, got 6"),
        ([hearing(1, 3, length=0.0)], "length of .*: expected more than 0 s"),
        ([hearing(1, 3), hearing(1, 4)], "each track once"),
    ],
)
def test_what_cannot_be_is_refused_with_its_name(hearings: list[Hearing], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        estimate(hearings)
