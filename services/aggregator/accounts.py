"""Pure: what became of each message that was read, by partition, hour and type.

An hour is that of the message's time in the log, which its writer knows too: so the two can be held against each other.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple

from pydantic_core import from_json

from services import seals
from services.aggregator.batch import Batch
from services.aggregator.reading import Arrival
from services.streams import Message

UNREADABLE: Final = "unreadable"
HOUR: Final = timedelta(hours=1)
_HOUR_MS: Final = 3_600_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS: Final = 7_258_118_400_000  # of the year 2199: no table takes later times

Outcome = Literal["folded", "repeated", "dead_lettered", "erased"]


class Slot(NamedTuple):
    """Where a message is counted."""

    topic: str
    partition: int
    hour: datetime
    type: str


class Account(NamedTuple):
    """`erased` are those of which the key was thrown away."""

    folded: int = 0
    repeated: int = 0
    dead_lettered: int = 0
    erased: int = 0

    @property
    def total(self) -> int:
        return sum(self)


def moment_of(timestamp_ms: int) -> datetime:
    """A time in the log, as near as a table takes it."""
    return _EPOCH + timedelta(milliseconds=min(max(timestamp_ms, 0), _LAST_MS))


def hour_of(timestamp_ms: int) -> datetime:
    """The hour that a time in the log lies in."""
    return moment_of(timestamp_ms).replace(minute=0, second=0, microsecond=0)


def slot_of(message: Message, kind: str | None = None) -> Slot:
    """`kind` is the event's type where it is known."""
    return Slot(*message.place, hour_of(message.timestamp_ms), kind or kind_of(message.value))


def kind_of(value: bytes | None) -> str:
    """The type that a message claims, whether or not the rest of it can be read."""
    try:
        kind = seals.kind_of(value) if value and seals.is_sealed(value) else from_json(value or b"")["type"]
    except (ValueError, TypeError, KeyError):
        return UNREADABLE
    return kind if isinstance(kind, str) and kind.startswith("encore.") and len(kind) <= 64 else UNREADABLE


def accounts(batch: Batch, kept: Iterable[Arrival]) -> dict[Slot, Account]:
    """Every message of a batch, once; `kept` are the events that were new."""
    new = {id(arrival.message) for arrival in kept}
    # By the number of the hour first: a batch has many messages and few slots.
    counts: Counter[tuple[str, int, int, str, Outcome]] = Counter()
    for message, event, _ in batch.arrivals:
        outcome: Outcome = "folded" if id(message) in new else "repeated"
        counts[message.topic, message.partition, message.timestamp_ms // _HOUR_MS, event.type, outcome] += 1
    ended: list[tuple[Message, Outcome]] = [(message, "dead_lettered") for message, _ in batch.dead]
    ended += [(message, "erased") for message in batch.erased]
    for message, outcome in ended:
        hours = message.timestamp_ms // _HOUR_MS
        counts[message.topic, message.partition, hours, kind_of(message.value), outcome] += 1
    found: dict[Slot, Account] = {}
    for (topic, partition, hours, kind, outcome), count in counts.items():
        slot = Slot(topic, partition, hour_of(hours * _HOUR_MS), kind)
        account = found.get(slot, Account())
        found[slot] = account._replace(**{outcome: getattr(account, outcome) + count})
    return dict(sorted(found.items()))
