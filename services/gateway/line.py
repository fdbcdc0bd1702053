"""Whose wish is made next: start-time fair queueing over services, and within a service over its listeners. Pure.

Goyal, Vin and Cheng, "Start-time Fair Queuing" (SIGCOMM 1996), equations 1 to 3 of section 2, nested as in section 3. A
cost is the seconds of sound that a wish is for. While two services both have wishes waiting, what each has been given
differs by at most one wish of each (theorem 1), however many wait; so it is between two listeners of a service.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import partial
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")
Flow = TypeVar("Flow", bound=Hashable)


class Waiting(NamedTuple, Generic[Item]):
    """A wish that waits: for whom, and its cost, at least 0."""

    item: Item
    service: str
    listener: Hashable
    cost: float


class Shares(Generic[Flow]):
    """The virtual time of one level, and when each flow's last wish finishes in it."""

    def __init__(self) -> None:
        self._now = 0.0
        self._finish: dict[Flow, float] = {}

    def start(self, flow: Flow) -> float:
        """The start tag of the flow's next wish: the least is served next."""
        return max(self._now, self._finish.get(flow, 0.0))

    def serve(self, flow: Flow, cost: float) -> None:
        self._now = self.start(flow)
        self._finish = {of: at for of, at in self._finish.items() if at > self._now} | {flow: self._now + cost}


class Line(Generic[Item]):
    """Remembers what was given while somebody waits; a line that is lost, or empties, owes nobody more than a wish."""

    def __init__(self) -> None:
        self._services: Shares[str] = Shares()
        self._listeners: dict[str, Shares[Hashable]] = {}

    def in_turn(self, waiting: Iterable[Waiting[Item]]) -> Iterator[tuple[Item, Callable[[], None]]]:
        """The wishes in the order in which they are due, those of one listener as they come; each with what to call
        once it is taken, which counts it."""
        lines: dict[str, dict[Hashable, deque[Waiting[Item]]]] = {}
        for wish in waiting:
            lines.setdefault(wish.service, {}).setdefault(wish.listener, deque()).append(wish)
        self._listeners = {service: self._listeners.get(service, Shares()) for service in lines}
        while lines:
            service = min(lines, key=self._services.start)
            listener = min(lines[service], key=self._listeners[service].start)
            wish = lines[service][listener].popleft()
            if not lines[service][listener]:
                del lines[service][listener]
            if not lines[service]:
                del lines[service]
            yield wish.item, partial(self._count, wish)
        self.forget()

    def forget(self) -> None:
        """Nobody waits any more: what was given to whom counts no longer."""
        self._services, self._listeners = Shares(), {}

    def _count(self, wish: Waiting[Item]) -> None:
        self._services.serve(wish.service, wish.cost)
        self._listeners[wish.service].serve(wish.listener, wish.cost)
