"""How often batches begin: a clock that stands still, and a stop that only notes how long it was waited for."""

import threading
from collections.abc import Mapping
from types import SimpleNamespace

import pytest

from schemas.topics import PLAYS
from services.aggregator import main
from services.aggregator.batch import Batch
from services.aggregator.main import PACE_S, Aggregator
from services.aggregator.store import Written
from services.streams import Message, TopicPartition

FULL = 3


class Stop(threading.Event):
    """Nobody waits; what was asked for is noted."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        return self.is_set()


class Reader:
    """Gives batches of these sizes, then says stop."""

    def __init__(self, sizes: list[int], stop: Stop) -> None:
        self._sizes, self._stop, self._offset = sizes, stop, 0

    def poll(self, *_: object) -> list[Message]:
        if not self._sizes:
            self._stop.set()
            return []
        begin, self._offset = self._offset, self._offset + self._sizes.pop(0)
        return [Message(PLAYS, 0, offset, b"k", b"not json", 0) for offset in range(begin, self._offset)]

    def subscribe(self, *_: object) -> None: ...
    def close(self) -> None: ...
    def extents(self, _: object) -> dict[TopicPartition, object]:
        return {}


class Table:
    """Takes everything."""

    keys = SimpleNamespace(of=lambda _: {})

    def write(self, batch: Batch, _: Mapping[TopicPartition, int]) -> Written:
        return Written([], 0, batch.dead, {})

    def unaccounted(self) -> dict[str, object]:
        return {}


def test_batches_that_are_not_full_begin_at_a_pace_and_full_ones_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A single event is read at once; what comes right after it waits a little; a backlog waits for nothing."""
    monkeypatch.setattr(main, "time", SimpleNamespace(monotonic=lambda: 100.0, perf_counter=lambda: 0.0))
    stop = Stop()
    reader = Reader([1, 2, FULL, FULL, 1], stop)
    Aggregator(reader, Table(), FULL, stop).run()  # type: ignore[arg-type]  # of both what the loop calls
    assert stop.waits == pytest.approx([0.0, PACE_S, PACE_S, 0.0, 0.0, PACE_S])
