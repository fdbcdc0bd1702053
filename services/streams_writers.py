"""Which client writes to Kafka: the cheaper one where it is installed (decision 0771)."""

from services.streams import Producer

try:
    from services.streams_librdkafka import LibrdkafkaWriter as _Writer
except ImportError:  # no wheel for this machine
    from services.streams_kafka import KafkaWriter as _Writer  # type: ignore[assignment]


def writer_to(bootstrap: str) -> Producer:
    """A `Producer` that connects at its first message."""
    return _Writer(bootstrap)
