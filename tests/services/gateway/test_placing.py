"""For whom a request held its place is known when it gives it back: of a service's, what it names; else who asks."""

from collections.abc import Callable, Hashable, Iterator
from datetime import UTC, datetime
from functools import partial

import httpx
import pytest

from services.gateway import app
from services.gateway.admission import Admission, Place
from services.gateway.placing import Placed
from services.gateway.settings import GatewaySettings
from services.identifiers import uuid7
from services.streams_memory import MemoryBroker
from tests.services.gateway.conftest import Gateway, running
from tests.services.gateway.engine import ToneEngine


class Watched(Admission):
    """Remembers whom the requests of each principal were for."""

    def __init__(self) -> None:
        super().__init__()
        self.served: list[tuple[str, Hashable]] = []

    async def place(self, owner: str, subject: Callable[[], Hashable] = lambda: None) -> Place:
        def said() -> Hashable:
            self.served.append((owner.partition(":")[0], subject()))
            return self.served[-1][1]

        return await super().place(owner, said)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    line = Watched()
    monkeypatch.setattr(app, "Placed", partial(Placed, admission=line))
    return line


@pytest.fixture
def gateway(
    watched: Watched,  # noqa: ARG001 - it is there before the gateway is
    settings: GatewaySettings,
    engine: ToneEngine,
    broker: MemoryBroker,
) -> Iterator[Gateway]:
    with running(settings, engine, broker) as started:
        yield started


def test_whom_a_service_asks_for_is_known_by_path_and_body(gateway: Gateway, watched: Watched) -> None:
    headers = {"Authorization": f"Bearer {gateway.token('service', 'product')}"}
    made = gateway.http.post("/v1/listeners", json={}, headers=headers).json()["listener_id"]
    wish = {"listener_id": made, "prompt": "a reel", "seconds": 2}
    rating = {
        "specversion": "1.0",
        "type": "encore.rating.given",
        "id": str(uuid7()),
        "source": "a-player",
        "subject": made,
        "time": datetime.now(UTC).isoformat(),
        "data": {"track_id": str(uuid7()), "stars": 5},
    }
    asked = [
        ("GET", f"/v1/listeners/{made}", None),
        ("GET", f"/v1/listeners/{made}/consent", None),
        ("POST", f"/v1/listeners/{made}/tokens", {}),
        ("POST", "/v1/tracks", wish),
        ("POST", "/v1/events", [rating]),
        ("DELETE", f"/v1/listeners/{made}", None),
    ]
    for method, path, body in asked:
        assert gateway.http.request(method, path, json=body, headers=headers).status_code < 300 or path == "/v1/events"
    assert watched.served == [("service", frozenset({made}))] * 7


def test_what_a_service_asks_of_a_listeners_tracks_is_for_that_listener(gateway: Gateway, watched: Watched) -> None:
    headers = {"Authorization": f"Bearer {gateway.token('service', 'product')}"}
    made = gateway.http.post("/v1/listeners", json={}, headers=headers).json()["listener_id"]
    wish = {"listener_id": made, "prompt": "a reel", "seconds": 2}
    four = gateway.http.post("/v1/fours", json=wish, headers=headers).raise_for_status().json()
    tracks = [track["track_id"] for track in four["tracks"]]
    watched.served.clear()
    for path in (
        f"/v1/fours/{four['four_id']}",
        *(f"/v1/tracks/{track}{of}" for track in tracks for of in ("", "/audio")),
    ):
        gateway.http.get(path, headers=headers)
    assert watched.served == [("service", frozenset({made}))] * 9


def test_ids_of_nothing_and_of_others_are_nobodys_whatever_they_are(gateway: Gateway, watched: Watched) -> None:
    """Or a service that makes them up would be served for a thousand listeners."""
    other = {"Authorization": f"Bearer {gateway.token('service', 'another-product')}"}
    foreign = gateway.http.post("/v1/listeners", json={}, headers=other).json()["listener_id"]
    watched.served.clear()
    headers = {"Authorization": f"Bearer {gateway.token('service', 'product')}"}
    for path in (f"/v1/listeners/{foreign}", f"/v1/listeners/{uuid7()}", *(f"/v1/tracks/{uuid7()}" for _ in "ab")):
        assert gateway.http.get(path, headers=headers).status_code == 404
    assert watched.served == [("service", frozenset())] * 4


def test_whoever_is_no_service_is_one_for_all_they_ask(gateway: Gateway, watched: Watched, listener_id: str) -> None:
    watched.served.clear()
    headers = {"Authorization": f"Bearer {gateway.token('listener', listener_id)}"}
    for path in (f"/v1/listeners/{listener_id}", f"/v1/tracks/{uuid7()}"):
        gateway.http.get(path, headers=headers)
    assert len(watched.served) == 2
    assert len(set(watched.served)) == 1


def test_a_stranger_has_a_place_by_a_code_that_was_given_and_by_none_that_was_guessed(
    gateway: Gateway, watched: Watched
) -> None:
    """Or who guesses, or never says it to the end, would be in the way of whoever comes by the same edge."""
    code = gateway.http.post("/v1/logins", json={"kind": "listener"}).raise_for_status().json()["code"]
    watched.served.clear()

    def status(said: str) -> int:
        return httpx.post(f"{gateway.url}/v1/sessions", json={"code": said}, timeout=60).status_code

    assert [status(said) for said in ("0123456789abcdefghijklmnopqrstuv", "a", "ä" * 40)] == [401] * 3
    assert watched.served == []
    assert [status(code), status(code)] == [201, 401]
    assert watched.served == [("login", None)] * 2
