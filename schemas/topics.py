"""Topic names: the only place one is spelled. Every record's key is the listener id, so one listener's events keep
their order within a partition."""

from typing import Final

PLAYS: Final = "encore.plays.v1"
RATINGS: Final = "encore.ratings.v1"
PAIRS: Final = "encore.pairs.v1"
TRACKS: Final = "encore.tracks.v1"
RELEASES: Final = "encore.releases.v1"

FEEDBACK: Final = (PLAYS, RATINGS, PAIRS, TRACKS)
ALL: Final = (*FEEDBACK, RELEASES)

PARTITIONS: Final = 6


def topic_of(event_type: str) -> str:
    """The topic of a CloudEvents type such as `encore.play.started`.

    Raises:
        KeyError: the type belongs to no family.
    """
    families = {"play": PLAYS, "rating": RATINGS, "pair": PAIRS, "track": TRACKS, "release": RELEASES}
    return families[event_type.split(".")[1]]
