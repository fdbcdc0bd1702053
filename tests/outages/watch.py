"""One client asks its backend again and again, and what it lives through is written down."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Final, NamedTuple

Ask = Callable[[], object]
_PAUSE_S: Final = 0.25
_GIVE_UP_S: Final = 240.0


class Answer(NamedTuple):
    """One question: when it was asked and answered, on the monotonic clock, and whether well."""

    asked: float
    answered: float
    well: bool


class Lived(NamedTuple):
    """What a client lived through, in seconds.

    `longest`: the longest that one question took, of those asked during the outage. `back`: from the outage's end
    to the first good answer; None if there was none.
    """

    longest: float
    back: float | None


@dataclass
class Watched:
    """A client that asks in a thread of its own until it is told to stop."""

    name: str
    ask: Ask
    answers: list[Answer] = field(default_factory=list)
    _thread: threading.Thread = field(init=False)
    _stop: threading.Event = field(default_factory=threading.Event)
    _heard: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when its last question is answered."""
        self._stop.set()
        self._thread.join(_GIVE_UP_S)

    def well_since(self, moment: float, seconds: float = _GIVE_UP_S) -> float | None:
        """When the first good answer after `moment` came; None if none came in time."""
        with self._heard:
            self._heard.wait_for(lambda: self._first(moment) is not None, seconds)
            return self._first(moment)

    def lived(self, began: float, ended: float) -> Lived:
        """Of an outage between these moments; waits for the first good answer after it."""
        first = self.well_since(ended)
        with self._heard:
            during = [each.answered - each.asked for each in self.answers if began <= each.asked < ended]
        return Lived(max(during, default=0.0), None if first is None else first - ended)

    def _first(self, moment: float) -> float | None:
        return next((each.answered for each in self.answers if each.well and each.answered > moment), None)

    def _run(self) -> None:
        while not self._stop.is_set():
            asked = time.monotonic()
            try:
                self.ask()
                well = True
            except Exception:  # noqa: BLE001 - whatever it is called, it is no good answer
                well = False
            with self._heard:
                self.answers.append(Answer(asked, time.monotonic(), well))
                self._heard.notify_all()
            self._stop.wait(_PAUSE_S)


def live_through(clients: list[Watched], away: AbstractContextManager[None], seconds: float) -> dict[str, Lived]:
    """An outage of so many seconds: what each client, well before, lived through."""
    for client in clients:
        assert client.well_since(time.monotonic()) is not None, f"{client.name} was not well before"
    with away:
        began = time.monotonic()
        time.sleep(seconds)
    ended = time.monotonic()
    return {client.name: client.lived(began, ended) for client in clients}


@contextmanager
def watched(named: Mapping[str, Ask]) -> Iterator[list[Watched]]:
    """The clients, asking until the end of the block."""
    clients = [Watched(name, ask) for name, ask in named.items()]
    for client in clients:
        client.start()
    try:
        yield clients
    finally:
        for client in clients:
            client.stop()
