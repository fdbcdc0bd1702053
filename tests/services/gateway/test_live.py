"""A track is heard while it is made: one WAV stream that starts with the first part and ends with the track."""

import asyncio
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import soundfile

from schemas.generation import SAMPLE_RATE
from services.gateway import live
from services.gateway.blobs import Blobs
from tests.services.gateway.conftest import Gateway, until
from tests.services.gateway.engine import store_part
from tests.threads import ended


@pytest.fixture
def being_made(gateway: Gateway, listener_id: str) -> str:
    """The id of a track that the engine holds at its first step."""
    gateway.engine.paused = True
    track_id = str(gateway.ask(listener_id, seconds=30)["track_id"])
    until(lambda: bool(gateway.engine.asked))
    return track_id


def take(body: Iterator[bytes], count: int) -> bytes:
    taken = b""
    while len(taken) < count:
        taken += next(body)
    return taken


def test_parts_are_heard_as_they_come_and_the_stream_ends_with_the_track(gateway: Gateway, being_made: str) -> None:
    first = store_part(gateway.settings, being_made, 0, 100)
    with gateway.http.stream("GET", f"/v1/tracks/{being_made}/audio?live=1") as answer:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
        body = answer.iter_raw()
        heard = take(body, 44 + len(first))
        assert heard[44:] == first
        second = store_part(gateway.settings, being_made, 1, 200)
        heard += take(body, len(second))
        third = store_part(gateway.settings, being_made, 2, 300)
        gateway.engine.paused = False
        heard += b"".join(body)
    assert heard[44:] == first + second + third
    samples, rate = soundfile.read(io.BytesIO(heard), dtype="int16")
    assert (rate, len(samples)) == (SAMPLE_RATE, 6_000)
    assert [int(samples[at]) for at in (0, 2_000, 4_000)] == [100, 200, 300]


def test_a_listener_may_come_before_the_first_part(gateway: Gateway, being_made: str) -> None:
    answers: list[bytes] = []

    def listen() -> None:
        headers = {"Authorization": f"Bearer {gateway.token('service')}"}
        answers.append(
            httpx.get(f"{gateway.url}/v1/tracks/{being_made}/audio?live=1", headers=headers, timeout=60).content
        )

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    part = store_part(gateway.settings, being_made, 0, 7)
    gateway.engine.paused = False
    ended(listener)
    # Either there was time for the part or the track was finished by then: it is heard in both cases.
    assert answers[0][44:] == part or answers[0][:4] == b"fLaC"


def test_a_track_that_ends_without_parts_is_the_finished_audio(gateway: Gateway, listener_id: str) -> None:
    track_id = gateway.ask(listener_id, seconds=2)["track_id"]
    answer = gateway.http.get(f"/v1/tracks/{track_id}/audio?live=1")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/flac")
    assert answer.headers["accept-ranges"] == "bytes"
    again = gateway.http.get(f"/v1/tracks/{track_id}/audio?live=1", headers={"Range": "bytes=0-3"})
    assert (again.status_code, again.content) == (206, b"fLaC")


def test_who_waits_too_long_is_told_to_come_back(
    gateway: Gateway, being_made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "FIRST_S", 0.0)
    answer = gateway.http.get(f"/v1/tracks/{being_made}/audio?live=1")
    assert (answer.status_code, answer.headers["retry-after"]) == (409, "1")
    assert answer.json()["code"] == "track_not_ready"
    gateway.engine.paused = False


def test_a_cancelled_track_ends_the_stream(gateway: Gateway, being_made: str) -> None:
    part = store_part(gateway.settings, being_made, 0, 5)
    with gateway.http.stream("GET", f"/v1/tracks/{being_made}/audio?live=1") as answer:
        body = answer.iter_raw()
        take(body, 44 + len(part))
        gateway.http.delete(f"/v1/tracks/{being_made}")
        assert b"".join(body) == b""
    gateway.engine.paused = False


def test_old_parts_are_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "live"
    folder.mkdir()
    (folder / "x.0000.pcm").write_bytes(b"ab")
    blobs = Blobs(tmp_path.as_uri())
    assert asyncio.run(blobs.drop_abandoned()) == 0
    monkeypatch.setattr("services.gateway.blobs._ABANDONED_S", -1.0)
    assert asyncio.run(blobs.drop_abandoned()) == 1
    assert list(folder.iterdir()) == []
