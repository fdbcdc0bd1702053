"""Pure: sums over listeners to estimates, intervals and what many of them side by side allow to say. Standard library.

A listener's value is their own mean on an arm less that on the baseline, so listeners are the units. `fixed` intervals
are Student's. `anytime` ones are a normal mixture over information time (Robbins, Annals of Mathematical Statistics 41,
1970; Howard et al., Annals of Statistics 49, 2021, section 3.2), with the standard error widened by Student's over the
normal quantile where listeners are few: they hold at every moment at once, as far as the estimates of a growing body of
feedback have independent increments (Scharfstein, Tsiatis, Robins, JASA 92, 1997).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

from schemas.analysis import IntervalKind, Metric
from services.student import t_quantile, t_survival

ALPHA: Final = 0.05
POWER: Final = 0.8
NO_WIDTH: Final = 1e-7  # units: the error of equal differences that are stored to 1e-8
NORMAL: Final = NormalDist()

# Variance of a listener's difference in a canary as planned, at which anytime intervals are sharpest for so many
# listeners; and the spread of true differences from release to release (decision 0841). Units of the metric.
SHARP_LISTENERS: Final = 50
VARIANCE: Final[dict[Metric, float]] = {
    "stars": 0.65, "heard_share": 0.06, "early_skip": 0.08, "completion": 0.15, "pair_wins": 0.1,
}  # fmt: skip
PRIOR_SD: Final[dict[Metric, float]] = {
    "stars": 0.2, "heard_share": 0.05, "early_skip": 0.05, "completion": 0.05, "pair_wins": 0.1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sums:
    """Over listeners: how many; sums of d = arm - baseline and of b = baseline, of their squares and product."""

    listeners: int
    observations: int
    d: float
    dd: float
    b: float
    bb: float
    db: float

    @property
    def estimate(self) -> float:
        return self.d / self.listeners

    @property
    def baseline(self) -> float:
        return self.b / self.listeners

    @property
    def error(self) -> float | None:
        """Standard error of the estimate; None below two listeners and where all differ by the same."""
        error = _error(self.listeners, self.d, self.dd)
        return error if error is not None and error > NO_WIDTH else None

    @property
    def relative(self) -> tuple[float, float] | None:
        """Estimate over the baseline's mean, and its standard error by the delta method; None without either."""
        if self.error is None or self.baseline <= NO_WIDTH:
            return None
        ratio = self.d / self.b
        squares = self.dd - 2 * ratio * self.db + ratio * ratio * self.bb  # of d - ratio b, whose sum is zero
        return ratio, (_error(self.listeners, 0.0, max(0.0, squares)) or 0.0) / self.baseline


@dataclass(frozen=True, slots=True)
class Spread:
    """Between cells: true standard deviation (DerSimonian and Laird, Controlled Clinical Trials 7, 1986), share of the
    variation that is not chance (Higgins and Thompson 2002), Cochran's Q with its degrees; the random-effects mean."""

    tau: float
    i_squared: float
    q: float
    freedom: int
    mean: float


def reach(error: float, listeners: int, kind: IntervalKind, metric: Metric, alpha: float = ALPHA) -> float:
    """Half the width of a two-sided interval that misses with chance `alpha`, in the metric's unit."""
    if kind == "fixed":
        return t_quantile(1 - alpha / 2, listeners - 1) * error
    information, sharp = _information(error, listeners, metric)
    scale = information + sharp
    return math.sqrt(scale * math.log(scale / (sharp * alpha * alpha))) / information


def p_value(estimate: float, error: float, listeners: int, kind: IntervalKind, metric: Metric) -> float:
    """Two-sided, against no difference; below `alpha` where the interval of that level leaves out zero."""
    if kind == "fixed":
        return min(1.0, 2 * t_survival(abs(estimate) / error, listeners - 1))
    information, sharp = _information(error, listeners, metric)
    scale = information + sharp
    return min(1.0, math.sqrt(scale / sharp) * math.exp(-((estimate * information) ** 2) / (2 * scale)))


def smallest_found(error: float, listeners: int) -> float:
    """The true difference that a fixed interval of this error leaves out zero for with a chance of `POWER`."""
    return (t_quantile(1 - ALPHA / 2, listeners - 1) + t_quantile(POWER, listeners - 1)) * error


def holm(values: Sequence[float]) -> list[float]:
    """Adjusted p-values; family-wise error (Holm, Scandinavian Journal of Statistics 6, 1979)."""
    order = sorted(range(len(values)), key=values.__getitem__)
    adjusted, least = [0.0] * len(values), 0.0
    for rank, index in enumerate(order):
        least = max(least, min(1.0, (len(values) - rank) * values[index]))
        adjusted[index] = least
    return adjusted


def benjamini_hochberg(values: Sequence[float]) -> list[float]:
    """Adjusted p-values; false discovery rate (Benjamini and Hochberg, JRSS B 57, 1995)."""
    order = sorted(range(len(values)), key=values.__getitem__, reverse=True)
    adjusted, most = [0.0] * len(values), 1.0
    for place, index in enumerate(order):
        most = min(most, values[index] * len(values) / (len(values) - place))
        adjusted[index] = most
    return adjusted


def spread(estimates: Sequence[float], errors: Sequence[float]) -> Spread | None:
    """How far cells differ; None below two."""
    if len(estimates) < 2:
        return None
    weights = [error**-2 for error in errors]
    total = sum(weights)
    pooled = _mean(estimates, weights)
    q = sum(weight * (value - pooled) ** 2 for weight, value in zip(weights, estimates, strict=True))
    freedom = len(estimates) - 1
    tau2 = max(0.0, (q - freedom) / (total - sum(weight * weight for weight in weights) / total))
    mean = _mean(estimates, [1 / (error * error + tau2) for error in errors])
    return Spread(math.sqrt(tau2), max(0.0, 1 - freedom / q) if q > 0 else 0.0, q, freedom, mean)


def shrunken(estimate: float, error: float, metric: Metric, between: Spread | None) -> float:
    """The posterior mean: to the cells' mean by what they differ, a single one to nothing by what releases do. It is
    also what is left of an estimate that stopped a canary by being large."""
    centre = 0.0 if between is None else between.mean
    variance = PRIOR_SD[metric] ** 2 if between is None else between.tau**2
    weight = variance / (variance + error * error)
    return centre + weight * (estimate - centre)


def _information(error: float, listeners: int, metric: Metric) -> tuple[float, float]:
    """One over the variance, and the precision of the mixture, which nothing of the data moves."""
    widened = error * t_quantile(1 - ALPHA / 2, listeners - 1) / NORMAL.inv_cdf(1 - ALPHA / 2)
    odds = -2 * math.log(ALPHA)
    return widened**-2, SHARP_LISTENERS / VARIANCE[metric] / (odds + math.log1p(odds))


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    return sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)


def _error(count: int, total: float, squares: float) -> float | None:
    if count < 2:
        return None
    return math.sqrt(max(0.0, squares - total * total / count) / (count - 1) / count)
