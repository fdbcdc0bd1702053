"""One transaction a batch on a real server: the rows equal the pure fold whatever happens on the way."""

import json
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import psycopg
import pytest
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

from schemas.topics import PARTITIONS
from services.aggregator.batch import Batch, sort_out
from services.aggregator.fold import Event, fold
from services.aggregator.gaps import Gap
from services.aggregator.store import OwnershipLost, Store, Unstorable
from services.errors import BackendAway
from services.postgres import Pool, open_pool
from services.streams import Extent, Message, Start, TopicPartition
from tests.services.aggregator.rows import counted, dead_letters, event_count, gaps, offsets, resumed, stored
from tests.services.aggregator.samples import START, TRACKS, made, message_of, stream


@pytest.fixture
def pool(postgres_dsn: str) -> Iterator[Pool]:
    with open_pool(postgres_dsn) as pool:
        yield pool


class Log:
    """Numbers the messages of a test as a broker would."""

    def __init__(self) -> None:
        self.next: dict[TopicPartition, int] = {}

    def messages(self, events: Sequence[Event]) -> list[Message]:
        found = []
        for event in events:
            topic, key, value, _ = message_of(event)
            place = TopicPartition(topic, event.subject.int % PARTITIONS)
            found.append(Message(*place, self.next.get(place, 0), key, value, 0))
            self.next[place] = found[-1].next_offset
        return found


def write_all(store: Store, batches: Sequence[Batch]) -> None:
    expected: dict[TopicPartition, int] = {}
    for batch in batches:
        expected |= resumed(store, [place for place in batch.reached if place not in expected])
        store.write(batch, expected)
        expected |= batch.reached


def test_any_batching_of_shuffled_and_repeated_events_equals_the_fold(pool: Pool, postgres_dsn: str) -> None:
    draw = random.Random(5)
    events = stream(600, seed=1)
    sent = events + draw.choices(events, k=300)
    draw.shuffle(sent)
    log, batches = Log(), []
    while sent:
        size = draw.randint(1, 120)
        batches.append(sort_out(log.messages(sent[:size])))
        sent = sent[size:]
    write_all(Store(pool), batches)
    assert stored(postgres_dsn) == fold(events)
    assert counted(postgres_dsn) == (len(events), 0)
    assert offsets(postgres_dsn) == log.next


def test_what_was_written_is_told_apart_from_what_was_known(pool: Pool) -> None:
    store, log = Store(pool), Log()
    events = stream(10, seed=2)
    first = sort_out(log.messages(events))
    write_all(store, [first])
    again = sort_out(log.messages([*events, *events, *stream(3, seed=3)]))
    written = store.write(again, resumed(store, again.reached))
    assert (len(written.kept), written.duplicates) == (3, 20)


def test_a_dead_letter_keeps_its_bytes_and_reason_and_the_offset_moves_on(pool: Pool, postgres_dsn: str) -> None:
    [good] = Log().messages([made(1, TRACKS[0], START)])
    bad = good._replace(offset=1, key=b"\x00\xff", value=b"\x00{")
    write_all(Store(pool), [sort_out([good, bad])])
    [(place, (key, value, reason))] = dead_letters(postgres_dsn).items()
    assert (place, key, value) == ((*good.place, 1), b"\x00\xff", b"\x00{")
    assert "JSON" in reason
    assert offsets(postgres_dsn) == {good.place: 2}
    assert event_count(postgres_dsn) == 1


def test_an_event_is_stored_with_the_fields_of_later_writers(pool: Pool, postgres_dsn: str) -> None:
    [sent] = Log().messages([made(1, TRACKS[0], START)])
    body = json.loads(sent.value or b"")
    body["data"]["mood"] = "merry"
    write_all(Store(pool), [sort_out([sent._replace(value=json.dumps(body).encode())])])
    with psycopg.connect(postgres_dsn) as connection:
        assert connection.execute("select data from feedback.events").fetchall() == [(body["data"],)]


def test_a_zombie_writes_nothing(pool: Pool, postgres_dsn: str) -> None:
    store, log = Store(pool), Log()
    zombie_batch = sort_out(log.messages(stream(20, seed=4)))
    believed = resumed(store, zombie_batch.reached)
    place = next(iter(zombie_batch.reached))
    owner_batch = sort_out([message for message, *_ in zombie_batch.arrivals if message.place == place][:1])
    store.write(owner_batch, believed)
    before = stored(postgres_dsn), offsets(postgres_dsn)
    with pytest.raises(OwnershipLost):
        store.write(zombie_batch, believed)
    assert (stored(postgres_dsn), offsets(postgres_dsn)) == before


def test_a_value_that_postgres_refuses_is_named_and_leaves_nothing(pool: Pool, postgres_dsn: str) -> None:
    event = made(1, TRACKS[0], START)
    bad = event.model_copy(update={"data": event.data.model_copy(update={"prompt": "nul \x00"})})
    batch = sort_out(Log().messages([bad, *stream(5, seed=6)]))
    store = Store(pool)
    with pytest.raises(Unstorable):
        store.write(batch, resumed(store, batch.reached))
    assert event_count(postgres_dsn) == 0
    assert offsets(postgres_dsn) == {}


