"""A listener takes a song back: nothing follows it, nothing that learned from it is heard, its sound is gone."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from schemas.events import Arm
from schemas.generation import GenerationRequest
from services.gateway.assignment import Draw
from services.gateway.blobs import Blobs
from services.gateway.store import Store
from services.gateway.withdrawals import erase_withdrawn
from services.postgres import open_async_pool
from tests.services.gateway.conftest import Gateway, until
from tests.services.gateway.engine import wav


def brought(gateway: Gateway, listener_id: str, hertz: float) -> str:
    return str(gateway.upload(listener_id, wav(hertz=hertz)).json()["song_id"])


def take_back(gateway: Gateway, listener_id: str, song_id: str, **headers: str) -> httpx.Response:
    return gateway.http.delete(f"/v1/listeners/{listener_id}/songs/{song_id}", headers=headers)


def folder(gateway: Gateway, song_id: str) -> Path:
    return Path(gateway.settings.store_url.removeprefix("file://")) / "songs" / song_id


def fill(gateway: Gateway, song_id: str) -> Path:
    """What the engine would have stored, its noise included."""
    kept = folder(gateway, song_id)
    kept.mkdir(parents=True, exist_ok=True)
    for name in ("audio.flac", "features.safetensors", "noise.safetensors"):
        (kept / name).write_bytes(b"sound")
    return kept


def serve_version(gateway: Gateway, listener_id: str) -> None:
    """The listener hears a version that learned from the songs that are there now."""
    round_id = uuid4()
    with psycopg.connect(gateway.settings.postgres_dsn) as connection:
        connection.execute(
            "insert into training.rounds (round_id, status, listeners) values (%s, 'trained', %s)",
            (round_id, [UUID(listener_id)]),
        )
        connection.execute(
            "insert into training.adapters (listener_id, version, round_id, url, sha256, base_hash, rank,"
            " snapshot_sha256) values (%s, 1, %s, 'file:///a', %s, %s, 8, 'x')",
            (listener_id, round_id, "a" * 64, "b" * 64),
        )
        connection.execute(
            "insert into rollout.listener_models (listener_id, champion_version) values (%s, 1)", (listener_id,)
        )


def asked(gateway: Gateway, listener_id: str, arm: str) -> GenerationRequest:
    """The first request to the engine on this arm, of as many tracks as it takes."""
    for _ in range(120):  # the rarest comes but for one run in 10^8
        gateway.finished(gateway.ask(listener_id, seconds=2)["track_id"])
        if gateway.engine.asked[-1].arm == arm:
            return gateway.engine.asked[-1]
    raise AssertionError(f"no track on {arm}")


def test_neither_it_nor_what_learned_from_it_is_heard_again(gateway: Gateway, listener_id: str) -> None:
    kept, gone = brought(gateway, listener_id, 200), brought(gateway, listener_id, 210)
    serve_version(gateway, listener_id)
    before = asked(gateway, listener_id, "champion")
    assert before.adapter is not None
    assert any(gone in url for url in before.songs)
    asked(gateway, listener_id, "cold")
    stored = fill(gateway, gone)

    assert take_back(gateway, listener_id, gone).status_code == 204
    assert [song["song_id"] for song in gateway.http.get(f"/v1/listeners/{listener_id}/songs").json()] == [kept]
    assert not stored.exists()
    after = asked(gateway, listener_id, "champion")
    assert after.adapter is None
    assert [url.split("/")[-2] for url in after.songs] == [kept]
    assert [url.split("/")[-2] for url in asked(gateway, listener_id, "cold").songs] == [kept]
    assert take_back(gateway, listener_id, gone).status_code == 204
    deeds = [row for row in gateway.http.get("/v1/audit").json() if row["action"] == "song.withdrawn"]
    assert [row["subject"] for row in deeds] == [gone]


def test_a_version_from_before_the_song_or_from_after_its_withdrawal_stays(gateway: Gateway, listener_id: str) -> None:
    serve_version(gateway, listener_id)
    assert take_back(gateway, listener_id, brought(gateway, listener_id, 210)).status_code == 204
    assert asked(gateway, listener_id, "champion").adapter is not None


def test_tracks_in_the_making_that_follow_it_fail(
    gateway: Gateway, listener_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arms: Iterator[Arm] = iter(("champion", "base", "cold", "champion"))
    monkeypatch.setattr("services.gateway.wishes.draw_arm", lambda *_: Draw(next(arms), 0.25))
    song_id = brought(gateway, listener_id, 200)
    gateway.engine.paused = True
    waiting = [gateway.ask(listener_id, seconds=2)["track_id"] for _ in range(4)]
    until(lambda: bool(gateway.engine.asked))
    with psycopg.connect(gateway.settings.postgres_dsn) as connection:
        rows = connection.execute("select track_id, request -> 'songs' from gateway.tracks").fetchall()
    following = {str(track) for track, songs in rows if any(song_id in url for url in songs)}
    take_back(gateway, listener_id, song_id)
    gateway.engine.paused = False
    ended = {track: gateway.finished(track) for track in waiting}
    failed = {track for track, news in ended.items() if news.get("problem")}
    assert len(following) == 3  # all but the base's
    assert failed == following
    assert {ended[track]["problem"]["code"] for track in failed} == {"song_withdrawn"}


def test_anothers_song_is_not_found_and_stays(gateway: Gateway, listener_id: str) -> None:
    song_id, stranger = brought(gateway, listener_id, 200), gateway.listener()
    token = f"Bearer {gateway.token('listener', stranger)}"
    for owner in (listener_id, stranger):
        answer = take_back(gateway, owner, song_id, Authorization=token)
        assert answer.status_code == 404
    assert answer.json()["field"] == "song_id"
    assert len(gateway.http.get(f"/v1/listeners/{listener_id}/songs").json()) == 1


def test_the_same_bytes_may_come_again(gateway: Gateway, listener_id: str) -> None:
    take_back(gateway, listener_id, song_id := brought(gateway, listener_id, 200))
    again = gateway.upload(listener_id, wav(hertz=200))
    assert again.status_code == 201
    assert again.json()["song_id"] != song_id


class Away(Blobs):
    async def drop_song(self, song_id: UUID) -> None:
        raise OSError(f"the store is away, {song_id} stays")


def test_what_the_store_kept_while_it_was_away_is_removed_later(gateway: Gateway, listener_id: str) -> None:
    song_id = brought(gateway, listener_id, 200)
    take_back(gateway, listener_id, song_id)
    late = fill(gateway, song_id)  # as by an engine that still sought its noise

    async def tidied() -> int:
        async with open_async_pool(gateway.settings.postgres_dsn, size=1) as pool:
            store, blobs = Store(pool), Blobs(gateway.settings.store_url)
            assert await erase_withdrawn(store, blobs) == 0  # the engine may be writing still
            with pytest.raises(OSError, match="away"):
                await erase_withdrawn(store, Away(gateway.settings.store_url), after_s=0)
            assert late.exists()
            return await erase_withdrawn(store, blobs, after_s=0) + await erase_withdrawn(store, blobs, after_s=0)

    assert asyncio.run(tidied()) == 1
    assert not late.exists()
