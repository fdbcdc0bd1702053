"""What the dials of a wish add to the score of a seed: each measured reward in usual deviations, times its weight.

Nothing is measured where no dial is set. Not for what a listener likes: see `judge`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from torch import Tensor

from schemas.generation import Dials, Rewards
from serving.engine.hearing.coherence import coherence
from serving.engine.hearing.harmony import harmony
from serving.engine.hearing.production import production

FARTHEST: Final = 10.0  # usual deviations that one dial may count for, either way


@dataclass(frozen=True)
class Measured:
    """A reward of a waveform [samples] at its rate, None where it is too short, with the mean and deviation that are
    usual among tracks of the shipped base."""

    reward: Callable[[Tensor, int], float | None]
    mean: float
    deviation: float

    def standard(self, waveform: Tensor, sample_rate: int) -> float | None:
        """In usual deviations about the usual, within `FARTHEST`."""
        found = self.reward(waveform, sample_rate)
        return None if found is None else max(-FARTHEST, min(FARTHEST, (found - self.mean) / self.deviation))


# Means of forty tracks; deviations by which seeds of one wish differ, over that of their closeness: each dial at 1
# moves a choice as much as closeness does (decision 0716).
MEASURED: Final = {
    "harmony": Measured(harmony, 0.56, 0.16),
    "coherence": Measured(coherence, 0.71, 0.16),
    "production": Measured(production, 0.45, 0.05),
}


def rewards_of(waveform: Tensor, sample_rate: int, dials: Dials) -> Rewards | None:
    """What the dials that are set measure of a mono waveform [samples]; None where none is. Slow."""
    asked = [name for name, weight in dials if weight]
    if not asked:
        return None
    return Rewards(**{name: MEASURED[name].standard(waveform, sample_rate) for name in asked})


def worth(dials: Dials, rewards: Rewards | None) -> float:
    """What the rewards add to a score."""
    return 0.0 if rewards is None else sum(weight * (getattr(rewards, name) or 0.0) for name, weight in dials)
