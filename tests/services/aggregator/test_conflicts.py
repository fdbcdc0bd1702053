"""Whatever was said under one identity, in whatever order and however often: the tables say the same."""

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schemas.events import Heard
from services.aggregator import store
from services.aggregator.batch import sort_out
from services.aggregator.copies import Copy, best, copies
from services.aggregator.fold import Event
from services.aggregator.store import Store, Written
from services.postgres import Pool, load_queries, open_pool
from services.streams import Message, TopicPartition
from tests.services.aggregator.rows import conflicts, counted, folded, resumed, stored
from tests.services.aggregator.samples import (
    LISTENERS,
    PAIRS,
    START,
    TRACKS,
    event_lists,
    made,
    message_of,
    play,
    rating,
    uuid7,
    vote,
)

SECOND = timedelta(seconds=1)
TRACK = TRACKS[0]


@pytest.fixture
def pool(postgres_dsn: str) -> Iterator[Pool]:
    with open_pool(postgres_dsn) as pool:
        yield pool


@pytest.fixture
def empty(pool: Pool) -> Store:
    return Store(pool)


def clear(pool: Pool) -> None:
    with pool.connection() as connection:
        for table in connection.execute(
            "select format('delete from feedback.%I', relname) as emptied from pg_stat_user_tables"
            " where schemaname = 'feedback'"
        ).fetchall():
            connection.execute(table["emptied"])


def write(store: Store, events: Sequence[Event], places: dict[TopicPartition, int]) -> Written:
    """One batch, behind what was written before."""
    messages = []
    for event in events:
        topic, key, value, _ = message_of(event)
        place = TopicPartition(topic, 0)
        messages.append(Message(*place, places.get(place, 0), key, value, 0))
        places[place] = messages[-1].next_offset
    batch = sort_out(messages)
    assert not batch.dead
    return store.write(batch, resumed(store, batch.reached))


def renamed(event: Event, **changed: Any) -> Event:
    return event.model_copy(update=changed)


@st.composite
def contradictory(draw: st.DrawFn) -> list[Event]:
    """Events of which many share an identity: the same again at another time, or something else."""
    events = draw(event_lists(max_size=8))
    said = []
    for event in events:
        step = draw(st.integers(0, 2))
        stamps = {"receivedat": START + draw(st.integers(0, 3)) * SECOND, "correctedtime": START + step * SECOND}
        identity = uuid7(draw(st.integers(0, 2)))
        source = "encore/gateway" if event.type.startswith("encore.track.") else draw(st.sampled_from(["a", "b"]))
        said.append(renamed(event, id=identity, source=source, **stamps))
    return said


