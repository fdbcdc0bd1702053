"""The checker of the kill run sees what it is there to see."""

from collections.abc import Iterator
from itertools import chain

import psycopg
import pytest

from schemas.topics import FEEDBACK, PARTITIONS, PLAYS
from services.aggregator.main import GROUP
from services.aggregator.store import Store
from services.postgres import Pool, open_pool
from services.streams import Outgoing
from services.streams_memory import MemoryBroker
from tests.services.aggregator.checker import differences
from tests.services.aggregator.samples import message_of, stream
from tests.services.aggregator.test_main import drain, running

INTRUDER = """
insert into feedback.events (source, id, type, listener_id, time, data, topic, partition, "offset")
select source || '/x', gen_random_uuid(), type, listener_id, time, data, topic, partition, "offset"
from feedback.events limit 1"""
TAMPERING = {
    "delete from feedback.events where id = (select min(id::text)::uuid from feedback.events)": "lost",
    INTRUDER: "never sent",
    "update feedback.ratings set stars = 6 - stars where stars <> 3": "rating",
    "update feedback.plays set heard = heard + '{[999000,999001)}'::int4multirange": "play",
    "delete from feedback.pair_votes": "vote",
}


@pytest.fixture
def pool(postgres_dsn: str) -> Iterator[Pool]:
    with open_pool(postgres_dsn, size=3) as pool:
        yield pool


def test_what_is_lost_doubled_or_changed_is_told(pool: Pool, postgres_dsn: str) -> None:
    broker = MemoryBroker(dict.fromkeys(FEEDBACK, PARTITIONS))
    sent = [message_of(event) for event in stream(150, seed=80)]
    broker.producer().send_all([*sent, *sent[:40], Outgoing(PLAYS, b"k", b"poison")])
    with running(broker.consumer(GROUP), Store(pool)):
        drain(broker, postgres_dsn)
    log = list(chain.from_iterable(broker.logs.values()))
    assert differences(log, postgres_dsn) == []
    for statement, word in TAMPERING.items():
        with psycopg.connect(postgres_dsn) as connection:
            connection.execute(statement.encode())
        assert any(word in found for found in differences(log, postgres_dsn)), word
