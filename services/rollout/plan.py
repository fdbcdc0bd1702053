"""What a canary was set out to be. Stored with the release: a later change of settings changes no running one."""

import math
from typing import Annotated, Any, Final, Self

from pydantic import Field, model_validator

from schemas.base import Frozen
from schemas.events import Arm

Share = Annotated[float, Field(gt=0, lt=1)]
FIRST_LOOK: Final = 0.1
"""An earlier look could spend nothing that a number holds."""
CAP: Final = 2.0
"""One listener's comparisons count up to so many times the planned ones, in every statistic."""
EXTENDED: Final = 1.5
"""How far a promising canary may go on beyond its plan."""


class Prior(Frozen):
    """What earlier releases' effects were like, in stars: the belief that a decision by expected loss starts from."""

    mean: float = 0.0
    sd: Annotated[float, Field(gt=0)] = 0.2


class Plan(Frozen):
    """Shares of the arms, when to look, and how much error each kind of decision may make.

    `looks` are fractions of the planned comparisons at which promotion is considered, the last is 1. `pairs` is the
    mean number of comparisons per listener that the last look waits for, and `expected` how many members will take part
    (0: all). `twins` is the share of wishes for champion or candidate that are made twice. `worth` is the effect that
    is worth finding and `detectable` the one that this plan finds in four of five canaries, in stars.
    `alpha` is the one-sided chance, over all looks, to promote a candidate that is no better. `guardrail_alpha` is the
    chance, over the whole canary and all guardrails, to roll back a candidate that is no worse. From `silent_after_s`
    on, members who have not listened since the start are not waited for. `skip_margin` is the share of tracks by which
    a candidate that is promoted must be known not to be skipped early more often; None: a canary planned before this
    was asked. With a `prior`, the last look decides by
    expected loss in place of error.
    """

    shares: dict[Arm, Share]
    looks: tuple[Annotated[float, Field(gt=0, le=1)], ...]
    pairs: Annotated[int, Field(ge=1)]
    alpha: Annotated[float, Field(gt=0, lt=0.5)]
    guardrail_alpha: Annotated[float, Field(gt=0, lt=0.5)]
    sample_ratio_alpha: Annotated[float, Field(gt=0, lt=0.5)]
    minimum_listeners: Annotated[int, Field(ge=3)]
    max_age_s: Annotated[float, Field(gt=0)]
    silent_after_s: Annotated[float, Field(gt=0)] = 2 * 86_400.0
    twins: Annotated[float, Field(ge=0, le=1)] = 0.0
    vote_weight: Annotated[float, Field(ge=0)] = 1.0
    worth: Annotated[float, Field(gt=0)] = 0.33
    expected: Annotated[int, Field(ge=0)] = 0
    detectable: float | None = None
    skip_margin: Share | None = None
    prior: Prior | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_before(cls, data: Any) -> Any:
        """A canary that was planned in ratings per arm goes on with as many comparisons."""
        if isinstance(data, dict) and "ratings_per_arm" in data:
            planned = {key: value for key, value in data.items() if key != "ratings_per_arm"}
            least = max(3, planned.get("minimum_listeners", 3))
            return planned | {"pairs": math.ceil(data["ratings_per_arm"]), "minimum_listeners": least}
        return data

    @model_validator(mode="after")
    def _can_be_decided(self) -> Self:
        # A canary that was planned before there was a cold arm goes on without one.
        if set(self.shares) - {"cold"} != {"base", "champion", "candidate"}:
            raise ValueError("shares for base, cold, champion and candidate are expected")
        if abs(sum(self.shares.values()) - 1) > 1e-9:
            raise ValueError("shares must sum to 1")
        # The guardrails' error holds because a coin, not a loaded one, decides between champion and candidate.
        if self.shares["champion"] != self.shares["candidate"]:
            raise ValueError("champion and candidate need the same share")
        if list(self.looks) != sorted(set(self.looks)) or not self.looks or self.looks[-1] != 1:
            raise ValueError("looks must grow and end at 1")
        if self.looks[0] < FIRST_LOOK:
            raise ValueError(f"the first look must not come before {FIRST_LOOK} of the comparisons")
        return self

    @property
    def most(self) -> int:
        """Comparisons of one listener that count."""
        return math.ceil(CAP * self.pairs)
