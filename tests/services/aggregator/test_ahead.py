"""What is read while a batch is written: scripted readings and writings, in no time."""

import threading
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace

import pytest
from prometheus_client import REGISTRY

from schemas.topics import PLAYS
from services.aggregator import main
from services.aggregator.batch import Batch
from services.aggregator.main import FIRST_PAUSE_S, PROMPT_S, Aggregator
from services.aggregator.store import OwnershipLost, Written
from services.errors import BackendAway
from services.streams import Extent, Message, OnAssigned, OnRevoked, Start, TopicPartition

PLACE = TopicPartition(PLAYS, 0)
SIZE = 2
LONG_S = 10.0

Poll = Callable[["Reader"], Sequence[Message]]


def messages(first: int) -> list[Message]:
    return [Message(*PLACE, offset, b"k", b"not json", 0, epoch=3) for offset in range(first, first + SIZE)]


class Reader:
    """Has one partition, answers one poll after the other by a script, then says stop."""

    def __init__(self, stop: threading.Event, table: "Table", *polls: Poll) -> None:
        self._stop, self._table, self._polls = stop, table, [*polls]
        self._joined = False
        self.measured_while_writing: list[bool] = []
        self.sought: list[tuple[TopicPartition, Start]] = []
        self.closed = 0

    def subscribe(self, _: object, on_assigned: OnAssigned, on_revoked: OnRevoked) -> None:
        self.on_assigned, self.on_revoked = on_assigned, on_revoked

    def poll(self, *_: object) -> Sequence[Message]:
        if not self._joined:
            self._joined = True
            self.on_assigned(frozenset({PLACE}))
        if not self._polls:
            self._stop.set()
            return []
        return self._polls.pop(0)(self)

    def seek(self, place: TopicPartition, start: Start) -> None:
        self.sought.append((place, start))

    def extents(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, Extent]:
        self.measured_while_writing.append(self._table.writing)
        return {place: Extent("t", 0, 10) for place in places}

    def close(self) -> None:
        self._joined = False
        self.closed += 1


class Table:
    """Writes by a script, then whatever comes; notes what it wrote and what was asked of it while it was writing."""

    keys = SimpleNamespace(of=lambda _: {})

    def __init__(self, *writes: Callable[[], None]) -> None:
        self._writes = [*writes]
        self.writing = False
        self.begun = threading.Event()
        self.firsts: list[int] = []
        self.resumed_while_writing: list[bool] = []

    def write(self, batch: Batch, _: Mapping[TopicPartition, int]) -> Written:
        self.writing = True
        self.begun.set()
        try:
            if self._writes:
                self._writes.pop(0)()
        finally:
            self.writing = False
        self.firsts.append(batch.dead[0].message.offset)
        return Written([], 0, batch.dead, {})

    def resume(self, _: object) -> tuple[dict[TopicPartition, Start], list[object]]:
        self.resumed_while_writing.append(self.writing)
        return {PLACE: Start(0)}, []

    def unaccounted(self) -> dict[str, object]:
        return {}


def read(first: int) -> Poll:
    return lambda _: messages(first)


def away(_: Reader) -> Sequence[Message]:
    raise BackendAway("kafka", "away")


def raising(error: Exception) -> Callable[[], None]:
    def write() -> None:
        raise error

    return write


def run(table: Table, *polls: Poll) -> Reader:
    stop = threading.Event()
    reader = Reader(stop, table, *polls)
    Aggregator(reader, table, SIZE, stop).run()  # type: ignore[arg-type]  # of both what the loop calls
    return reader


def test_the_next_batch_is_read_while_one_is_written() -> None:
    read_ahead = threading.Event()

    def second(_: Reader) -> Sequence[Message]:
        read_ahead.set()
        return messages(SIZE)

    def patient() -> None:
        assert read_ahead.wait(LONG_S)

    table = Table(patient)
    run(table, read(0), second, lambda _: [])
    assert table.firsts == [0, SIZE]


