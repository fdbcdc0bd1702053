"""Whose request comes next: deficit round robin over listeners (Shreedhar and Varghese 1995).

A listener with forty requests waits for a listener with one, whatever the sizes. Within a round,
where order costs nobody anything, whoever's deadline is nearest comes first. Pure: no clock, no
threads, no tensors.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")


class Entry(NamedTuple, Generic[Item]):
    """What waits: its cost and until when, on any clock."""

    item: Item
    cost: float
    deadline: float


class FairQueue(Generic[Item]):
    """First come, first served within a listener; equal shares of cost between listeners."""

    def __init__(self, quantum: float) -> None:
        """`quantum` is the cost that a listener may spend each round; ValueError if not positive."""
        if not quantum > 0:
            raise ValueError(f"expected a positive quantum, got {quantum}")
        self._quantum = quantum
        self._lines: dict[str, deque[Entry[Item]]] = {}
        self._deficit: dict[str, float] = {}

    def __len__(self) -> int:
        return sum(len(line) for line in self._lines.values())

    def __iter__(self) -> Iterator[Item]:
        return (entry.item for line in self._lines.values() for entry in line)

    def push(
        self, listener: str, item: Item, cost: float, deadline: float = math.inf, *, resumed: bool = False
    ) -> None:
        """Puts an item at the end of its listener's line, or at its head if it resumes what was begun.

        A listener who comes has nothing to spend before the next round: leaving and coming again gains nothing.
        """
        line = self._lines.setdefault(listener, deque())
        self._deficit.setdefault(listener, 0.0)
        entry = Entry(item, cost, deadline)
        if resumed:
            line.appendleft(entry)
        else:
            line.append(entry)

    def pop(self, fits: Callable[[Item], bool]) -> Item | None:
        """The next item, or None if none waits or the next does not fit (it keeps its turn)."""
        while self._lines:
            payable = [name for name, line in self._lines.items() if self._deficit[name] >= line[0].cost]
            if payable:
                name = min(payable, key=lambda name: self._lines[name][0].deadline)
                entry = self._lines[name][0]
                if not fits(entry.item):
                    return None
                self._deficit[name] -= entry.cost
                self._take(name, 0)
                return entry.item
            for name in self._deficit:
                self._deficit[name] += self._quantum
        return None

    def remove(self, item: Item) -> bool:
        """Takes an item out of its line; False if it does not wait."""
        for name, line in self._lines.items():
            for place, entry in enumerate(line):
                if entry.item is item:
                    self._take(name, place)
                    return True
        return False

    def order(self) -> list[Item]:
        """All items as `pop` would give them if nothing else came."""
        lines = {name: deque(line) for name, line in self._lines.items()}
        deficit, ordered = dict(self._deficit), []
        while lines:
            heads = [
                (line[0].deadline, place, name)
                for place, (name, line) in enumerate(lines.items())
                if deficit[name] >= line[0].cost
            ]
            heapify(heads)
            while heads:
                _, place, name = heappop(heads)
                entry = lines[name].popleft()
                deficit[name] -= entry.cost
                ordered.append(entry.item)
                if lines[name] and deficit[name] >= lines[name][0].cost:
                    heappush(heads, (lines[name][0].deadline, place, name))
            lines = {name: line for name, line in lines.items() if line}
            for name in lines:
                deficit[name] += self._quantum
        return ordered

    def _take(self, listener: str, place: int) -> None:
        del self._lines[listener][place]
        if not self._lines[listener]:
            del self._lines[listener], self._deficit[listener]
