"""Reads back what the aggregator wrote, in the shape of the pure fold, so that the two can be compared."""

from collections import defaultdict
from collections.abc import Iterable

import psycopg
from psycopg.rows import dict_row

from schemas.events import TrackMade
from services.aggregator.batch import sort_out
from services.aggregator.copies import Copy, Identity, best, copies
from services.aggregator.fold import Aggregates, Failure, ListenerTrack, Made, Pick, Play, Stars, Vote, fold
from services.aggregator.store import Store
from services.streams import Extent, Message, TopicPartition


def stored(dsn: str) -> Aggregates:
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        state = Aggregates()
        for row in connection.execute("select * from feedback.plays"):
            heard = tuple((part.lower, part.upper) for part in row["heard"])
            key = ListenerTrack(row["listener_id"], row["track_id"])
            state.plays[key] = Play(heard, row["reached_ms"], row["first_at"], row["last_at"])
        for row in connection.execute("select * from feedback.ratings"):
            key = ListenerTrack(row["listener_id"], row["track_id"])
            state.ratings[key] = Stars(row["rated_at"], row["event_id"], row["stars"], row["received_at"])
        for row in connection.execute("select * from feedback.pair_votes"):
            state.votes[row["pair_id"]] = Vote(row["voted_at"], row["event_id"], row["listener_id"], row["choice"])
        for row in connection.execute("select * from feedback.picks"):
            said = (row["picked_at"], row["event_id"], row["listener_id"], row["choice"], row["received_at"])
            state.picks[row["four_id"]] = Pick(*said)
        for row in connection.execute("select * from feedback.tracks"):
            facts = {name: row[name] for name in TrackMade.model_fields if name != "four_id"}
            state.tracks[row["track_id"]] = Made(row["made_at"], row["listener_id"], TrackMade.model_validate(facts))
        for row in connection.execute("select * from feedback.track_failures"):
            failure = Failure(row["failed_at"], row["code"], row["listener_id"], row["arm"], row["release_id"])
            state.failures[row["track_id"]] = failure
    return state


def offsets(dsn: str) -> dict[TopicPartition, int]:
    """The stored offsets of partitions that were read from."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("select topic, partition, next_offset from feedback.offsets where next_offset > 0")
        return {TopicPartition(topic, partition): offset for topic, partition, offset in rows}


def resumed(store: Store, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """Where the store goes on in logs that hold everything."""
    starts, gaps = store.resume({place: Extent("", 0, 1_000_000) for place in places})
    assert gaps == []
    return {place: start.offset for place, start in starts.items()}


def gaps(dsn: str) -> set[tuple[str, int, int, int | None, str]]:
    """Topic, partition, first, next and reason of what was never folded."""
    with psycopg.connect(dsn) as connection:
        return set(connection.execute("select topic, partition, first_offset, next_offset, reason from feedback.gaps"))


def dead_letters(dsn: str) -> dict[tuple[str, int, int], tuple[bytes | None, bytes | None, str]]:
    """Key, value and reason by place."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute('select topic, partition, "offset", key, value, reason from feedback.dead_letters')
        return {row[:3]: row[3:] for row in rows}


def counted(dsn: str) -> tuple[int, int]:
    """Events and dead letters as `feedback.counts` has them; they must be as many as there are rows."""
    with psycopg.connect(dsn) as connection:
        [kept] = connection.execute("select sum(folded), sum(dead_lettered) from feedback.counts").fetchall()
        [rows] = connection.execute(
            "select (select count(*) from feedback.events), (select count(*) from feedback.dead_letters)"
        ).fetchall()
    assert (kept[0] or 0, kept[1] or 0) == rows
    return rows


def event_count(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("select count(*) from feedback.events").fetchone()
        assert row is not None
        return int(row[0])


def conflicts(dsn: str) -> set[tuple[str, bytes, str]]:
    """Identity, content and kind of every recorded contradiction."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("select source || '#' || id, sha256, kind from feedback.conflicts")
        return {(row[0], row[1], row[2]) for row in rows}


def folded(messages: Iterable[Message]) -> tuple[Aggregates, int]:
    """What the log says, in pure Python: the aggregates, and how many distinct events there are."""
    groups: dict[Identity, list[Copy]] = defaultdict(list)
    for copy in copies(sort_out(messages).arrivals):
        groups[copy.identity].append(copy)
    return fold(best(group).event for group in groups.values()), len(groups)
