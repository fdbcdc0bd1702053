"""A round's facts as `preference` reads them: what one listener is believed to think of the tracks they rated."""

from collections.abc import Sequence

from training.preference import Belief, Hearing, Signals, estimate
from training.snapshot import RatedTrack

# Where a snapshot does not say how long a track was.
USUAL_S = 10.0


def belief(tracks: Sequence[RatedTrack], signals: Signals) -> Belief:
    """Satisfaction with each track that was heard, in their order."""
    return estimate([_hearing(track) for track in tracks], signals=signals)


def _hearing(track: RatedTrack) -> Hearing:
    length = track.seconds or USUAL_S
    # No play event came of a track that was rated all the same: taken as heard.
    heard = length if track.heard is None else track.heard * length
    return Hearing(track.track_id, heard, length, (track.stars,))
