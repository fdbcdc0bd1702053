"""What is known of a running canary when it is looked at: small numbers only, no identity beyond the listener's id."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import UUID

from schemas.events import Arm
from services.rollout.stats import Ratings, difference

NO_RATINGS: Final = Ratings()
DISLIKED: Final = 1
"""Stars of a track that was started, left early and not rated: who leaves says something, who is silent about it
too."""


class Compared(NamedTuple):
    """One track of the candidate beside one of the champion, both heard by the same listener: candidate less champion.

    `stars` is the difference of stars, a track that was left early and not rated counting as `DISLIKED`; None while one
    of the two has none. `vote` is 1 where the candidate was preferred, -1 the champion, 0 neither; None without a vote.
    `skipped` and `completed` are differences of zeros and ones.
    """

    stars: int | None
    vote: int | None = None
    skipped: int = 0
    completed: int = 0

    def score(self, vote_weight: float) -> float:
        """Stars and vote in one number: what a listener said of the candidate against the champion."""
        return (self.stars or 0) + vote_weight * (self.vote or 0)


@dataclass(frozen=True, slots=True)
class ListenerEvidence:
    """One listener in the release.

    `pairs` are comparisons in the order in which the tracks were asked for. Twins are comparisons (one wish, prompt and
    seed); single tracks are compared first with first, second with second. `arms` are all ratings by arm, for the
    reader. `present`: they have heard or rated something of the release. `failed` is whose generation failed first,
    1 the candidate's, -1 the champion's, 0 nobody's.
    """

    listener_id: UUID
    pairs: tuple[Compared, ...] = ()
    arms: Mapping[Arm, Ratings] = field(default_factory=dict)
    present: bool = False
    failed: int = 0

    def on(self, arm: Arm) -> Ratings:
        """The ratings on one arm; empty when there are none."""
        return self.arms.get(arm, NO_RATINGS)


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """Tracks of one arm in the release: asked for, finished, failed, and of the finished those that were rated."""

    asked: int = 0
    made: int = 0
    failed: int = 0
    rated: int = 0


NO_TRACKS: Final = ArmCounts()


@dataclass(frozen=True, slots=True)
class Evidence:
    """All members of the release, also those who rated nothing yet."""

    listeners: tuple[ListenerEvidence, ...]
    tracks: Mapping[Arm, ArmCounts] = field(default_factory=dict)

    def counts(self, arm: Arm) -> ArmCounts:
        """The tracks of one arm; zeros when there are none."""
        return self.tracks.get(arm, NO_TRACKS)

    @property
    def present(self) -> int:
        """Members who have heard or rated something of the release."""
        return sum(listener.present for listener in self.listeners)

    def differences(self, baseline: Arm, arm: Arm) -> list[float]:
        """One mean difference for each listener who rated both arms, in stars; for the reader."""
        each = (difference(listener.on(baseline), listener.on(arm)) for listener in self.listeners)
        return [value for value in each if value is not None]


@dataclass(frozen=True, slots=True)
class Look:
    """A look that was taken: its number from 1, the information fraction, the error spent up to then, and whether it
    put the last look off."""

    number: int
    fraction: float
    spent: float
    extended: bool = False