def test_whatever_else_fails_in_a_write_ends_the_loop_also_while_kafka_is_away() -> None:
    with pytest.raises(ZeroDivisionError):
        run(Table(raising(ZeroDivisionError())), read(0), away, read(SIZE), read(SIZE))


def test_a_lost_partition_is_seen_also_while_kafka_is_away() -> None:
    before = REGISTRY.get_sample_value("encore_aggregator_ownership_lost_total") or 0
    table = Table(raising(OwnershipLost("another's")))
    reader = run(table, read(0), away, read(0), lambda _: [])
    assert REGISTRY.get_sample_value("encore_aggregator_ownership_lost_total") == before + 1
    assert reader.closed == 2  # then, and at the end
    assert table.firsts == [0]


def test_what_was_read_ahead_of_a_lost_batch_is_not_written() -> None:
    table = Table(raising(OwnershipLost("another's")))
    run(table, read(0), read(SIZE), read(0), lambda _: [])
    assert table.firsts == [0]


def test_a_stop_while_a_partition_is_lost_is_a_stop() -> None:
    asked = iter((False, True))

    class Stopping(threading.Event):
        """Set for the loop when a batch is in hand, and for who writes it not yet."""

        def is_set(self) -> bool:
            return threading.current_thread() is threading.main_thread() and next(asked)

    stop, table = Stopping(), Table(raising(OwnershipLost("another's")))
    reader = Reader(stop, table, read(0))
    Aggregator(reader, table, SIZE, stop).run()  # type: ignore[arg-type]  # of both what the loop calls
    assert (table.begun.is_set(), table.firsts, reader.closed) == (True, [], 1)


@pytest.mark.usefixtures("no_pause")
def test_what_was_read_ahead_of_a_write_that_was_repeated_is_read_again() -> None:
    table = Table(raising(BackendAway("postgres", "away")))
    reader = run(table, read(0), read(SIZE), read(SIZE), lambda _: [])
    assert reader.sought == [(PLACE, Start(SIZE, 3))]
    assert table.firsts == [0, SIZE]


def test_what_was_read_ahead_of_a_write_that_took_long_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0, read=threading.Event())
    monkeypatch.setattr(main, "time", SimpleNamespace(monotonic=lambda: clock.now, perf_counter=lambda: clock.now))

    def slow() -> None:
        assert clock.read.wait(LONG_S)
        clock.now += PROMPT_S + 1

    def second(_: Reader) -> Sequence[Message]:
        clock.read.set()
        return messages(SIZE)

    table = Table(slow)
    reader = run(table, read(0), second, read(SIZE), lambda _: [])
    assert reader.sought == [(PLACE, Start(SIZE, 3))]
    assert table.firsts == [0, SIZE]


@pytest.mark.parametrize("told", ["on_assigned", "on_revoked"])
def test_partitions_are_taken_and_let_go_of_only_between_two_writes(told: str) -> None:
    going = threading.Event()

    def rebalance(reader: Reader) -> Sequence[Message]:
        assert table.begun.wait(LONG_S)
        threading.Timer(0.05, going.set).start()
        getattr(reader, told)(frozenset({PLACE}))
        assert not table.writing
        return []

    def patient() -> None:
        assert going.wait(LONG_S)

    table = Table(patient)
    run(table, read(0), rebalance, lambda _: [])
    assert not any(table.resumed_while_writing)


def test_the_lag_is_asked_for_while_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "LAG_EVERY_S", 0.0)
    reader = run(Table(), read(0), read(SIZE), lambda _: [], lambda _: [])
    assert not any(reader.measured_while_writing)
    where = {"topic": PLAYS, "partition": "0"}
    assert REGISTRY.get_sample_value("encore_aggregator_lag_messages", where) == 10 - 2 * SIZE


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "FIRST_PAUSE_S", FIRST_PAUSE_S / 1000)
