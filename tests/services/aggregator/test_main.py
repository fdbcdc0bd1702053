"""The loop, with the broker in memory and a real database: interruptions of every kind change nothing in the end."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from schemas.topics import FEEDBACK, PARTITIONS, PLAYS, RATINGS
from services.aggregator.batch import Batch
from services.aggregator.fold import Event
from services.aggregator.gaps import Gap
from services.aggregator.log_keys import LogKeys
from services.aggregator.main import GROUP, Aggregator
from services.aggregator.store import Store, Written
from services.errors import BackendAway
from services.postgres import Pool, open_pool
from services.seals import Keys
from services.streams import Consumer, Extent, Message, Outgoing, Start, TopicPartition
from services.streams_memory import MemoryBroker
from tests.contracts.streams import until
from tests.services.aggregator.rows import dead_letters, event_count, folded, gaps, offsets, stored
from tests.services.aggregator.samples import START, TRACKS, made, message_of, stream
from tests.threads import ended


@pytest.fixture
def pool(postgres_dsn: str) -> Iterator[Pool]:
    with open_pool(postgres_dsn, size=3) as pool:
        yield pool


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(dict.fromkeys(FEEDBACK, PARTITIONS))


@contextmanager
def running(consumer: Consumer, store: Store, batch_size: int = 50) -> Iterator[None]:
    stop = threading.Event()
    aggregator = Aggregator(consumer, store, batch_size, stop)
    thread = threading.Thread(target=aggregator.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        ended(thread)


def log(broker: MemoryBroker) -> list[Message]:
    return list(chain.from_iterable(broker.logs.values()))


def ends(broker: MemoryBroker) -> dict[TopicPartition, int]:
    return {place: len(messages) for place, messages in broker.logs.items() if messages}


def send(broker: MemoryBroker, events: Sequence[Event]) -> None:
    broker.producer().send_all([message_of(event) for event in events])


def drain(broker: MemoryBroker, dsn: str) -> None:
    until(lambda: offsets(dsn) == ends(broker))


def require_equal(broker: MemoryBroker, dsn: str) -> None:
    """The database says exactly what the log says."""
    aggregates, distinct = folded(log(broker))
    assert stored(dsn) == aggregates
    assert event_count(dsn) == distinct
    assert offsets(dsn) == ends(broker)


def test_events_poison_and_repeats_end_as_the_log_says(broker: MemoryBroker, pool: Pool, postgres_dsn: str) -> None:
    events = stream(300, seed=10)
    send(broker, events[:200])
    broker.producer().send_all(
        [Outgoing(PLAYS, b"k", b"not json"), Outgoing(RATINGS, b"k", message_of(events[0]).value)]
    )
    send(broker, events[100:])
    with running(broker.consumer(GROUP), Store(pool)):
        drain(broker, postgres_dsn)
    require_equal(broker, postgres_dsn)
    assert {value for _, value, _ in dead_letters(postgres_dsn).values()} == {b"not json", message_of(events[0]).value}


def test_a_value_that_cannot_be_stored_is_set_aside_alone(broker: MemoryBroker, pool: Pool, postgres_dsn: str) -> None:
    event = made(1, TRACKS[0], START)
    bad = event.model_copy(update={"data": event.data.model_copy(update={"prompt": "nul \x00"})})
    huge = event.model_copy(update={"id": UUID(int=event.id.int + 1)})
    huge = huge.model_copy(update={"data": event.data.model_copy(update={"seconds": 1e300})})
    good = stream(100, seed=11)
    send(broker, [*good[:50], bad, huge, *good[50:]])
    with running(broker.consumer(GROUP), Store(pool)):
        drain(broker, postgres_dsn)
    reasons = [reason for _, _, reason in dead_letters(postgres_dsn).values()]
    assert len(reasons) == 2
    assert all("cannot be stored" in reason for reason in reasons)
    assert event_count(postgres_dsn) == len(good)


class Absent(Store):
    """A database that is away for the first calls, and whose first commit's answer is lost."""

    def __init__(self, pool: Pool, absences: int) -> None:
        super().__init__(pool)
        self._left = absences
        self._lose_answer = True

    def resume(self, extents: Mapping[TopicPartition, Extent]) -> tuple[dict[TopicPartition, Start], list[Gap]]:
        self._maybe_away()
        return super().resume(extents)

    def write(self, batch: Batch, expected: Mapping[TopicPartition, int]) -> Written:
        self._maybe_away()
        written = super().write(batch, expected)
        if self._lose_answer:
            self._lose_answer = False
            raise BackendAway("postgres", "the answer to the commit was lost")
        return written

    def _maybe_away(self) -> None:
        if self._left:
            self._left -= 1
            raise BackendAway("postgres", "away")


def test_nothing_is_skipped_or_doubled_while_the_database_comes_and_goes(
    broker: MemoryBroker, pool: Pool, postgres_dsn: str
) -> None:
    send(broker, stream(200, seed=12))
    with running(broker.consumer(GROUP), Absent(pool, absences=3)):
        drain(broker, postgres_dsn)
    require_equal(broker, postgres_dsn)


def test_it_goes_on_when_the_broker_returns(broker: MemoryBroker, pool: Pool, postgres_dsn: str) -> None:
    send(broker, stream(50, seed=13))
    broker.away = True
    with running(broker.consumer(GROUP), Store(pool)):
        assert event_count(postgres_dsn) == 0
        broker.away = False
        send(broker, stream(50, seed=14))
        drain(broker, postgres_dsn)
    require_equal(broker, postgres_dsn)


