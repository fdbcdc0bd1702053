"""Sound goes when its term is over: the row says so at once, the file follows, and all that was said of it stays."""

import asyncio
import io
import json
from datetime import timedelta
from pathlib import Path
from zipfile import ZipFile

import psycopg
import pytest

from services.gateway.blobs import Blobs
from services.gateway.retention import Kind, erase, expire
from services.gateway.settings import GatewaySettings
from services.gateway.store import Store
from services.gateway.terms import MEASURED_S, Terms
from services.postgres import open_async_pool
from services.streams_memory import MemoryBroker
from tests.services.gateway.conftest import Gateway, running
from tests.services.gateway.engine import ToneEngine

DAY_S = 86_400.0


@pytest.fixture(autouse=True)
def _said_by_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the gateway tidies when it starts is not what a test has just made old."""

    async def nothing(*_: object) -> dict[Kind, int]:
        return {"tracks": 0, "songs": 0}

    monkeypatch.setattr("services.gateway.tidying.expire", nothing)


class Away(Blobs):
    """It was killed here, or its store went away."""

    async def drop(self, url: str) -> None:
        raise OSError(f"the store is away, {url} stays")


def noted(gateway: Gateway, terms: Terms) -> dict[Kind, int]:
    async def run() -> dict[Kind, int]:
        async with open_async_pool(gateway.settings.postgres_dsn, size=1) as pool:
            return await expire(Store(pool), terms)

    return asyncio.run(run())


def erased(gateway: Gateway, kind: type[Blobs] = Blobs, after_s: float = 0.0) -> dict[Kind, int]:
    async def run() -> dict[Kind, int]:
        async with open_async_pool(gateway.settings.postgres_dsn, size=1) as pool:
            return await erase(Store(pool), kind(gateway.settings.store_url), after_s)

    return asyncio.run(run())


def made(gateway: Gateway, listener_id: str, days_ago: int) -> str:
    """A ready track that was finished so long ago."""
    track_id = str(gateway.ask(listener_id, seconds=2)["track_id"])
    gateway.finished(track_id)
    aged(gateway, "update gateway.tracks set finished_at = now() - make_interval(days => %s) where track_id = %s",
         days_ago, track_id)  # fmt: skip
    return track_id


def aged(gateway: Gateway, statement: str, days: int, named: str) -> None:
    with psycopg.connect(gateway.settings.postgres_dsn) as connection:
        connection.execute(statement.encode(), (days, named))


def file(gateway: Gateway, key: str) -> Path:
    return Path(gateway.settings.store_url.removeprefix("file://")) / key


def test_a_track_whose_term_is_over_answers_gone_and_its_file_follows(gateway: Gateway, listener_id: str) -> None:
    old, young = made(gateway, listener_id, 31), made(gateway, listener_id, 29)
    path, etag = f"/v1/tracks/{old}/audio", gateway.http.get(f"/v1/tracks/{old}/audio").headers["etag"]
    assert noted(gateway, Terms(tracks_s=30 * DAY_S, songs_s=None)) == {"tracks": 1, "songs": 0}
    for headers in ({}, {"Range": "bytes=0-3"}, {"If-None-Match": etag}):
        answer = gateway.http.get(path, headers=headers)
        assert answer.status_code == 410, answer.text
        assert {key: answer.json()[key] for key in ("code", "field")} == {"code": "audio_expired", "field": "track_id"}
    assert gateway.http.head(path).status_code == 410
    assert gateway.http.get(path, params={"live": 1}).status_code == 410
    assert erased(gateway, after_s=300) == {"tracks": 0, "songs": 0}  # somebody may be in the middle of it
    assert file(gateway, f"tracks/{old}/audio.flac").exists()
    assert erased(gateway) == {"tracks": 1, "songs": 0}
    assert not file(gateway, f"tracks/{old}/audio.flac").exists()
    assert gateway.http.get(path).status_code == 410
    assert gateway.http.get(f"/v1/tracks/{young}/audio").status_code == 200
    told = {track["track_id"]: track for track in gateway.http.get(f"/v1/listeners/{listener_id}/tracks").json()}
    assert told[old]["status"] == told[young]["status"] == "ready"
    assert told[old]["audio_expired_at"] is not None
    assert told[young]["audio_expired_at"] is None
    (entry,) = [row for row in gateway.http.get("/v1/audit").json() if row["action"] == "audio.expired"]
    assert entry["detail"]["tracks"] == 1


def test_a_browser_keeps_sound_no_longer_than_we_do(
    settings: GatewaySettings, engine: ToneEngine, broker: MemoryBroker
) -> None:
    with running(settings.model_copy(update={"track_audio_days": 30.0}), engine, broker) as gateway:
        track_id = str(gateway.ask(gateway.listener(), seconds=2)["track_id"])
        gateway.finished(track_id)
        told = gateway.http.get(f"/v1/tracks/{track_id}/audio").headers["cache-control"]
    assert 29 * DAY_S < int(told.split("max-age=")[1].split(",")[0]) <= 30 * DAY_S
    term = Terms(tracks_s=30 * DAY_S)
    assert term.cached_s(timedelta(days=29)) == DAY_S
    assert term.cached_s(timedelta(days=31)) == 0
    assert Terms(tracks_s=None).cached_s(timedelta(days=400)) == 365 * DAY_S


def test_what_was_left_by_a_kill_is_found_again_and_nothing_is_done_twice(gateway: Gateway, listener_id: str) -> None:
    track, terms = made(gateway, listener_id, 2), Terms(tracks_s=DAY_S, songs_s=None)
    assert noted(gateway, terms)["tracks"] == 1
    assert noted(gateway, terms)["tracks"] == 0
    with pytest.raises(OSError, match="away"):
        erased(gateway, Away)
    assert file(gateway, f"tracks/{track}/audio.flac").exists()
    file(gateway, f"tracks/{track}/audio.flac").unlink()  # the file went, and the note of it was never written
    assert erased(gateway)["tracks"] == 1
    assert erased(gateway)["tracks"] == 0


def test_without_a_term_tracks_are_kept_and_an_unfinished_one_never_expires(gateway: Gateway, listener_id: str) -> None:
    track = made(gateway, listener_id, 3000)
    assert noted(gateway, Terms(tracks_s=None, songs_s=None)) == {"tracks": 0, "songs": 0}
    aged(gateway, "update gateway.tracks set status = 'failed' where %s > 0 and track_id = %s", 1, track)
    assert noted(gateway, Terms(tracks_s=DAY_S, songs_s=None)) == {"tracks": 0, "songs": 0}


def test_a_songs_sound_goes_once_it_is_measured_and_what_it_taught_stays(gateway: Gateway, listener_id: str) -> None:
    song = str(gateway.upload(listener_id).json()["song_id"])
    folder = file(gateway, f"songs/{song}")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("audio.flac", "features-0.safetensors", "noise.safetensors"):
        (folder / name).write_bytes(b"what the engine would have stored")
    assert noted(gateway, Terms(tracks_s=None)) == {"tracks": 0, "songs": 0}
    aged(gateway, "update gateway.songs set created_at = now() - make_interval(days => %s) where song_id = %s", 1, song)
    assert noted(gateway, Terms(tracks_s=None)) == {"tracks": 0, "songs": 1}
    assert erased(gateway) == {"tracks": 0, "songs": 1}
    assert {path.name for path in folder.iterdir()} == {"features-0.safetensors", "noise.safetensors"}
    assert [each["song_id"] for each in gateway.http.get(f"/v1/listeners/{listener_id}/songs").json()] == [song]
    gateway.finished(gateway.ask(listener_id, seconds=2)["track_id"])


def test_an_export_names_what_is_kept_no_longer(gateway: Gateway, listener_id: str) -> None:
    old, young = made(gateway, listener_id, 2), made(gateway, listener_id, 0)
    noted(gateway, Terms(tracks_s=DAY_S))
    archive = ZipFile(io.BytesIO(gateway.http.get(f"/v1/listeners/{listener_id}/export").content))
    manifest = json.loads(archive.read("manifest.json"))
    assert manifest["expired"] == [f"tracks/{old}/audio.flac"]
    assert f"tracks/{old}/audio.flac" not in manifest["missing"]
    assert f"tracks/{young}/audio.flac" in archive.namelist()
    assert f"tracks/{old}/audio.flac" not in archive.namelist()
    assert manifest["song_audio_kept_for"] is None


@pytest.mark.parametrize(
    ("days", "purpose", "terms"),
    [(0.0, "", Terms(None, MEASURED_S)), (30.0, "listeners hear their songs", Terms(30 * DAY_S, None))],
)
def test_the_settings_say_the_terms(settings: GatewaySettings, days: float, purpose: str, terms: Terms) -> None:
    said = settings.model_copy(update={"track_audio_days": days, "song_audio_purpose": purpose})
    assert said.terms == terms
