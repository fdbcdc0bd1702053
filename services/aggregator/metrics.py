"""The aggregator's metrics; each name with its unit and meaning."""

from contextlib import suppress

from prometheus_client import Counter, Gauge, Histogram

from services.streams import TopicPartition

EVENTS = Counter("encore_aggregator_events_total", "Events folded, each once, by CloudEvents type.", ["type"])
DUPLICATES = Counter("encore_aggregator_duplicates_total", "Events that had been folded before.")
CONFLICTS = Counter(
    "encore_aggregator_conflicts_total",
    "Contents recorded as contradictions: other content under one identity, or an id that two listeners used.",
    ["kind"],
)
DEAD_LETTERS = Counter("encore_aggregator_dead_letters_total", "Messages set aside as unreadable.", ["topic"])
ERASED = Counter("encore_aggregator_erased_total", "Messages of erased listeners, whose key is gone.", ["topic"])
MISSING = Counter(
    "encore_aggregator_missing_offsets_total",
    "Offsets that were never folded; 1 for each partition of a topic that was made again.",
    ["topic", "reason"],
)
UNACCOUNTED = Gauge(
    "encore_aggregator_unaccounted_events",
    "What does not add up. lost: acknowledged and passed without a trace; uncounted: offsets moved without a message.",
    ["topic", "reason"],
)
BATCH_SECONDS = Histogram(
    "encore_aggregator_batch_seconds",
    "Time that writing a batch took, to its commit; it was read and opened before.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
BATCH_EVENTS = Histogram(
    "encore_aggregator_batch_events", "Messages in a batch.", buckets=(1, 3, 10, 30, 100, 300, 1000, 3000, 10000)
)
CELL_SECONDS = Histogram(
    "encore_aggregator_cell_seconds",
    "Time to make what analysts read of one release.",
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100),
)
RETRIES = Counter("encore_aggregator_retries_total", "Attempts that a backend's absence cost.", ["backend"])
OWNERSHIP_LOST = Counter("encore_aggregator_ownership_lost_total", "Batches refused because another owns a partition.")
NEXT_OFFSET = Gauge("encore_aggregator_next_offset", "Stored offset: what is read next.", ["topic", "partition"])
LAG = Gauge("encore_aggregator_lag_messages", "Messages written but not folded yet.", ["topic", "partition"])


def forget(place: TopicPartition) -> None:
    """Stop reporting a partition that another aggregator reports now."""
    for gauge in (NEXT_OFFSET, LAG):
        with suppress(KeyError):
            gauge.remove(place.topic, str(place.partition))
