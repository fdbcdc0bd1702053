"""A flooding principal is told to wait; whoever is beside them is not."""

import io
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import soundfile

from schemas.generation import MAX_SONG_BYTES, MAX_SONG_SECONDS
from services.gateway import budgets
from services.gateway.settings import GatewaySettings
from services.identifiers import uuid7
from services.streams_memory import MemoryBroker
from tests.services.gateway.conftest import Gateway, running
from tests.services.gateway.engine import ToneEngine
from tests.services.gateway.ledgers import Clock

SMALL = {
    "budget_refill_s": 100.0,
    "budget_requests": 20,
    "budget_audio_s": 240.0,
    "budget_upload_bytes": MAX_SONG_BYTES,
    "budget_upload_s": MAX_SONG_SECONDS,
    "budget_streams": 1,
    "budget_events": 500,
    "budget_service_factor": 5.0,
}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def small(settings: GatewaySettings, engine: ToneEngine, broker: MemoryBroker, clock: Clock) -> Iterator[Gateway]:
    with running(settings.model_copy(update=SMALL), engine, broker, clock) as started:
        yield started


def ask(small: Gateway, listener_id: str, path: str | None = None, **request: Any) -> httpx.Response:
    """A GET of the path, or what the request says, with the listener's own token."""
    headers = {"Authorization": f"Bearer {small.token('listener', listener_id)}"}
    method = request.pop("method", "GET")
    return small.http.request(method, path or f"/v1/listeners/{listener_id}", headers=headers, **request)


def assert_over(answer: httpx.Response, budget: str, left: str) -> int:
    """It is refused for this budget; the seconds to wait."""
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["field"]) == (429, "over_budget", budget), answer.text
    assert left in problem["message"], problem
    return int(answer.headers["Retry-After"])


def test_a_flooding_listener_waits_alone_and_is_served_again(small: Gateway, clock: Clock) -> None:
    flooding, other = small.listener(), small.listener()
    answers = [ask(small, flooding) for _ in range(21)]
    assert [answer.status_code for answer in answers] == [200] * 20 + [429]
    wait = assert_over(answers[-1], "requests", "The listener's budget of requests is spent: 0 of 20 are left")
    assert ask(small, other).status_code == 200
    assert small.http.get("/v1/releases").status_code == 200  # as an operator
    assert small.http.get(f"/v1/listeners/{flooding}").status_code == 200  # as the service
    clock.move(wait)
    assert ask(small, flooding).status_code == 200


def test_a_service_has_more_and_an_end_too(small: Gateway) -> None:
    listener = small.listener()
    answers = [small.http.get(f"/v1/listeners/{listener}") for _ in range(100)]
    assert [answer.status_code for answer in answers] == [200] * 99 + [429]
    assert_over(answers[-1], "requests", "0 of 100 are left")
    assert ask(small, listener).status_code == 200


def test_sound_that_a_service_asks_for_is_the_listeners_too(small: Gateway, clock: Clock) -> None:
    listener, other = small.listener(), small.listener()
    small.engine.paused = True  # nobody waits for the minutes of sound
    for _ in range(2):
        small.ask(listener, prompt="a reel", seconds=120, twin=False)
    wish = {"listener_id": listener, "prompt": "a reel", "seconds": 60}
    assert_over(small.http.post("/v1/tracks", json=wish), "audio_seconds", "0 of 240 are left")
    own = ask(small, listener, "/v1/tracks", method="POST", json=wish)
    wait = assert_over(own, "audio_seconds", "0 of 240 are left")
    assert wait == 25
    small.ask(other, prompt="a reel", seconds=2)
    clock.move(wait)
    small.ask(listener, prompt="a reel", seconds=60)
    small.engine.paused = False


