"""Release events. The id follows from the release or the decision, so an event that is sent twice is still one."""

from typing import Final, Literal

from schemas.api import Verdict
from schemas.events import Release, ReleaseEvent
from schemas.topics import RELEASES
from services.rollout.store import Outcome, Running
from services.rollout.watches import Reverting
from services.streams import Outgoing

SOURCE: Final = "encore/rollout"

EventType = Literal["encore.release.promoted", "encore.release.held", "encore.release.rolled_back"]
TYPES: Final[dict[Verdict, EventType]] = {
    "promote": "encore.release.promoted",
    "hold": "encore.release.held",
    "roll_back": "encore.release.rolled_back",
}


def started(running: Running) -> Outgoing:
    """The canary has begun."""
    release = Release(
        release_id=running.release_id, round_id=running.round_id, listeners=running.listeners, reason="canary started"
    )
    return _outgoing(
        ReleaseEvent(
            id=running.release_id,
            source=SOURCE,
            subject=running.release_id,
            time=running.started_at,
            type="encore.release.started",
            data=release,
        )
    )


def decided(running: Running, outcome: Outcome) -> Outgoing:
    """The canary has ended."""
    release = Release(
        release_id=running.release_id, round_id=running.round_id, listeners=running.listeners, reason=outcome.reason
    )
    return _outgoing(
        ReleaseEvent(
            id=outcome.decision_id,
            source=SOURCE,
            subject=running.release_id,
            time=outcome.decided_at,
            type=TYPES[outcome.verdict],
            data=release,
        )
    )


def reverted(reverting: Reverting) -> Outgoing:
    """A promoted release went back."""
    release = Release(
        release_id=reverting.release_id,
        round_id=reverting.round_id,
        listeners=reverting.listeners,
        reason=reverting.reason,
    )
    return _outgoing(
        ReleaseEvent(
            id=reverting.decision_id,
            source=SOURCE,
            subject=reverting.release_id,
            time=reverting.decided_at,
            type="encore.release.reverted",
            data=release,
        )
    )


def _outgoing(event: ReleaseEvent) -> Outgoing:
    return Outgoing(RELEASES, str(event.subject).encode(), event.model_dump_json().encode())