def test_two_share_the_work_and_one_takes_over(broker: MemoryBroker, pool: Pool, postgres_dsn: str) -> None:
    with running(broker.consumer(GROUP), Store(pool)):
        send(broker, stream(200, seed=15))
        with running(broker.consumer(GROUP), Store(pool)):
            send(broker, stream(200, seed=16))
            until(lambda: sum(map(bool, list(broker.groups[GROUP].held.values()))) == 2)
            send(broker, stream(200, seed=17))
            drain(broker, postgres_dsn)
        send(broker, stream(200, seed=18))
        drain(broker, postgres_dsn)
    require_equal(broker, postgres_dsn)


class Asked(LogKeys):
    """Counts how often it was asked, which is once a batch."""

    times = 0

    def of(self, messages: Iterable[Message]) -> Keys:
        self.times += 1
        return super().of(messages)


class Sleeper(Store):
    """Falls asleep before its first write, until woken: the consumer becomes a zombie with a batch in hand, and the
    next one read."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self.keys = self.asked = Asked(pool)
        self.asleep, self.wake = threading.Event(), threading.Event()

    def write(self, batch: Batch, expected: Mapping[TopicPartition, int]) -> Written:
        if not self.asleep.is_set():
            self.asleep.set()
            self.wake.wait()
        return super().write(batch, expected)


def test_a_zombie_is_refused_and_joins_anew(broker: MemoryBroker, pool: Pool, postgres_dsn: str) -> None:
    before = REGISTRY.get_sample_value("encore_aggregator_ownership_lost_total") or 0
    send(broker, stream(300, seed=19))
    sleeper = Sleeper(pool)
    with running(broker.consumer(GROUP), sleeper):
        sleeper.asleep.wait()
        until(lambda: sleeper.asked.times == 2)
        broker.clock.advance(broker.session_timeout_s + 1)
        with running(broker.consumer(GROUP), Store(pool)):
            drain(broker, postgres_dsn)
            sleeper.wake.set()
            until(lambda: REGISTRY.get_sample_value("encore_aggregator_ownership_lost_total") == before + 1)
            send(broker, stream(100, seed=20))
            drain(broker, postgres_dsn)
    require_equal(broker, postgres_dsn)


def test_what_retention_took_before_it_was_read_is_written_down(
    broker: MemoryBroker, pool: Pool, postgres_dsn: str
) -> None:
    send(broker, stream(100, seed=30))
    with running(broker.consumer(GROUP), Store(pool)):
        drain(broker, postgres_dsn)
    before = ends(broker)
    send(broker, stream(100, seed=31))
    place = max(before, key=lambda place: ends(broker)[place] - before[place])
    broker.forget(place, before[place] + 2)
    missing = _sample("encore_aggregator_missing_offsets_total", topic=place.topic, reason="expired")
    known = missing()
    with running(broker.consumer(GROUP), Store(pool)):
        drain(broker, postgres_dsn)
    assert gaps(postgres_dsn) == {(*place, before[place], before[place] + 2, "expired")}
    assert missing() - known == 2


@pytest.mark.parametrize("live", [False, True])
def test_a_topic_that_was_made_again_is_read_from_its_start(
    broker: MemoryBroker, pool: Pool, postgres_dsn: str, live: bool
) -> None:
    """Also when it has grown past what was stored, so that no offset looks wrong."""
    send(broker, stream(50, seed=32))
    with running(broker.consumer(GROUP), Store(pool)):
        drain(broker, postgres_dsn)
        first = ends(broker)
        if live:
            _make_again(broker)
            until(lambda: bool(gaps(postgres_dsn)))
    if not live:
        _make_again(broker)
    with running(broker.consumer(GROUP), Store(pool)):
        until(lambda: event_count(postgres_dsn) == 250)
        drain(broker, postgres_dsn)
    again = {gap for gap in gaps(postgres_dsn) if gap[2]}
    assert again == {(*place, first[place], None, "recreated") for place in first}


def _make_again(broker: MemoryBroker) -> None:
    with broker.changed:
        for topic in FEEDBACK:
            broker.recreate(topic)
        send(broker, stream(200, seed=33))


def test_it_stops_in_the_middle_of_an_absence(broker: MemoryBroker, pool: Pool, postgres_dsn: str) -> None:
    send(broker, stream(10, seed=21))
    with running(broker.consumer(GROUP), Absent(pool, absences=10_000)):
        pass
    assert event_count(postgres_dsn) == 0


def _sample(name: str, **labels: str) -> Callable[[], float]:
    return lambda: REGISTRY.get_sample_value(name, labels) or 0.0


def test_the_metrics_count_what_happened(broker: MemoryBroker, pool: Pool, postgres_dsn: str) -> None:
    events = stream(60, seed=22)
    duplicates = _sample("encore_aggregator_duplicates_total")
    ratings = _sample("encore_aggregator_events_total", type="encore.rating.given")
    dead = _sample("encore_aggregator_dead_letters_total", topic=PLAYS)
    before = duplicates(), ratings(), dead()
    send(broker, [*events, *events[:5]])
    broker.producer().send_all([Outgoing(PLAYS, b"k", b"?")])
    with running(broker.consumer(GROUP), Store(pool)):
        drain(broker, postgres_dsn)
        until(lambda: duplicates() == before[0] + 5 and dead() == before[2] + 1)
    assert ratings() - before[1] == sum(event.type == "encore.rating.given" for event in events)
