"""Whatever the gateway accepts, no reader of the tables raises: neither aggregator nor factory nor rollout."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.aggregator.batch import sort_out
from services.aggregator.store import Store
from services.gateway.intake import Known, KnownSet, KnownTrack, Refused, happened_at, read
from services.gateway.stamps import stamped
from services.identifiers import uuid7
from services.postgres import Pool, open_pool, transaction
from services.rollout.store import Store as Releases
from services.streams import Message, Outgoing, TopicPartition
from tests.services.aggregator.rows import resumed, stored
from training.snapshot import ListenerFacts
from training.store import Store as Factory

NOW = datetime.now(UTC)
ME, TRACK, PAIR, RELEASE, FOUR = (UUID(int=number) for number in range(1, 6))
KNOWN = Known(
    listeners=frozenset({ME}),
    tracks={TRACK: KnownTrack(ME, 10.0, ready=True, created_at=NOW - timedelta(hours=1))},
    pairs={PAIR: KnownSet(ME, created_at=NOW - timedelta(hours=1))},
    fours={FOUR: KnownSet(ME, created_at=NOW - timedelta(hours=1))},
)


def nested(leaf: object) -> object:
    for _ in range(60):
        leaf = [leaf]
    return leaf


edges = st.sampled_from(
    [
        "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00-23:59", "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59.999999999-23:59", "1969-12-31T23:59:60Z", "2016-12-31T23:59:60Z", "1970-01-01T00:00:00Z",
    ]
)  # fmt: skip
near = st.timedeltas(-timedelta(days=500), timedelta(days=500)).map(lambda by: (NOW + by).isoformat())
times = edges | near | st.datetimes(timezones=st.just(UTC)).map(lambda at: at.isoformat())
texts = st.text(max_size=6) | st.sampled_from(["\0", "\ud800", "\\u0000", "'; drop table", "\u202e", "NaN"])
numbers = st.integers(-(10**400), 10**400) | st.floats() | st.sampled_from([1e308, -1e308, 5e-324, 10**4000])
extras = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3) | inner.map(nested),
    max_leaves=5,
)


def stretch(both: list[int]) -> dict[str, int]:
    return {"from_ms": both[0], "to_ms": both[1]}


positions = st.integers(-1, 12_000) | st.sampled_from([3_600_000, 10_999.0])
kinds = st.one_of(
    st.fixed_dictionaries({"track_id": st.just(str(TRACK)), "stars": st.integers(0, 6) | st.just(4.0)}).map(
        lambda data: ("encore.rating.given", data)
    ),
    st.fixed_dictionaries(
        {"play_id": st.just(str(UUID(int=9))), "track_id": st.just(str(TRACK)), "position_ms": positions},
        optional={"heard": st.none() | st.lists(st.integers(0, 12_000), min_size=2, max_size=2).map(stretch)},
    ).map(lambda data: ("encore.play.heartbeat", data)),
    st.fixed_dictionaries({"pair_id": st.just(str(PAIR)), "choice": st.sampled_from(["first", "tie"])}).map(
        lambda data: ("encore.pair.voted", data)
    ),
    st.fixed_dictionaries({"four_id": st.just(str(FOUR)), "choice": st.sampled_from(["third", "none"])}).map(
        lambda data: ("encore.four.picked", data)
    ),
)


@st.composite
def sent(draw: st.DrawFn) -> dict[str, Any]:
    kind, data = draw(kinds)
    event = {
        "id": str(uuid7()),
        "type": kind,
        "source": draw(texts | st.just("player")),
        "subject": str(ME),
        "time": draw(times),
        "data": data | draw(st.dictionaries(texts, extras, max_size=2)),
    }
    return draw(st.dictionaries(texts, extras, max_size=2)) | event | draw(
        st.fixed_dictionaries({}, optional={"sentat": times, "receivedat": extras, "correctedtime": times})
    )  # fmt: skip


def accepted(items: list[dict[str, Any]]) -> list[Outgoing]:
    """What the gateway would send."""
    records = []
    for each in read(items)[0].values():
        try:
            happened = happened_at(each.event, KNOWN, NOW, timedelta(days=400))
            records.append(stamped(each, KNOWN, NOW, happened))
        except Refused:
            continue
    return records


@pytest.fixture
def pool(postgres_dsn: str) -> Iterator[Pool]:
    with open_pool(postgres_dsn) as pool:
        with transaction(pool) as connection:
            connection.execute("insert into gateway.listeners (listener_id) values (%s)", (ME,))
            connection.execute(
                "insert into feedback.tracks values (%s, %s, 'base', 0.5, %s, null, null, '', 10, 'url', %s, now())",
                (TRACK, ME, RELEASE, "0" * 64),
            )
        yield pool


@given(st.lists(sent(), min_size=1, max_size=6))
@settings(
    max_examples=15,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_nothing_that_is_accepted_makes_a_reader_raise(
    pool: Pool, postgres_dsn: str, items: list[dict[str, Any]]
) -> None:
    places: dict[TopicPartition, int] = {}
    store = Store(pool)
    messages = []
    for topic, key, value, _ in accepted(items):
        place = TopicPartition(topic, 0)
        start = places.setdefault(place, resumed(store, [place])[place])
        messages.append(Message(*place, start, key, value, 0))
        places[place] += 1
    batch = sort_out(messages)
    assert not batch.dead, batch.dead[0].reason
    store.write(batch, resumed(store, batch.reached))
    stored(postgres_dsn)
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("select * from feedback.events").fetchall()
        connection.execute("select * from feedback.conflicts").fetchall()
        connection.execute("select * from feedback.listens").fetchall()
        connection.execute("select * from analytics.uplift").fetchall()
    Releases(pool).evidence(RELEASE)
    with Factory(postgres_dsn) as factory:
        factory.standings()
        [facts] = factory.facts([ME])
    assert isinstance(facts, ListenerFacts), facts
