"""A hidden taste, and what it makes of a track: stars, votes and listening time.

An ideal point in the space of measured features; satisfaction falls with the weighted distance from it, and with what
is lacking of the qualities (beat, clear tones) that the listener is used to: noise is not forgiven for having the right
averages. Raters differ in offset, in how much of the scale they use, and in noise (alignment literature: single-rating
noise 0.4 to 0.6 stars); a careless one often answers without listening, and some leave before the study ends.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

# Standard deviations of real music: how much less of a quality goes unnoticed, and what counts as one step below that.
TOLERATED = 0.5
STEP = 0.5
MIDDLE = 3.0
TIE = 0.35  # stars between tracks that are equally good
BAD = 1.5  # stars below which one would hear neither again
Choice = Literal["first", "second", "tie", "both_bad"]
CHOICES: Final[tuple[Choice, ...]] = ("first", "second", "tie", "both_bad")


@dataclass(frozen=True)
class Taste:
    """All in standardised features: `ideal` and `weights`, which sum to 1, of what is measured [measured]; `least` of
    what a listener wants enough of and never minds more [qualities]. `gain` stretches the scale about its middle;
    `patience` is the chance to come back for another cycle."""

    ideal: Vector
    weights: Vector
    least: Vector
    offset: float
    noise: float
    carelessness: float
    gain: float = 1.0
    patience: float = 1.0

    def satisfaction(self, features: Vector) -> float:
        """1 at the ideal with enough of every quality, falling to 0 with distance and lack. Range [0, 1].

        Args:
            features: what is measured, then the qualities. [measured + qualities]
        """
        measured, qualities = np.split(features, [len(self.ideal)])
        distance = float(self.weights @ np.square(measured - self.ideal))
        lack = np.clip((self.least - qualities - TOLERATED) / STEP, 0.0, None)
        return math.exp(-0.5 * (distance + float(lack @ lack)))

    def stars(self, features: Vector, rng: np.random.Generator) -> int:
        """A rating from 1 to 5."""
        if rng.random() < self.carelessness:
            return int(rng.integers(1, 6))
        return int(np.clip(round(self._felt(features, rng)), 1, 5))

    def vote(self, first: Vector, second: Vector, rng: np.random.Generator) -> Choice:
        """Which of two tracks they would rather hear again, felt anew."""
        if rng.random() < self.carelessness:
            return CHOICES[rng.integers(len(CHOICES))]
        one, other = self._felt(first, rng), self._felt(second, rng)
        if max(one, other) < BAD:
            return "both_bad"
        if abs(one - other) < TIE:
            return "tie"
        return "first" if one > other else "second"

    def _felt(self, features: Vector, rng: np.random.Generator) -> float:
        """Stars before they are rounded."""
        felt = MIDDLE + self.gain * (in_stars(self.satisfaction(features)) - MIDDLE)
        return felt + self.offset + float(rng.normal(0.0, self.noise))

    def heard_fraction(self, features: Vector, rng: np.random.Generator) -> float:
        """How much of the track is played before the listener leaves; 1 when it is heard to the end."""
        if rng.random() < self.carelessness:
            return float(rng.uniform(0.05, 1.0))
        stay = self.satisfaction(features) + rng.normal(0.0, 0.15)
        return float(np.clip(0.25 + 1.1 * stay, 0.05, 1.0))


def in_stars(satisfaction: float) -> float:
    """Satisfaction [0, 1] on the scale of ratings [1, 5], as a rater without offset, gain and noise would say it."""
    return 1.0 + 4.0 * satisfaction
