"""What analysts ask of the gateway, and what comes back."""

from datetime import date
from typing import Final, Literal, get_args
from uuid import UUID

from pydantic import AwareDatetime

from schemas.base import Frozen

Dimension = Literal["country", "age_band", "taste", "device", "home", "tenure", "style", "method"]
Metric = Literal["stars", "heard_share", "early_skip", "completion", "pair_wins"]
Per = Literal["whole", "day", "cumulative"]
IntervalKind = Literal["fixed", "anytime"]
Form = Literal["csv", "json", "parquet", "arrow"]

DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
METRICS: tuple[Metric, ...] = get_args(Metric)
FORMS: tuple[Form, ...] = get_args(Form)
MOST_DIMENSIONS = 4
EVERY_RELEASE: Final = UUID(int=2**128 - 1)
"""Stands for all releases together where one is named: the largest id there can be (RFC 9562, section 5.10)."""
OF_ONE_RELEASE: Final[frozenset[Dimension]] = frozenset({"style", "tenure"})
"""Dimensions by which all releases together are not told apart."""


class ComparedCell(Frozen):
    """One crossing of the dimensions: the mean over listeners of (own mean on the arm - own mean on the baseline).

    `low` and `high` hold for this cell alone, `family_low` and `family_high` for all cells shown together (Bonferroni);
    `p` likewise, with Holm's and Benjamini and Hochberg's corrections beside it. `shrunken` is the estimate drawn to
    the mean of the cells by how much they differ at all; of a single cell to nothing. `mde` is the difference that so
    many listeners would have shown with a chance of 80 %. Null: hidden, or too little to tell. A hidden cell has fewer
    listeners than may be told apart, or would tell of one that has.
    """

    cell: dict[Dimension, str]
    day: date | None
    hidden: bool
    listeners: int | None = None
    observations: int | None = None
    arm_mean: float | None = None
    baseline_mean: float | None = None
    estimate: float | None = None
    error: float | None = None
    low: float | None = None
    high: float | None = None
    family_low: float | None = None
    family_high: float | None = None
    relative: float | None = None
    relative_low: float | None = None
    relative_high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    p_bh: float | None = None
    shrunken: float | None = None
    mde: float | None = None


class Heterogeneity(Frozen):
    """Do cells differ by more than chance? `tau` is the standard deviation of their true differences in the metric's
    unit, `i_squared` the share of the spread that is not chance, `q` Cochran's statistic with `freedom` degrees."""

    tau: float
    i_squared: float
    q: float
    freedom: int


class ComparedCells(Frozen):
    """The answer to one question. `family` is how many cells are corrected for. `interval` says what the intervals
    are: `fixed` ones are read once, when the release is over; `anytime` ones stay true however often they are looked
    at while feedback comes. `as_of` is of when the numbers are, null before any; `complete`: nothing has changed since.
    """

    release_id: UUID | None
    status: str | None
    metric: Metric
    unit: str
    arm: str
    baseline: str
    by: tuple[Dimension, ...]
    per: Per
    interval: IntervalKind
    level: float
    family: int
    hidden: int
    heterogeneity: Heterogeneity | None
    as_of: AwareDatetime | None
    complete: bool
    cells: list[ComparedCell]
