"""What the aggregator is told by its environment."""

from typing import Annotated

from pydantic import Field

from services.settings import Port, Settings


class AggregatorSettings(Settings):
    """Read once in `main`."""

    metrics_port: Port = 9101
    aggregator_batch: Annotated[int, Field(ge=1, le=100_000)] = 2000
    """Most messages in one transaction."""
    aggregator_session_s: Annotated[float, Field(ge=6, le=300)] = 10.0
    """Seconds of silence after which a dead aggregator's partitions go to another. Kafka's own least is 6."""
