"""The times at which the denoiser is asked, and their inverses.

Sampling goes from t = 1 (noise) to 0 (music) on a uniform grid bent by the shift; inversion goes
the same grid backwards. Not for the network: a path is only numbers.
"""

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Path:
    """Euler steps `x += deltas[i] * v(x, times[i])`; every time lies in (0, 1]."""

    times: tuple[float, ...]
    deltas: tuple[float, ...]

    @property
    def steps(self) -> int:
        """Number of Euler steps."""
        return len(self.times)


def shifted(t: float, shift: float) -> float:
    """Bends t in [0, 1] towards 1 for shift > 1: `shift * t / (1 + (shift - 1) * t)`."""
    # Written so that 0 and 1 map to themselves exactly.
    return t / (t + (1 - t) / shift)


def unshifted(t: float, shift: float) -> float:
    """Undoes `shifted`."""
    return shifted(t, 1 / shift)


def sigmas(steps: int, shift: float) -> tuple[float, ...]:
    """The grid from 1 down to 0, `steps + 1` numbers.

    Raises:
        ValueError: steps < 1 or shift not positive.
    """
    if steps < 1 or not shift > 0:
        raise ValueError(f"expected steps >= 1 and shift > 0, got {steps}, {shift}")
    return tuple(shifted(1 - i / steps, shift) for i in range(steps + 1))


def sampling(steps: int, shift: float) -> Path:
    """From noise to music, the velocity taken where each step starts."""
    grid = sigmas(steps, shift)
    return Path(grid[:-1], _differences(grid))


def inversion(steps: int, shift: float) -> Path:
    """From music to noise, the velocity taken at the time where each step ends.

    This is DDIM inversion's convention (Song et al. 2021, section 4.3): the network is asked at
    the times that sampling asks, never at t = 0, which it was not trained on.
    """
    grid = sigmas(steps, shift)[::-1]
    return Path(grid[1:], _differences(grid))


def _differences(grid: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(after - before for before, after in pairwise(grid))