def test_the_server_away_is_said_so() -> None:
    with open_pool("postgresql://nobody@127.0.0.1:1/none") as away, pytest.raises(BackendAway):
        resumed(Store(away), [TopicPartition("t", 0)])


class Fragile(psycopg.Connection[DictRow]):
    """A connection that the server ends before a chosen step of a transaction, or after its commit."""

    server = ""
    steps_left = 0
    fails_after_commit = False

    def execute(self, *args: Any, **options: Any) -> psycopg.Cursor[DictRow]:
        self._step()
        return super().execute(*args, **options)

    @contextmanager
    def transaction(self, *args: Any, **options: Any) -> Iterator[psycopg.Transaction]:
        with super().transaction(*args, **options) as transaction:
            yield transaction
            self._step()
        if Fragile.fails_after_commit:
            Fragile.fails_after_commit = False
            raise psycopg.OperationalError("the answer to the commit was lost")

    def _step(self) -> None:
        Fragile.steps_left -= 1
        if Fragile.steps_left == 0:
            with psycopg.connect(Fragile.server) as other:
                other.execute("select pg_terminate_backend(%s, 60000)", (self.info.backend_pid,))


@pytest.fixture
def fragile(postgres_dsn: str) -> Iterator[Store]:
    Fragile.server = postgres_dsn
    options = {"row_factory": dict_row}
    with ConnectionPool(postgres_dsn, connection_class=Fragile, kwargs=options, min_size=1, max_size=1) as pool:
        yield Store(cast("Pool", pool))


def test_the_connection_may_break_before_any_statement(fragile: Store, postgres_dsn: str) -> None:
    """Step after step is hit until one try gets through; nothing is ever half there."""
    good = Log().messages(stream(80, seed=7))
    bad = good[-1]._replace(offset=good[-1].next_offset, value=b"?")
    batch = sort_out([*good, bad])
    expected = resumed(fragile, batch.reached)
    for step in range(1, 100):
        Fragile.steps_left = step
        try:
            fragile.write(batch, expected)
        except BackendAway:
            assert event_count(postgres_dsn) == 0
            assert offsets(postgres_dsn) == {}
            assert dead_letters(postgres_dsn) == {}
            assert counted(postgres_dsn) == (0, 0)
        else:
            break
    Fragile.steps_left = 0
    assert step > 8, "the steps were not hit one by one"
    assert stored(postgres_dsn) == fold(arrival.event for arrival in batch.arrivals)
    assert offsets(postgres_dsn) == batch.reached
    assert counted(postgres_dsn) == (len(good), 1)


def test_a_lost_answer_to_a_commit_is_found_out_at_the_next_try(fragile: Store, postgres_dsn: str) -> None:
    batch = sort_out(Log().messages(stream(30, seed=8)))
    expected = resumed(fragile, batch.reached)
    Fragile.fails_after_commit = True
    with pytest.raises(BackendAway):
        fragile.write(batch, expected)
    with pytest.raises(OwnershipLost):
        fragile.write(batch, expected)
    assert resumed(fragile, batch.reached) == batch.reached
    assert stored(postgres_dsn) == fold(arrival.event for arrival in batch.arrivals)


def test_a_batch_must_begin_where_the_stored_offset_is(pool: Pool, postgres_dsn: str) -> None:
    store = Store(pool)
    messages = [message._replace(offset=at) for at, message in zip((5, 6, 9), _of_one_place(), strict=True)]
    place = messages[0].place
    written = store.write(sort_out(messages), resumed(store, [place]))
    assert written.gaps == [Gap(place, 0, 5, "skipped"), Gap(place, 7, 9, "skipped")]
    assert gaps(postgres_dsn) == {(*place, 0, 5, "skipped"), (*place, 7, 9, "skipped")}
    with pytest.raises(OwnershipLost):
        store.write(sort_out(messages), {place: 10})
    assert offsets(postgres_dsn) == {place: 10}


def test_the_epoch_and_the_topic_stand_beside_the_offset(pool: Pool) -> None:
    store = Store(pool)
    messages = [message._replace(offset=at, epoch=7) for at, message in enumerate(_of_one_place())]
    place = messages[0].place
    store.resume({place: Extent("first", 0, 3)})
    store.write(sort_out(messages), {place: 0})
    assert store.resume({place: Extent("first", 0, 3)}) == ({place: Start(3, 7)}, [])
    assert store.resume({place: Extent("second", 0, 9)}) == ({place: Start(0)}, [Gap(place, 3, None, "recreated")])


def _of_one_place() -> list[Message]:
    """Three messages of one partition."""
    found = Log().messages([made(1, track, START) for track in TRACKS[:3]])
    return [message._replace(partition=0) for message in found]
