"""What ratings say about the difference between two arms, clustered by listener. Standard library only.

Ratings of one listener are not independent of each other, so the unit is the listener: first the difference of a
listener's own two means, then a t-interval over listeners. Nothing here knows of looks, plans or verdicts.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Final

from services.student import t_quantile

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


def split_p(one: int, other: int) -> float:
    """Chance of counts at least this uneven where a fair coin dealt them (chi-square, one degree of freedom)."""
    if one + other == 0:
        return 1.0
    return _chi_square_p((one - other) ** 2 / (one + other))


def shares_p(one: int, of_one: int, other: int, of_other: int) -> float:
    """Chance of two shares at least this different (Pearson's chi-square of the two-by-two table).

    1 where the shares cannot differ.
    """
    yes, everything = one + other, of_one + of_other
    spread = yes * (everything - yes) * of_one * of_other
    if spread <= 0:
        return 1.0
    return _chi_square_p(everything * (one * of_other - other * of_one) ** 2 / spread)


def _chi_square_p(statistic: float) -> float:
    return math.erfc(math.sqrt(statistic / 2))
