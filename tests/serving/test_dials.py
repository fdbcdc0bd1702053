"""What dials add to a score: their rewards times their weights, within bounds, and nothing where none is set."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from schemas.generation import MAX_DIAL, Dials, Rewards
from serving.dials import FARTHEST, MEASURED, Measured, rewards_of, worth
from tests.serving.sounds import melody

RATE = 22_050
WEIGHTS = st.floats(0, MAX_DIAL)
REWARDS = st.none() | st.floats(-FARTHEST, FARTHEST)


@given(st.tuples(WEIGHTS, WEIGHTS, WEIGHTS), st.tuples(REWARDS, REWARDS, REWARDS))
def test_a_score_moves_by_weight_times_reward_and_what_is_not_known_counts_nothing(
    weights: tuple[float, ...], rewards: tuple[float | None, ...]
) -> None:
    dials = Dials(**dict(zip(MEASURED, weights, strict=True)))
    found = worth(dials, Rewards(**dict(zip(MEASURED, rewards, strict=True))))
    assert found == pytest.approx(sum(weight * (each or 0) for weight, each in zip(weights, rewards, strict=True)))
    assert worth(dials, None) == 0


@given(st.floats(-1e3, 1e3))
def test_a_reward_is_told_in_usual_deviations_and_none_is_beyond_ten(reward: float) -> None:
    found = Measured(lambda *_: reward, 1.0, 0.5).standard(torch.zeros(1), RATE)
    assert found == pytest.approx(max(-FARTHEST, min(FARTHEST, (reward - 1) / 0.5)))


def test_only_what_is_asked_for_is_measured_and_a_glimpse_says_nothing_of_coherence() -> None:
    glimpse = torch.from_numpy(melody(3))
    assert rewards_of(glimpse, RATE, Dials()) is None
    found = rewards_of(glimpse, RATE, Dials(harmony=1.0, coherence=1.0))
    assert found is not None
    assert found.harmony is not None
    assert (found.coherence, found.production) == (None, None)
