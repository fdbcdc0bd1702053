"""Pure: whether everything that was acknowledged was folded, or is known to have ended otherwise."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from services.aggregator.accounts import Account, Slot
from services.aggregator.gaps import Gap
from services.streams import Extent, TopicPartition


class Acknowledged(NamedTuple):
    """`last` is the greatest offset; `comparable` is false for what was acknowledged before counting began."""

    events: int
    last: int
    comparable: bool


class Standing(NamedTuple):
    """How far a partition is folded, and how many of its messages were counted, of all that should have been."""

    next_offset: int
    counted_from: int | None
    counted_to: int | None
    counted: int
    uncounted: int


@dataclass(frozen=True)
class Books:
    """What Postgres says, all of one moment."""

    acknowledged: Mapping[Slot, Acknowledged]
    accounts: Mapping[Slot, Account]
    standings: Mapping[TopicPartition, Standing]
    gaps: Sequence[Gap]
    unfinished: int


@dataclass(frozen=True)
class Log:
    """What Kafka holds, looked at after the books: messages below and from the stored offset of the books."""

    extents: Mapping[TopicPartition, Extent]
    passed: Counter[Slot]
    waiting: Counter[Slot]


class Line(NamedTuple):
    """An hour and type. Of `erased` messages the key was thrown away; `expired` messages were read, and are not in the
    log any more; `lost` ones were acknowledged and left no trace."""

    hour: datetime
    type: str
    acknowledged: int = 0
    in_kafka: int = 0
    folded: int = 0
    repeated: int = 0
    dead_lettered: int = 0
    erased: int = 0
    waiting: int = 0
    expired: int = 0
    lost: int = 0


@dataclass(frozen=True)
class Report:
    lines: Sequence[Line]
    faults: Sequence[str] = field(default_factory=tuple)
    notes: Sequence[str] = field(default_factory=tuple)


def audited(books: Books, log: Log) -> Report:
    """It adds up when there are no faults."""
    slots = sorted({*books.acknowledged, *books.accounts, *log.passed, *log.waiting})
    lines: dict[tuple[datetime, str], Line] = {}
    faults: list[str] = []
    for slot in slots:
        line = _line(slot, books, log)
        faults += _faults_of(slot, line, books, log)
        before = lines.get((slot.hour, slot.type), Line(slot.hour, slot.type))
        sums = (one + other for one, other in zip(before[2:], line[2:], strict=True))
        lines[slot.hour, slot.type] = Line(slot.hour, slot.type, *sums)
    faults += [fault for place, standing in sorted(books.standings.items()) for fault in _moved(place, standing)]
    faults += [f"{_at(gap.place)}: {_gap(gap)}" for gap in books.gaps]
    notes = [f"{books.unfinished} gateways ended without telling what they acknowledged in their last seconds."]
    return Report([lines[key] for key in sorted(lines)], faults, notes if books.unfinished else [])


def _line(slot: Slot, books: Books, log: Log) -> Line:
    account = books.accounts.get(slot, Account())
    acknowledged = books.acknowledged.get(slot, Acknowledged(0, -1, comparable=False))
    waiting, passed = log.waiting[slot], log.passed[slot]
    lost = max(0, acknowledged.events - account.total - waiting) if acknowledged.comparable else 0
    return Line(
        slot.hour,
        slot.type,
        acknowledged.events,
        passed + waiting,
        *account,
        waiting,
        max(0, account.total - passed),
        lost,
    )


def _faults_of(slot: Slot, line: Line, books: Books, log: Log) -> list[str]:
    where = f"{_at(TopicPartition(slot.topic, slot.partition))}, {slot.hour:%Y-%m-%dT%H}, {slot.type}"
    faults = []
    if line.lost:
        faults.append(f"{where}: {line.lost} acknowledged and nowhere to be found")
    unread = log.passed[slot] - books.accounts.get(slot, Account()).total
    if unread > 0 and _counted_whole(slot, books):
        faults.append(f"{where}: {unread} in the log, passed and not counted")
    extent = log.extents.get(TopicPartition(slot.topic, slot.partition))
    said = books.acknowledged.get(slot)
    if extent and said and said.last >= extent.end:
        faults.append(f"{where}: acknowledged up to offset {said.last}, the log ends before {extent.end}")
    return faults


def _counted_whole(slot: Slot, books: Books) -> bool:
    """Whether counting had begun before the hour: told by what the gateways acknowledged, or from the first offset."""
    said = books.acknowledged.get(slot)
    standing = books.standings.get(TopicPartition(slot.topic, slot.partition))
    return bool(standing and standing.counted_from == 0) or bool(said and said.comparable)


def _moved(place: TopicPartition, standing: Standing) -> list[str]:
    if standing.counted_to is None:
        return []
    if standing.counted_to != standing.next_offset:
        return [f"{_at(place)}: the offset was moved from {standing.counted_to} to {standing.next_offset} uncounted"]
    off = standing.next_offset - standing.uncounted - standing.counted
    return [f"{_at(place)}: the offset is {off:+d} from what was counted"] if off else []


def _gap(gap: Gap) -> str:
    until = "another log" if gap.next is None else str(gap.next)
    return f"a gap from offset {gap.first} to {until} ({gap.reason})"


def _at(place: TopicPartition) -> str:
    return f"{place.topic}/{place.partition}"
