"""The tables that events are folded into. Merging is by the rules of `fold`, so it may be repeated in any order."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, cast

from psycopg import Connection
from psycopg.rows import DictRow

from services.aggregator.columns import columns
from services.aggregator.fold import Aggregates
from services.postgres import Queries, load_queries

_TRACK_FACTS: Final = (
    "arm",
    "propensity",
    "release_id",
    "model_version",
    "pair_id",
    "prompt",
    "seconds",
    "features_url",
    "sha256",
)


class Tables:
    """Those of the schema `feedback`, or of `archived`, which holds what the events of archived months fold to."""

    def __init__(self, schema: Literal["feedback", "archived"]) -> None:
        queries = load_queries(Path(__file__).with_suffix(".sql"))
        self._queries = cast(
            "Queries", {name: text.replace("feedback.", f"{schema}.") for name, text in queries.items()}
        )

    def merge(self, connection: Connection[DictRow], state: Aggregates) -> None:
        """Within the caller's transaction."""
        plays = [
            (*key, _multirange(play.heard), play.reached_ms, play.first_at, play.last_at)
            for key, play in state.plays.items()
        ]
        self._execute(connection, "merge_plays", plays, "listeners", "tracks", "heard", "reached", "first", "last")
        ratings = [(*key, row.stars, row.rated_at, row.event_id, row.received_at) for key, row in state.ratings.items()]
        self._execute(connection, "merge_ratings", ratings, "listeners", "tracks", "stars", "times", "ids", "received")
        votes = [
            (pair, vote.listener_id, vote.choice, vote.voted_at, vote.event_id) for pair, vote in state.votes.items()
        ]
        self._execute(connection, "merge_votes", votes, "pairs", "listeners", "choices", "times", "ids")
        picks = [
            (four, pick.listener_id, pick.choice, pick.picked_at, pick.event_id, pick.received_at)
            for four, pick in state.picks.items()
        ]
        self._execute(connection, "merge_picks", picks, "fours", "listeners", "choices", "times", "ids", "received")
        self._merge_tracks(connection, state)

    def _merge_tracks(self, connection: Connection[DictRow], state: Aggregates) -> None:
        rows = [
            (key, made.listener_id, *(getattr(made.track, name) for name in _TRACK_FACTS), made.made_at)
            for key, made in state.tracks.items()
        ]
        self._execute(connection, "merge_tracks", rows, "tracks", "listeners", *_TRACK_FACTS, "times")
        failed = [
            (key, row.listener_id, row.arm, row.release_id, row.code, row.failed_at)
            for key, row in state.failures.items()
        ]
        self._execute(connection, "merge_failures", failed, "tracks", "listeners", "arms", "releases", "codes", "times")

    def _execute(
        self, connection: Connection[DictRow], name: str, rows: Sequence[tuple[Any, ...]], *names: str
    ) -> None:
        if rows:
            connection.execute(self._queries[name], columns(rows, *names))


def _multirange(intervals: Sequence[tuple[int, int]]) -> str:
    return "{" + ",".join(f"[{start},{end})" for start, end in intervals) + "}"
