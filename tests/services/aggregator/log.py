"""What is in Kafka's feedback topics, and whether the database says the same."""

from uuid import uuid4

from schemas.topics import FEEDBACK
from services.streams import Extent, Message, Start, TopicPartition
from services.streams_kafka import KafkaReader
from tests.contracts.streams import until
from tests.services.aggregator.rows import counted, event_count, folded, offsets, stored
from tests.services.logs import readable


def extents(bootstrap: str) -> dict[TopicPartition, Extent]:
    reader = KafkaReader(bootstrap, f"eye-{uuid4().hex}")
    reader.subscribe(FEEDBACK, lambda _: {}, lambda _: None)
    found = reader.extents(reader.partitions(FEEDBACK))
    reader.close()
    return found


def ends(bootstrap: str) -> dict[TopicPartition, int]:
    """The end offsets of partitions that hold, or held, anything."""
    return {place: extent.end for place, extent in extents(bootstrap).items() if extent.end}


def whole_log(bootstrap: str) -> list[Message]:
    """Everything that is there, other tests' events too."""
    known = extents(bootstrap)
    total = sum(extent.end - extent.begin for extent in known.values())
    reader = KafkaReader(bootstrap, f"eye-{uuid4().hex}")
    reader.subscribe(FEEDBACK, lambda places: {place: Start(known[place].begin) for place in places}, lambda _: None)
    messages: list[Message] = []

    def all_read() -> bool:
        messages.extend(reader.poll(1000, 0.5))
        return len(messages) >= total

    until(all_read)
    reader.close()
    return messages


def require_equal(bootstrap: str, dsn: str) -> None:
    """Once all is read, the database says exactly what the log says."""
    target = ends(bootstrap)
    until(lambda: offsets(dsn) == target)
    aggregates, distinct = folded(readable(whole_log(bootstrap), dsn))
    assert stored(dsn) == aggregates
    assert counted(dsn)[0] == event_count(dsn) == distinct