def test_who_is_not_ones_own_pays_nothing(small: Gateway) -> None:
    listener = small.listener()
    stranger = {"Authorization": f"Bearer {small.token('service', 'another')}"}
    wish = {"listener_id": listener, "prompt": "a reel", "seconds": 120}
    answers = [small.http.post("/v1/tracks", json=wish, headers=stranger) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [404] * 3
    assert ask(small, listener, "/v1/tracks", method="POST", json=wish).status_code == 202


def test_bytes_are_paid_before_they_are_read(small: Gateway, clock: Clock) -> None:
    listener = small.listener()
    assert small.upload(listener).status_code == 201
    answer = begun_upload(small, listener)
    clock.move(assert_over(answer, "upload_bytes", f"of {MAX_SONG_BYTES} are left"))
    assert small.upload(listener).status_code == 200


def silence(seconds: float, number: int) -> bytes:
    """A small song of this length; other bytes for each number."""
    file = io.BytesIO()
    soundfile.write(file, np.full(int(seconds * 8_000), number / 128), 8_000, format="WAV", subtype="PCM_U8")
    return file.getvalue()


def sent_song(small: Gateway, listener_id: str, content: bytes) -> httpx.Response:
    """The answer to an upload with the listener's own token."""
    files = {"file": ("song.wav", content, "audio/wav")}
    return ask(small, listener_id, f"/v1/listeners/{listener_id}/songs", method="POST", files=files)


def kept(small: Gateway) -> set[str]:
    """Every file in the store."""
    root = Path(small.settings.store_url.removeprefix("file://"))
    return {str(file) for file in root.rglob("*") if file.is_file()}


def test_a_song_longer_than_what_is_left_is_not_kept(small: Gateway, clock: Clock) -> None:
    listener, other = small.listener(), small.listener()
    assert sent_song(small, listener, silence(400, 1)).status_code == 201
    before = kept(small)
    answer = sent_song(small, listener, silence(300, 2))
    wait = assert_over(
        answer, "upload_seconds", "The listener's budget of upload_seconds is spent: 199 of 600 are left"
    )
    assert kept(small) == before
    assert len(ask(small, listener, f"/v1/listeners/{listener}/songs").json()) == 1
    assert small.upload(other).status_code == 201
    clock.move(wait + 1)  # what its try cost
    assert sent_song(small, listener, silence(300, 2)).status_code == 201


def test_without_seconds_left_the_engine_is_not_asked(small: Gateway) -> None:
    listener = small.listener()
    assert sent_song(small, listener, silence(300, 1)).status_code == 201
    assert small.upload(listener, silence(299.5, 2)).status_code == 201  # by the service, which has more
    asked = len(small.engine.songs)
    assert_over(small.upload(listener, silence(1, 3)), "upload_seconds", "The listener's budget of upload_seconds")
    assert_over(sent_song(small, listener, silence(1, 3)), "upload_seconds", "0 of 600 are left")
    assert len(small.engine.songs) == asked


def begun_upload(small: Gateway, listener_id: str) -> httpx.Response:
    """The answer to the head of an upload of the largest size, of which no byte is sent."""
    connection = HTTPConnection(urlsplit(small.url).netloc, timeout=60)
    connection.putrequest("POST", f"/v1/listeners/{listener_id}/songs")
    connection.putheader("Authorization", f"Bearer {small.token('listener', listener_id)}")
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.putheader("Content-Length", str(MAX_SONG_BYTES))
    connection.endheaders()
    with closing(connection), connection.getresponse() as answer:
        return httpx.Response(answer.status, headers=answer.getheaders(), content=answer.read())


def test_events_are_counted_for_sender_and_listener(small: Gateway, clock: Clock) -> None:
    listener, other = small.listener(), small.listener()
    batch = [rating(listener)] * 300
    assert small.http.post("/v1/events", json=batch).status_code == 422  # of no track, and paid for
    wait = assert_over(small.http.post("/v1/events", json=batch), "events", "200 of 500 are left")
    assert small.http.post("/v1/events", json=[rating(other)]).status_code == 422
    clock.move(wait)
    assert small.http.post("/v1/events", json=batch).status_code == 422


def rating(listener_id: str) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "type": "encore.rating.given",
        "id": str(uuid7()),
        "source": "a-player",
        "subject": listener_id,
        "time": datetime.now(UTC).isoformat(),
        "data": {"track_id": str(uuid7()), "stars": 5},
    }


def test_streams_last_as_long_as_their_seconds(small: Gateway, clock: Clock) -> None:
    listener = small.listener()
    track = small.ask(listener, prompt="a reel", seconds=2)
    path = f"/v1/tracks/{track['track_id']}/events"
    answers = [ask(small, listener, path) for _ in range(7)]  # each of 15 of 100 seconds
    assert [answer.status_code for answer in answers] == [200] * 6 + [429]
    assert "event: ready" in answers[0].text
    clock.move(assert_over(answers[-1], "stream_seconds", "10 of 100 are left"))
    assert ask(small, listener, path).status_code == 200


def test_an_open_stream_ends_when_it_cannot_be_paid(
    settings: GatewaySettings, engine: ToneEngine, broker: MemoryBroker, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budgets, "STREAM_SLICE_S", 0.4)
    engine.paused = True
    try:
        # One second of streams, which never comes back: the clock stands still.
        with running(settings.model_copy(update=SMALL | {"budget_refill_s": 1.0}), engine, broker, clock) as small:
            listener = small.listener()
            path = f"/v1/tracks/{small.ask(listener, seconds=2)['track_id']}/events"
            answer = ask(small, listener, path)
            assert answer.status_code == 200
            assert "event: queued" in answer.text
            assert "event: ready" not in answer.text
            assert "event: failed" not in answer.text
            assert_over(ask(small, listener, path), "stream_seconds", "0 of 1 are left")
    finally:
        engine.paused = False
