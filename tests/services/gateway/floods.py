"""What a flooding principal of each kind sends over and over, and what a listener of another service does meanwhile."""

import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from itertools import cycle
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from services.audit import Kind
from services.identifiers import uuid7
from tests.services.gateway.conftest import token_of
from tests.threads import ended

FLOODING: Final[tuple[Kind, ...]] = ("service", "listener", "operator", "analyst")
PATIENCE_S: Final = 120.0
_STAFF: Final = {
    "operator": ("/v1/audit", "/v1/feedback", "/v1/releases", "/v1/rounds", "/v1/versions"),
    "analyst": ("/v1/uplift", "/v1/uplift/cells"),
}
_EVENTS: Final = 200


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    body: str | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """Somebody with a token, and what they send."""

    url: str
    token: str
    requests: Sequence[Request]

    def connection(self) -> HTTPConnection:
        return HTTPConnection(urlsplit(self.url).netloc, timeout=PATIENCE_S)

    def send(self, connection: HTTPConnection, request: Request) -> tuple[int, bytes]:
        """The answer's status and body."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        connection.request(request.method, request.path, request.body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


@dataclass
class Flood:
    """Answers by status, and whether one of them was that a budget is spent."""

    answers: Counter[int] = field(default_factory=Counter)
    began: threading.Event = field(default_factory=threading.Event)
    refused: threading.Event = field(default_factory=threading.Event)
    ends: threading.Event = field(default_factory=threading.Event)

    def send(self, sender: Sender) -> None:
        """Sends, one request after the other, until it is to end."""
        for request in cycle(sender.requests):
            if self.ends.is_set():
                return
            with closing(sender.connection()) as connection:
                try:
                    status, body = sender.send(connection, request)
                except (OSError, HTTPException):
                    status, body = 0, b""
            self.answers[status] += 1
            self.began.set()
            if b'"over_budget"' in body:
                self.refused.set()


@contextmanager
def flood(sender: Sender, width: int) -> Iterator[Flood]:
    """So many requests of the sender at any time, while this is open."""
    going = Flood()
    threads = [threading.Thread(target=going.send, args=(sender,), daemon=True) for _ in range(width)]
    for thread in threads:
        thread.start()
    try:
        yield going
    finally:
        going.ends.set()
        for thread in threads:
            ended(thread)


def flooding(url: str, keys_file: Path, kind: Kind) -> Sender:
    """Somebody of this kind who asks for all that they may."""
    if kind in _STAFF:
        return Sender(url, token_of(keys_file, kind, "anna"), [Request("GET", path) for path in _STAFF[kind]])
    listener = _listener(url, keys_file, "flooding")
    wish = {"listener_id": listener, "prompt": "a reel", "seconds": 2}
    sent = [
        Request("GET", f"/v1/listeners/{listener}"),
        Request("GET", f"/v1/listeners/{listener}/tracks"),
        Request("POST", "/v1/tracks", json.dumps(wish)),
        Request("POST", "/v1/events", json.dumps([_rating(listener)] * _EVENTS)),
    ]
    if kind == "service":
        return Sender(url, token_of(keys_file, kind, "flooding"), [*sent, Request("POST", "/v1/listeners", "{}")])
    return Sender(url, token_of(keys_file, kind, listener), sent)


def behaved(url: str, keys_file: Path) -> Sender:
    """A new listener of another service, who looks at what is theirs and says what they consent to."""
    listener = _listener(url, keys_file, "quiet")
    own = f"/v1/listeners/{listener}"
    given = json.dumps({"training": True, "analysis": False, "text_version": "1"})
    looks = [Request("GET", f"{own}{path}") for path in ("", "/tracks", "/songs", "/consent")]
    return Sender(url, token_of(keys_file, "listener", listener), [*looks, Request("PUT", f"{own}/consent", given)])


def _listener(url: str, keys_file: Path, service: str) -> str:
    """A new listener of this service."""
    headers = {"Authorization": f"Bearer {token_of(keys_file, 'service', service)}"}
    answer = httpx.post(f"{url}/v1/listeners", json={}, headers=headers, timeout=PATIENCE_S)
    return str(answer.raise_for_status().json()["listener_id"])


def _rating(listener: str) -> dict[str, Any]:
    """Of no track: it is looked at and refused."""
    return {
        "specversion": "1.0",
        "type": "encore.rating.given",
        "id": str(uuid7()),
        "source": "a-player",
        "subject": listener,
        "time": datetime.now(UTC).isoformat(),
        "data": {"track_id": str(uuid7()), "stars": 5},
    }
