"""What ratings say about the difference between two arms, clustered by listener. Standard library only.

Ratings of one listener are not independent of each other, so the unit is the listener: first the difference of a
listener's own two means, then a t-interval over listeners. Nothing here knows of looks, plans or verdicts.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean, stdev
from typing import Final

TINY: Final = 1e-300
TOLERANCE: Final = 1e-15
NO_WIDTH: Final = 1e-9
"""Stars: standard errors of differences that are equal but for rounding lie below. The analysts' view has the same."""


@dataclass(frozen=True, slots=True)
class Ratings:
    """Sufficient statistics of one listener's ratings on one arm: how many, their sum, the sum of their squares.

    Stars are whole numbers, so sums are exact and any split of the ratings adds up to the same statistics.
    """

    count: int = 0
    total: int = 0
    squares: int = 0

    def __add__(self, other: "Ratings") -> "Ratings":
        return Ratings(self.count + other.count, self.total + other.total, self.squares + other.squares)

    @classmethod
    def of(cls, stars: Iterable[int]) -> "Ratings":
        """The statistics of single ratings."""
        given = list(stars)
        return cls(len(given), sum(given), sum(star * star for star in given))

    @property
    def mean(self) -> float:
        """Mean stars.

        Raises:
            ValueError: no rating.
        """
        if self.count == 0:
            raise ValueError("no rating has no mean")
        return self.total / self.count

    def squares_about(self, centre: float) -> float:
        """Sum of squared distances to `centre`, in stars squared."""
        return max(0.0, self.squares - 2 * centre * self.total + self.count * centre * centre)


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over listeners with a two-sided interval, in the unit of the values."""

    estimate: float
    low: float
    high: float
    listeners: int


def difference(baseline: Ratings, arm: Ratings) -> float | None:
    """One listener's mean on `arm` less their mean on `baseline`; None unless both were rated."""
    if baseline.count == 0 or arm.count == 0:
        return None
    return arm.mean - baseline.mean


def clustered_interval(values: Sequence[float], alpha: float = 0.05) -> Interval | None:
    """The t-interval of one value per listener, with listeners - 1 degrees of freedom; None below two listeners, and
    where it would have no width: equal values say nothing of the spread.

    `alpha` is the chance, both sides together, of an interval that misses the mean.
    """
    error = standard_error(values)
    if error is None or error <= NO_WIDTH:
        return None
    estimate, reach = fmean(values), t_quantile(1 - alpha / 2, len(values) - 1) * error
    return Interval(estimate, estimate - reach, estimate + reach, len(values))


def standard_error(values: Sequence[float]) -> float | None:
    """Standard error of the mean of one value per listener; None below two listeners."""
    if len(values) < 2:
        return None
    return stdev(values) / math.sqrt(len(values))


def own_upper_bound(baseline: Ratings, arm: Ratings, alpha: float = 0.05) -> float | None:
    """Upper end of the two-sided interval (pooled variance) of one listener's own difference.

    None unless both arms have a rating and at least three degrees of freedom are left.
    """
    freedom = baseline.count + arm.count - 2
    between = difference(baseline, arm)
    if between is None or freedom < 3:
        return None
    spread = (baseline.squares_about(baseline.mean) + arm.squares_about(arm.mean)) / freedom
    error = math.sqrt(spread * (1 / baseline.count + 1 / arm.count))
    return between + t_quantile(1 - alpha / 2, freedom) * error


def t_survival(value: float, freedom: float) -> float:
    """P(T > value) of Student's t with `freedom` > 0 degrees, by the incomplete beta function (DLMF 8.17)."""
    if freedom <= 0:
        raise ValueError("degrees of freedom must be positive")
    square = value * value
    if square < 1:  # here one minus the other argument would lose the digits of a small t
        tail = 0.5 * (1 - incomplete_beta(0.5, freedom / 2, square / (freedom + square)))
    else:
        tail = 0.5 * incomplete_beta(freedom / 2, 0.5, freedom / (freedom + square))
    return tail if value >= 0 else 1 - tail


def t_quantile(probability: float, freedom: float) -> float:
    """The t with P(T <= t) = `probability`; where that is near 1, ask `t_isf` with what is left.

    Raises:
        ValueError: probability outside (0, 1) or no degree of freedom.
    """
    return -t_isf(probability, freedom)


@lru_cache(maxsize=4096)
def t_isf(tail: float, freedom: float) -> float:
    """The t with P(T > t) = `tail`, by bisection of `t_survival`; error below 1e-10 relative, however small the tail.

    Raises:
        ValueError: tail outside (0, 1) or no degree of freedom.
    """
    if not 0 < tail < 1:
        raise ValueError("a probability lies strictly between 0 and 1")
    if tail > 0.5:
        return -t_isf(1 - tail, freedom)
    low, high = 0.0, 1.0
    while t_survival(high, freedom) > tail:
        low, high = high, high * 2
    while high - low > 1e-11 * max(1.0, high):
        middle = (low + high) / 2
        low, high = (middle, high) if t_survival(middle, freedom) > tail else (low, middle)
    return (low + high) / 2


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b) for a, b > 0 and x in [0, 1]."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    # The continued fraction converges fast only below the mean; above it the symmetry I_x(a,b) = 1 - I_{1-x}(b,a).
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, 1 - x)
    log_front = a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(log_front) / (a * _beta_fraction(a, b, x))


def _beta_fraction(a: float, b: float, x: float) -> float:
    """The continued fraction DLMF 8.17.22 by the modified method of Lentz."""
    value, c, d = 1.0, 1.0, 0.0
    for term in range(1, 10_000):
        m = term // 2
        if term % 2:
            coefficient = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            coefficient = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / (1 + coefficient * d or TINY)
        c = 1 + coefficient / c or TINY
        value *= c * d
        if abs(c * d - 1) < TOLERANCE:
            return value
    raise ArithmeticError("the continued fraction of the incomplete beta function did not converge")


def sample_ratio_p(counts: tuple[int, int, int], shares: tuple[float, float, float]) -> float:
    """Chance of counts at least this far from their shares (chi-square, two degrees: its survival is exp(-x/2)).

    Raises:
        ValueError: a share is not positive.
    """
    if min(shares) <= 0:
        raise ValueError("every arm needs a share")
    everything, whole = sum(counts), sum(shares)
    if everything == 0:
        return 1.0
    expected = [everything * share / whole for share in shares]
    statistic = sum((count - mean) ** 2 / mean for count, mean in zip(counts, expected, strict=True))
    return math.exp(-statistic / 2)
