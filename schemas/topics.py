"""Topic names: the only place one is spelled. The key of a record about a listener is the name of their log
(`services.seals`), so one listener's events keep their order within a partition.

What listeners say and what Encore says of itself lie in different topics: only the gateway and the rollout write to
the second kind, so a client's event cannot pass for a fact of ours.
"""

from typing import Final

PLAYS: Final = "encore.plays.v1"
RATINGS: Final = "encore.ratings.v1"
PAIRS: Final = "encore.pairs.v1"
FOURS: Final = "encore.fours.v1"
TRACKS: Final = "encore.tracks.v1"
RELEASES: Final = "encore.releases.v1"

LISTENERS: Final = (PLAYS, RATINGS, PAIRS, FOURS)
SERVERS: Final = (TRACKS, RELEASES)
FEEDBACK: Final = (*LISTENERS, TRACKS)
ALL: Final = (*LISTENERS, *SERVERS)

HEARTBEATS: Final = "encore.heartbeats.v1"
"""Holds no events: a writer that is asked whether it is well writes an empty record here and sees it confirmed."""

PARTITIONS: Final = 6

FOR_EVER: Final = -1
RETENTION_MS: Final = {**dict.fromkeys(ALL, FOR_EVER), HEARTBEATS: 3_600_000}
"""Every topic to be made, with how long it keeps its records. Tables are made from the log, so it forgets nothing."""


def minimum_in_sync(replicas: int) -> int:
    """How many replicas must have a record before it is acknowledged: one may be away, unless there is only one."""
    return max(1, replicas - 1)


def topic_of(event_type: str) -> str:
    """The topic of a CloudEvents type such as `encore.play.started`.

    Raises:
        KeyError: the type belongs to no family.
    """
    families = {
        "play": PLAYS, "rating": RATINGS, "pair": PAIRS, "four": FOURS, "track": TRACKS, "release": RELEASES,
    }  # fmt: skip
    return families[event_type.split(".")[1]]
