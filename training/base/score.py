"""What a score is made of: notes on channels, and a tempo that may slow down at the end."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAD, CHORDS, BASS, COUNTER, DRUMS = 0, 1, 2, 3, 9


@dataclass(frozen=True)
class Note:
    """One sounding note; times in seconds."""

    start: float
    length: float
    channel: int
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Tempo:
    """Seconds of a quarter; from quarter `slows_at` on beats grow evenly, for `over` quarters, by the share `by`."""

    beat: float
    slows_at: float = float("inf")
    over: float = 4.0
    by: float = 0.0

    def seconds(self, quarter: float) -> float:
        """When a place in quarters sounds."""
        late = max(0.0, quarter - self.slows_at)
        return self.beat * (quarter + self.by * late * late / (2 * self.over))

    def quarters(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """The places in quarters that sound at these times; the inverse of `seconds`."""
        plain = seconds / self.beat
        late = np.maximum(0.0, plain - self.slows_at)
        root = np.sqrt(1 + 2 * self.by * late / self.over)
        places: NDArray[np.float64] = np.minimum(plain, self.slows_at) + 2 * late / (1 + root)
        return places
