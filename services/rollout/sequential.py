"""Tests that stay honest although they are looked at more than once. Standard library only.

Two kinds. *Planned looks* (promotion): one-sided group-sequential boundaries whose error is spent by an
O'Brien-Fleming-type function (Lan and DeMets, Biometrika 70, 1983). *Any time* (guardrails): a one-sided normal
mixture (Howard, Ramdas, McAuliffe, Sekhon, Annals of Statistics 49, 2021, section 3.2) over signed observations.
Nothing here knows what is being measured.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Final

NORMAL: Final = NormalDist()
PANELS: Final = 50  # Simpson panels of the recursion: bounds to better than 1e-4 standard deviations
FLOOR: Final = -8.0  # standard deviations below which the normal density is nothing


def spent(fraction: float, alpha: float) -> float:
    """Error spent up to an information fraction, one-sided, O'Brien-Fleming type: 2 - 2 Phi(z(1 - alpha/2)/sqrt t).

    Zero at 0, `alpha` from 1 on.
    """
    if fraction <= 0:
        return 0.0
    if fraction >= 1:
        return alpha
    return 2 * NORMAL.cdf(NORMAL.inv_cdf(alpha / 2) / math.sqrt(fraction))


def nominal_levels(information: Sequence[float], spending: Sequence[float]) -> list[float]:
    """The one-sided level of each look's own test, so that all looks together spend what is planned.

    `information` grows from look to look (any unit), `spending` is the cumulative error after each. The joint law of
    the looks' statistics is taken to be that of a process with independent increments. An unweighted mean over the same
    listeners is not quite that: its looks are correlated a little less (0.58 in place of 0.71 at half and whole), which
    costs the levels up to half a percentage point in five. So looks stay few, and the error is simulated.

    Raises:
        ValueError: information does not grow, or spending shrinks.
    """
    if len(information) != len(spending) or any(b <= a for a, b in zip([0.0, *information], information, strict=False)):
        raise ValueError("information must be positive and grow from look to look")
    if any(b < a for a, b in zip([0.0, *spending], spending, strict=False)):
        raise ValueError("spending must not shrink")
    whole = range(1, len(information) + 1)
    return [_levelled(tuple(information[:looks]), tuple(spending[:looks]))[0] for looks in whole]


@lru_cache(maxsize=1024)
def _levelled(information: tuple[float, ...], spending: tuple[float, ...]) -> "tuple[float, _Survivors]":
    """The last look's level and who has not stopped after it; every look begins where the one before it ended."""
    survivors = _levelled(information[:-1], spending[:-1])[1] if len(information) > 1 else None
    now, total = information[-1], spending[-1]
    bound = _bound(survivors, now, total - (spending[-2] if len(spending) > 1 else 0.0))
    # A look alone cannot cross more often than all so far do; the grid's rounding may say so.
    return min(NORMAL.cdf(-bound), total), _advance(survivors, now, bound)


@dataclass(frozen=True, slots=True)
class _Survivors:
    """Density of the statistic among the tests not yet stopped, on a Simpson grid."""

    information: float
    points: list[float]
    masses: list[float]  # density times quadrature weight


def _bound(survivors: "_Survivors | None", information: float, error: float) -> float:
    """The boundary that this look crosses with chance `error`, in standard deviations."""
    low, high = FLOOR, -FLOOR
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if _crossing(survivors, information, middle) < error else (middle, high)
    return (low + high) / 2


def _crossing(survivors: "_Survivors | None", information: float, bound: float) -> float:
    if survivors is None:
        return NORMAL.cdf(-bound)
    kept, noise = _increment(survivors.information, information)
    pairs = zip(survivors.points, survivors.masses, strict=True)
    return sum(mass * NORMAL.cdf((kept * point - bound) / noise) for point, mass in pairs)


def _advance(survivors: "_Survivors | None", information: float, bound: float) -> "_Survivors":
    width = (bound - FLOOR) / (2 * PANELS)
    points = [FLOOR + width * index for index in range(2 * PANELS + 1)]
    weights = [width / 3 * (1 if index in (0, 2 * PANELS) else 4 if index % 2 else 2) for index in range(len(points))]
    masses = [_density(survivors, information, point) * weight for point, weight in zip(points, weights, strict=True)]
    return _Survivors(information, points, masses)


def _density(survivors: "_Survivors | None", information: float, point: float) -> float:
    if survivors is None:
        return NORMAL.pdf(point)
    kept, noise = _increment(survivors.information, information)
    pairs = zip(survivors.points, survivors.masses, strict=True)
    return sum(mass * NORMAL.pdf((point - kept * past) / noise) for past, mass in pairs) / noise


def _increment(before: float, now: float) -> tuple[float, float]:
    """Weight of the old statistic in the new one, and the standard deviation of what is added."""
    return math.sqrt(before / now), math.sqrt(1 - before / now)


@dataclass(frozen=True, slots=True)
class Signed:
    """A running sum of observations whose sign a coin decided, and the sum of their squares; order plays no part.

    When two arms have the same share and do not differ, swapping their names changes nothing: given its size, an
    observation is as likely positive as negative. Then exp(b S - b^2 V / 2) is a supermartingale for every b, without
    any assumption on the sizes and however they depend on the listener (de la Pena, Annals of Probability 27, 1999).
    """

    total: float = 0.0
    squares: float = 0.0

    def __add__(self, other: "Signed") -> "Signed":
        return Signed(self.total + other.total, self.squares + other.squares)


def anytime_p(signed: Signed, expected_squares: float) -> float:
    """A p-value, valid at every moment and for any stopping rule, against a sum that does not tend above zero.

    The supermartingale of `Signed` is averaged over b > 0 with a half-normal weight of precision rho; by Ville's
    inequality its inverse is the p-value. rho makes the test sharpest near `expected_squares`, which must be set
    before the data are seen (Howard et al. 2021, section 3.5, with log terms in place of Lambert's function).
    """
    if expected_squares <= 0:
        raise ValueError("the expected sum of squares must be positive")
    rho = _precision(expected_squares, 0.05)
    scale = signed.squares + rho
    evidence = signed.total**2 / (2 * scale) + 0.5 * math.log(rho / scale)
    return min(1.0, math.exp(-min(evidence, 700.0)) / (2 * NORMAL.cdf(signed.total / math.sqrt(scale)) or 1e-300))


def _precision(expected_squares: float, alpha: float) -> float:
    odds = 2 * math.log(1 / (2 * alpha))
    return expected_squares / (odds + math.log1p(odds))
