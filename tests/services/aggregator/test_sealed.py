"""Sealed records are folded as others are; without their key they are counted, and nothing else stops for them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from uuid import UUID, uuid4

import psycopg
import pytest

from schemas.topics import FEEDBACK, PARTITIONS, RATINGS
from services.aggregator.audit import audit
from services.aggregator.fold import fold
from services.aggregator.letters import Letters, Place
from services.aggregator.log_keys import LogKeys
from services.aggregator.main import GROUP
from services.aggregator.replay import again, anew, compared, digests, moment
from services.aggregator.store import Store
from services.audit import Actor
from services.postgres import Pool, open_pool
from services.seals import LogKey
from services.streams import Message, Outgoing
from services.streams_memory import Clock, MemoryBroker
from tests.services.aggregator.rows import dead_letters, offsets, stored
from tests.services.aggregator.samples import LISTENERS, START, TRACKS, message_of, owner, rating, stream
from tests.services.aggregator.test_archive import empty
from tests.services.aggregator.test_main import drain, ends, running
from tests.services.logs import in_the_clear, known, sealed

__all__ = ["empty"]  # a fixture

HOUR = datetime(2026, 3, 1, 10, tzinfo=UTC)
GONE = owner(TRACKS[1])
Keys = dict[UUID, LogKey]


@pytest.fixture
def pool(postgres_dsn: str) -> Iterator[Pool]:
    with open_pool(postgres_dsn, size=3) as pool:
        yield pool


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(dict.fromkeys(FEEDBACK, PARTITIONS), Clock(HOUR.timestamp() + 60))


@pytest.fixture
def keys(postgres_dsn: str) -> Keys:
    return known(postgres_dsn, LISTENERS)


def forget(dsn: str, listener_id: UUID) -> None:
    """As the gateway begins an erasure."""
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "insert into gateway.erasures (erasure_id, tombstone, listener, service, asked_by, settles_at)"
            " values (%(id)s, gateway.tombstone(%(id)s), %(id)s, 'a-product', 'operator', now())",
            {"id": listener_id},
        )
        connection.execute("delete from gateway.log_keys where listener_id = %s", (listener_id,))


def folded_all(broker: MemoryBroker, pool: Pool, dsn: str) -> None:
    with running(broker.consumer(GROUP), Store(pool)):
        drain(broker, dsn)


def log_of(broker: MemoryBroker) -> list[Message]:
    return list(chain.from_iterable(broker.logs.values()))


def test_the_sealed_are_folded_beside_those_of_before(
    broker: MemoryBroker, pool: Pool, keys: Keys, postgres_dsn: str
) -> None:
    events = stream(200, seed=90)
    broker.producer().send_all([message_of(event) for event in events[:100]])
    broker.producer().send_all(sealed([message_of(event) for event in events[50:]], keys))
    folded_all(broker, pool, postgres_dsn)
    assert stored(postgres_dsn) == fold(events)
    assert dead_letters(postgres_dsn) == {}


def test_who_lost_the_key_is_counted_as_erased_and_all_adds_up(
    broker: MemoryBroker, pool: Pool, empty: Pool, keys: Keys, postgres_dsn: str
) -> None:
    events = stream(200, seed=91)
    broker.producer().send_all(sealed([message_of(event) for event in events], keys))
    forget(postgres_dsn, GONE)
    folded_all(broker, pool, postgres_dsn)
    others = [event for event in events if event.subject != GONE]
    assert stored(postgres_dsn) == fold(others)
    found = audit(pool, lambda: broker.consumer("audit"), HOUR, HOUR + timedelta(hours=1))
    assert found.faults == []
    sums = [sum(getattr(line, name) for line in found.lines) for name in ("in_kafka", "folded", "erased", "lost")]
    assert sums == [200, len(others), 200 - len(others), 0]
    assert {line.type for line in found.lines if line.erased} == {
        event.type for event in events if event.subject == GONE
    }

    then = moment(pool)
    once_more = again(pool, lambda: broker.consumer(uuid4().hex), then)
    assert (once_more.new, once_more.erased) == (0, 200 - len(others))
    outcome = anew(empty, LogKeys(pool), None, lambda: broker.consumer(uuid4().hex), then)
    assert (outcome.read, outcome.erased, outcome.dead) == (200, 200 - len(others), 0)
    text, same = compared(then.digests, digests(empty, then.parts))
    assert same, text


def test_what_does_not_authenticate_or_has_no_known_key_is_set_aside_and_reading_goes_on(
    broker: MemoryBroker, pool: Pool, keys: Keys, postgres_dsn: str
) -> None:
    one, two, three = sealed([message_of(rating(number, TRACKS[1], START, 4)) for number in (1, 2, 3)], keys)
    with psycopg.connect(postgres_dsn) as connection:  # as in a backup from before the key was made
        connection.execute("alter table gateway.log_keys disable trigger thrown")
        connection.execute("delete from gateway.log_keys where listener_id = %s", (GONE,))
        connection.execute("alter table gateway.log_keys enable trigger thrown")
    good = sealed([message_of(rating(4, TRACKS[2], START, 5))], keys)
    broker.producer().send_all([one._replace(value=one.value[:-1] + b"?"), two, three, *good])
    folded_all(broker, pool, postgres_dsn)
    assert [row.stars for row in stored(postgres_dsn).ratings.values()] == [5]
    letters = {key: reason for (_, _, key), (_, _, reason) in dead_letters(postgres_dsn).items()}
    assert all("no key of the log" in reason for reason in letters.values())
    assert len(letters) == 3

    driven = Letters(pool, Actor("operator", "tests"))
    places = sorted(Place(*place) for place in dead_letters(postgres_dsn))
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("insert into gateway.log_keys values (%s, %s, %s)", keys[GONE])
    assert "does not authenticate" in driven.redrive(places[0])
    assert driven.redrive(places[1]) == "folded"
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("delete from gateway.log_keys where listener_id = %s", (GONE,))
    letters_again = Letters(pool, Actor("operator", "tests"))  # remembers no key
    assert [letters_again.redrive(places[2]), letters_again.redrive(places[2])] == ["erased", "erased already"]
    found = audit(pool, lambda: broker.consumer("audit"), HOUR, HOUR + timedelta(hours=1))
    assert found.faults == []
    (line,) = (line for line in found.lines if line.type == "encore.rating.given")
    assert (line.folded, line.erased, line.dead_lettered) == (2, 1, 1)


def test_keys_are_asked_for_once_and_again_when_they_are_old(
    broker: MemoryBroker, pool: Pool, keys: Keys, postgres_dsn: str
) -> None:
    clock = Clock()
    broker.producer().send_all(sealed([message_of(event) for event in stream(60, seed=92)], keys))
    remembering = LogKeys(pool, lambda: clock.now)
    held = dict(remembering.of(log_of(broker)))
    assert set(held) == {key.log for key in keys.values()}
    forget(postgres_dsn, GONE)
    assert remembering.of(log_of(broker)) == held
    clock.advance(60)
    assert remembering.of(log_of(broker)) == held | {keys[GONE].log: None}


def test_nobody_who_was_erased_comes_back_by_a_remembered_key(
    broker: MemoryBroker, pool: Pool, keys: Keys, postgres_dsn: str
) -> None:
    store = Store(pool)
    with running(broker.consumer(GROUP), store):
        broker.producer().send_all(sealed([message_of(rating(1, TRACKS[2], START, 5))], keys))
        broker.producer().send_all(sealed([message_of(rating(2, TRACKS[1], START, 5))], keys))
        drain(broker, postgres_dsn)
        forget(postgres_dsn, GONE)
        broker.producer().send_all(sealed([message_of(rating(3, TRACKS[9], START, 4))], keys))
        drain(broker, postgres_dsn)
    assert owner(TRACKS[9]) == GONE
    assert [key.track_id for key in stored(postgres_dsn).ratings if key.listener_id == GONE] == [TRACKS[1]]
    assert offsets(postgres_dsn) == ends(broker)


def test_the_log_alone_says_nothing_of_anybody(broker: MemoryBroker, keys: Keys, postgres_dsn: str) -> None:
    events = stream(60, seed=93)
    broker.producer().send_all(sealed([message_of(event) for event in events], keys))
    lying = b"".join((message.key or b"") + (message.value or b"") for message in log_of(broker))
    for event in events:
        assert str(event.subject).encode() not in lying
        assert str(event.id).encode() not in lying
    assert b"a reel" not in lying
    assert len(in_the_clear(log_of(broker), postgres_dsn)) == 60
    assert RATINGS in {message.topic for message in log_of(broker)}


def test_one_listener_stays_in_one_partition(broker: MemoryBroker, keys: Keys) -> None:
    broker.producer().send_all(sealed([message_of(event) for event in stream(200, seed=94)], keys))
    logs = {key.log: listener for listener, key in keys.items()}
    places = {(logs[UUID((m.key or b"").decode())], m.topic, m.partition) for m in log_of(broker)}
    assert len(places) == len({place[:2] for place in places})


def test_a_record_of_no_listener_is_left_as_it_is(broker: MemoryBroker, pool: Pool, postgres_dsn: str) -> None:
    broker.producer().send_all([Outgoing(RATINGS, b"nobody", b"\x01\x03abc")])
    folded_all(broker, pool, postgres_dsn)
    [(key, value, reason)] = dead_letters(postgres_dsn).values()
    assert (key, value) == (b"nobody", b"\x01\x03abc")
    assert "no name of a log" in reason
