"""A real log that has lost its beginning before it was read: what is missing is written down, the rest is folded."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from kafka import TopicPartition as KafkaPartition
from kafka.admin import KafkaAdminClient
from prometheus_client import REGISTRY

from services.aggregator.store import Store
from services.kafka_access import options
from services.postgres import Pool, open_pool
from services.streams import TopicPartition
from services.streams_kafka import KafkaReader, KafkaWriter
from tests.contracts.streams import until
from tests.services.aggregator.log import ends
from tests.services.aggregator.rows import gaps, offsets
from tests.services.aggregator.samples import message_of, stream
from tests.services.aggregator.test_main import running


@pytest.fixture
def pool(postgres_dsn: str) -> Iterator[Pool]:
    with open_pool(postgres_dsn, size=2) as pool:
        yield pool


def missing(place: TopicPartition) -> float:
    labels = {"topic": place.topic, "reason": "expired"}
    return REGISTRY.get_sample_value("encore_aggregator_missing_offsets_total", labels) or 0.0


def test_what_the_broker_forgot_before_it_was_read_is_a_gap_and_reading_goes_on(
    kafka_bootstrap: str, pool: Pool, postgres_dsn: str
) -> None:
    writer, group = KafkaWriter(kafka_bootstrap), f"cut-{uuid4().hex}"

    def fold_all() -> dict[TopicPartition, int]:
        target = ends(kafka_bootstrap)
        with running(KafkaReader(kafka_bootstrap, group), Store(pool)):
            until(lambda: offsets(postgres_dsn) == target)
        return target

    writer.send_all([message_of(event) for event in stream(200, seed=50)])
    before = fold_all()
    writer.send_all([message_of(event) for event in stream(200, seed=51)])
    writer.close()
    after = ends(kafka_bootstrap)
    place = max(before, key=lambda place: after[place] - before[place])
    known, counted = gaps(postgres_dsn), missing(place)
    admin = KafkaAdminClient(**options(kafka_bootstrap))
    admin.delete_records({KafkaPartition(*place): before[place] + 2})
    admin.close()
    assert fold_all() == after
    assert gaps(postgres_dsn) - known == {(*place, before[place], before[place] + 2, "expired")}
    assert missing(place) - counted == 2