@given(contradictory(), st.randoms(use_true_random=False))
@settings(
    max_examples=25,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_order_any_repetition_any_batching(pool: Pool, postgres_dsn: str, said: list[Event], draw: Random) -> None:
    seen = []
    for _ in range(2):
        clear(pool)
        sent = said + (draw.choices(said, k=4) if said else [])
        draw.shuffle(sent)
        places: dict[TopicPartition, int] = {}
        store = Store(pool)
        while sent:
            size = draw.randint(1, 4)
            write(store, sent[:size], places)
            sent = sent[size:]
        seen.append((stored(postgres_dsn), conflicts(postgres_dsn), counted(postgres_dsn)))
    assert seen[0] == seen[1]
    messages = [Message(topic, 0, 0, key, value, 0) for topic, key, value, _ in map(message_of, said)]
    assert (seen[0][0], seen[0][2][0]) == folded(messages)


def test_other_content_under_one_identity_is_recorded_and_the_same_one_counts(
    pool: Pool, empty: Store, postgres_dsn: str
) -> None:
    one = rating(1, TRACK, START, 5)
    other = renamed(one, data=one.data.model_copy(update={"stars": 1}))
    counts = best(copies_of(one, other)).event
    for order in ([one, other], [other, one]):
        clear(pool)
        places: dict[TopicPartition, int] = {}
        for said in ([order[0]], [order[1]], order):
            write(empty, said, places)
        [row] = stored(postgres_dsn).ratings.values()
        assert row.stars == (5 if counts is one else 1)
        assert len(conflicts(postgres_dsn)) == 2


def test_a_play_that_loses_its_identity_to_a_rating_leaves_no_trace(empty: Store, postgres_dsn: str) -> None:
    heard = play(1, TRACK, START, 3000, (0, 3000))
    rated = rating(1, TRACK, START, 3)
    places: dict[TopicPartition, int] = {}
    write(empty, [heard], places)
    write(empty, [rated], places)
    state, winner = stored(postgres_dsn), best(copies_of(heard, rated)).event
    assert (len(state.plays), len(state.ratings)) == ((1, 0) if winner is heard else (0, 1))
    # Nothing is lost without a trace.
    with psycopg.connect(postgres_dsn) as connection:
        kept = connection.execute("select data from feedback.conflicts order by type").fetchall()
    assert [row[0] for row in kept] == [json.loads(each.data.model_dump_json()) for each in (heard, rated)]


def test_two_listeners_with_one_id_both_count_and_are_recorded(empty: Store, postgres_dsn: str) -> None:
    mine = rating(1, TRACK, START, 5)
    yours = rating(1, TRACKS[1], START, 1)
    assert mine.subject != yours.subject
    places: dict[TopicPartition, int] = {}
    assert not write(empty, [mine], places).conflicts
    assert write(empty, [yours], places).conflicts == {"listener": 2}
    assert len(stored(postgres_dsn).ratings) == 2
    assert {kind for _, _, kind in conflicts(postgres_dsn)} == {"listener"}


def test_nobody_hides_a_fact_of_the_gateway(empty: Store, postgres_dsn: str) -> None:
    """The same source and id as the real event, sent by a client that went around the gateway."""
    fact = renamed(made(1, TRACK, START), source="encore/gateway")
    forged = renamed(rating(1, TRACK, START, 1), source="encore/gateway")
    places: dict[TopicPartition, int] = {}
    write(empty, [forged], places)
    write(empty, [fact], places)
    state = stored(postgres_dsn)
    assert list(state.tracks) == [TRACK]
    assert len(state.ratings) == 1


def test_a_repeat_with_new_stamps_is_no_conflict_and_the_first_arrival_stays(empty: Store, postgres_dsn: str) -> None:
    first = renamed(rating(1, TRACK, START, 5), receivedat=START + SECOND, correctedtime=START)
    again = renamed(first, receivedat=START + 9 * SECOND, correctedtime=START + 2 * SECOND)
    places: dict[TopicPartition, int] = {}
    for said in ([again], [first], [again]):
        assert not write(empty, said, places).conflicts
    [row] = stored(postgres_dsn).ratings.values()
    assert (row.rated_at, row.received_at) == (START, START + SECOND)


def test_what_is_folded_anew_keeps_the_rest(empty: Store, postgres_dsn: str) -> None:
    """Another stretch, and another listener's vote, stay when one copy gives way."""
    stretch = play(1, TRACK, START, 3000, (0, 3000))
    data = stretch.data.model_copy(update={"heard": Heard(from_ms=500, to_ms=900)})
    events: list[Event] = [
        stretch, renamed(stretch, data=data), play(2, TRACK, START, 9000, (8000, 9000)),
        vote(3, PAIRS[0], START, "tie"), vote(3, PAIRS[0], START, "first"),
        renamed(vote(4, PAIRS[0], START - SECOND, "second"), subject=LISTENERS[7]),
    ]  # fmt: skip
    places: dict[TopicPartition, int] = {}
    for event in events:
        write(empty, [event], places)
    messages = [Message(topic, 0, 0, key, value, 0) for topic, key, value, _ in map(message_of, events)]
    assert stored(postgres_dsn) == folded(messages)[0]


def copies_of(*events: Event) -> list[Copy]:
    messages = [Message(topic, 0, 0, key, value, 0) for topic, key, value, _ in map(message_of, events)]
    return copies(sort_out(messages).arrivals)


def test_a_row_from_before_contents_were_compared_is_judged_by_its_data(empty: Store, pool: Pool) -> None:
    one = rating(1, TRACK, START, 5)
    places: dict[TopicPartition, int] = {}
    write(empty, [one], places)
    with pool.connection() as connection:
        connection.execute("update feedback.events set sha256 = null")
    assert not write(empty, [one], places).conflicts
    other = renamed(one, data=one.data.model_copy(update={"stars": 1}))
    assert write(empty, [other], places).conflicts == {"content": 2}


def test_each_id_is_looked_up_by_itself_whatever_the_planner_holds_of_it(pool: Pool) -> None:
    """Or, once it thinks otherwise, each event of a batch is held against all events there are."""
    queries = load_queries(Path(store.__file__).with_name("queries.sql"))
    with pool.connection() as connection:
        connection.execute("set local enable_nestloop = off")
        connection.execute(queries["make_incoming"])
        rows = connection.execute("explain " + queries["same_id_elsewhere"]).fetchall()
    plan = [str(line) for row in rows for line in row.values()]
    reads = [at for at, line in enumerate(plan) if "Scan" in line and " on events" in line]
    assert reads
    assert all("Index Cond: ((id = i.id)" in plan[at + 1] for at in reads)
