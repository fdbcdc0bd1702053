"""What a canary was set out to be. Stored with the release: a later change of settings changes no running one."""

from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from schemas.base import Frozen
from schemas.events import Arm

Share = Annotated[float, Field(gt=0, lt=1)]
FIRST_LOOK: Final = 0.1
"""An earlier look could spend nothing that a number holds."""


class Plan(Frozen):
    """Shares of the arms, when to look, and how much error each kind of decision may make.

    `looks` are fractions of the planned ratings at which promotion is considered, the last is 1. `ratings_per_arm` is
    the mean number of ratings per listener, on candidate and on champion each, that the last look waits for.
    `alpha` is the one-sided chance, over all looks, to promote a candidate that is no better. `guardrail_alpha` is the
    chance, over the whole canary and all guardrails, to roll back a candidate that is no worse. From `silent_after_s`
    on, members who have not listened since the start are not waited for.
    """

    shares: dict[Arm, Share]
    looks: tuple[Annotated[float, Field(gt=0, le=1)], ...]
    ratings_per_arm: Annotated[float, Field(gt=0)]
    alpha: Annotated[float, Field(gt=0, lt=0.5)]
    guardrail_alpha: Annotated[float, Field(gt=0, lt=0.5)]
    sample_ratio_alpha: Annotated[float, Field(gt=0, lt=0.5)]
    minimum_listeners: Annotated[int, Field(ge=2)]
    max_age_s: Annotated[float, Field(gt=0)]
    silent_after_s: Annotated[float, Field(gt=0)] = 2 * 86_400.0

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
            raise ValueError(f"the first look must not come before {FIRST_LOOK} of the ratings")
        return self

    def planned_ratings(self, listeners: int) -> float:
        """Ratings on champion and candidate together at which the last look is due."""
        return 2 * self.ratings_per_arm * listeners
