"""What is known of a running canary when it is looked at: counts only, no identity beyond the listener's id."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from schemas.events import Arm
from services.rollout.stats import Ratings, difference

NO_RATINGS: Final = Ratings()


@dataclass(frozen=True, slots=True)
class ListenerRatings:
    """One listener's ratings in the release by arm, and `before`: what they gave until it started. `present`: they have
    heard or rated something of the release."""

    listener_id: UUID
    before: Ratings = NO_RATINGS
    arms: Mapping[Arm, Ratings] = field(default_factory=dict)
    present: bool = False

    def on(self, arm: Arm) -> Ratings:
        """The ratings on one arm; empty when there are none."""
        return self.arms.get(arm, NO_RATINGS)


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """Tracks of one arm in the release. `drawn` counts finished tracks that are no half of a pair (a pair never holds
    the same arm twice, so its arms do not follow the shares); the other counts include pairs."""

    drawn: int = 0
    failed: int = 0
    started: int = 0
    skipped: int = 0
    completed: int = 0


NO_TRACKS: Final = ArmCounts()


@dataclass(frozen=True, slots=True)
class Evidence:
    """All members of the release, also those who rated nothing yet."""

    listeners: tuple[ListenerRatings, ...]
    tracks: Mapping[Arm, ArmCounts] = field(default_factory=dict)

    def counts(self, arm: Arm) -> ArmCounts:
        """The tracks of one arm; zeros when there are none."""
        return self.tracks.get(arm, NO_TRACKS)

    def ratings(self, arm: Arm) -> int:
        """Ratings on one arm by all listeners."""
        return sum(listener.on(arm).count for listener in self.listeners)

    def differences(self, baseline: Arm, arm: Arm) -> list[float]:
        """One mean difference for each listener who rated both arms, in stars."""
        each = (difference(listener.on(baseline), listener.on(arm)) for listener in self.listeners)
        return [value for value in each if value is not None]


@dataclass(frozen=True, slots=True)
class Look:
    """A look that was taken: its number from 1, the information fraction and the error spent up to then."""

    number: int
    fraction: float
    spent: float
