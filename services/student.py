"""Student's t: its tail and quantiles. Standard library only."""

import math
from functools import lru_cache
from typing import Final

TINY: Final = 1e-300
TOLERANCE: Final = 1e-15


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
