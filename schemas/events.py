"""Every event, as CloudEvents 1.0 in JSON structured mode.

`source` + `id` identify an event, `subject` is the listener. An event speaks for itself: a play event carries the
stretch that was heard since the one before it, so that arrival order, repeats and gaps change no aggregate.
"""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal, Self

from pydantic import AliasChoices, Field, TypeAdapter, model_validator

from schemas.base import WHOLE, Mark, Moment, Open, Sha256, Stamp, Uuid, Uuid7

Milliseconds = Annotated[int, Field(ge=0, le=3_600_000), WHOLE]
Arm = Literal["base", "cold", "champion", "candidate", "previous"]
# `catalogue`: a listener's own song, of whose plays and ratings a product brought the history; compared with nothing.
TrackArm = Literal["base", "cold", "champion", "candidate", "previous", "catalogue"]

# Nothing in Encore happened before or will happen after; tables refuse other times, which not every reader could hold.
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)


class Event(Open):
    """CloudEvents 1.0 context attributes (spec section 3), and three extension attributes about clocks.

    `time` and `sentat` are by the clock of whoever saw it happen; `receivedat` and `correctedtime` are stamped by the
    gateway, by its own.
    """

    specversion: Literal["1.0"] = "1.0"
    id: Uuid7
    source: Annotated[str, Field(min_length=1, max_length=200)]
    subject: Uuid
    time: Moment
    datacontenttype: Literal["application/json"] = "application/json"
    # CloudEvents has no underscores in names; whoever writes one all the same is understood.
    sentat: Annotated[
        Stamp,
        Field(
            validation_alias=AliasChoices("sentat", "sent_at"),
            description="RFC 3339: what the sender's clock says while it sends; the gateway corrects `time` by it.",
        ),
    ] = None
    receivedat: Annotated[Stamp, Field(description="RFC 3339: when the gateway got it; stamped there.")] = None
    correctedtime: Annotated[
        Stamp, Field(description="RFC 3339: `time` by the gateway's clock, never after `receivedat`; stamped there.")
    ] = None

    @property
    def happened_at(self) -> datetime:
        """When it happened, as well as we know."""
        return self.correctedtime or self.time

    @property
    def arrived_at(self) -> datetime:
        """When it reached the gateway; for events that did not come through it, when they happened."""
        return self.receivedat or self.happened_at


class Heard(Open):
    """A stretch of a track that was played, `[from_ms, to_ms)`."""

    from_ms: Milliseconds
    to_ms: Milliseconds

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.to_ms <= self.from_ms:
            raise ValueError("to_ms must be greater than from_ms")
        return self


class Playback(Open):
    """`position_ms` is where the player stands now; `heard` what was played since this play's previous event."""

    play_id: Uuid
    track_id: Uuid
    position_ms: Milliseconds
    heard: Heard | None = None


class PlayEvent(Event):
    """Segment's playback vocabulary; heartbeats come every 10 s at most."""

    type: Literal[
        "encore.play.started",
        "encore.play.heartbeat",
        "encore.play.paused",
        "encore.play.resumed",
        "encore.play.seeked",
        "encore.play.completed",
        "encore.play.interrupted",
    ]
    data: Playback


class Rating(Open):
    track_id: Uuid
    stars: Annotated[int, Field(ge=1, le=5), WHOLE]


class RatingEvent(Event):
    type: Literal["encore.rating.given"] = "encore.rating.given"
    data: Rating


class PairVote(Open):
    """`first` and `second` are the order in which the two tracks were offered."""

    pair_id: Uuid
    choice: Literal["first", "second", "tie", "both_bad"]


class PairEvent(Event):
    type: Literal["encore.pair.voted"] = "encore.pair.voted"
    data: PairVote


class FourPick(Open):
    """Which of four takes one would rather hear again; `first` to `fourth` is the order in which they were offered."""

    four_id: Uuid
    choice: Literal["first", "second", "third", "fourth", "none"]


class FourEvent(Event):
    """A listener may change their mind: the last pick counts."""

    type: Literal["encore.four.picked"] = "encore.four.picked"
    data: FourPick


class TrackMade(Open):
    """What analysis and training need to know of a track; propensity is the chance its arm had when it was drawn. One
    of four takes (`four_id`) is picked from, and in no comparison of arms."""

    track_id: Uuid
    arm: TrackArm
    propensity: Annotated[float, Field(gt=0, le=1)]
    release_id: Uuid | None = None
    model_version: str | None = None
    pair_id: Uuid | None = None
    four_id: Mark = None
    prompt: str
    seconds: Annotated[float, Field(gt=0)]
    features_url: str
    sha256: Sha256


class TrackFailed(Open):
    track_id: Uuid
    arm: Arm
    release_id: Uuid | None = None
    four_id: Mark = None
    code: str


class TrackMadeEvent(Event):
    type: Literal["encore.track.made"] = "encore.track.made"
    data: TrackMade


class TrackFailedEvent(Event):
    type: Literal["encore.track.failed"] = "encore.track.failed"
    data: TrackFailed


class Release(Open):
    release_id: Uuid
    round_id: Uuid
    listeners: Annotated[int, Field(ge=0)]
    reason: str


class ReleaseEvent(Event):
    """`subject` is the release id: a release belongs to no one listener."""

    type: Literal[
        "encore.release.started",
        "encore.release.promoted",
        "encore.release.held",
        "encore.release.rolled_back",
        "encore.release.reverted",
    ]
    data: Release


ListenerEvent = Annotated[PlayEvent | RatingEvent | PairEvent | FourEvent, Field(discriminator="type")]
FeedbackEvent = Annotated[
    PlayEvent | RatingEvent | PairEvent | FourEvent | TrackMadeEvent | TrackFailedEvent, Field(discriminator="type")
]

LISTENER_EVENT: TypeAdapter[PlayEvent | RatingEvent | PairEvent | FourEvent] = TypeAdapter(ListenerEvent)
FEEDBACK_EVENT: TypeAdapter[PlayEvent | RatingEvent | PairEvent | FourEvent | TrackMadeEvent | TrackFailedEvent] = (
    TypeAdapter(FeedbackEvent)
)
