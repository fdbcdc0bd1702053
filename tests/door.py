"""A TCP address in front of a server, by which it can be away without being touched."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

Outage = Literal["refused", "frozen"]
_PIECE = 65536


class Door:
    """Passes bytes on to `host:port`. While `refused` nobody listens and what was open breaks; while `frozen` it takes
    connections and bytes, and nothing comes back. The port stays the door's, also while nobody listens."""

    def __init__(self, host: str, port: int) -> None:
        self._behind = (host, port)
        self._flowing = threading.Event()
        self._flowing.set()
        self._lock = threading.Lock()
        self._ends: set[socket.socket] = set()
        self._listener = _bound()
        self.port: int = self._listener.getsockname()[1]
        self._listen()

    @contextmanager
    def away(self, how: Outage) -> Iterator[None]:
        """The server cannot be reached within."""
        if how == "frozen":
            self._flowing.clear()
        else:
            self._shut()
        try:
            yield
        finally:
            if how == "frozen":
                self._flowing.set()
            else:
                self._listen()

    def close(self) -> None:
        """For good."""
        self._flowing.set()
        self._shut()
        self._listener.close()

    def _listen(self) -> None:
        self._listener.listen()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _shut(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        with self._lock:
            for end in self._ends:
                _break(end)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                outer, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(outer,), daemon=True).start()

    def _join(self, outer: socket.socket) -> None:
        self._flowing.wait()
        try:
            inner = socket.create_connection(self._behind)
        except OSError:
            outer.close()
            return
        with self._lock:
            self._ends |= {outer, inner}
        back = threading.Thread(target=self._pump, args=(inner, outer), daemon=True)
        back.start()
        self._pump(outer, inner)
        back.join()
        with self._lock:
            self._ends -= {outer, inner}
        outer.close()
        inner.close()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while piece := source.recv(_PIECE):
                self._flowing.wait()
                target.sendall(piece)
        except OSError:
            pass
        _break(source)
        _break(target)


def _bound() -> socket.socket:
    """A socket that was bound to its port by number: such a port is still kept when it no longer listens."""
    with socket.socket() as free:
        made = socket.socket()
        for each in (free, made):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", 0))
        made.bind(free.getsockname())
    return made


def _break(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


@contextmanager
def door(host: str, port: int) -> Iterator[Door]:
    """A door that is closed at the end."""
    made = Door(host, port)
    try:
        yield made
    finally:
        made.close()
