"""How long the stores of ours take to erase a listener, and what is left of them.

    python -m tests.benchmarks.erasure --postgres DSN [--tracks 500]

A listener with --tracks tracks, each with its files, heard and rated, four songs, three rounds and a canary is
erased beside another who has as much: by the code of each process, one after the other. The DSN's user must be allowed
to create databases; one is made, and dropped. Then every table and file is searched for the ids of what was theirs.
"""

import argparse
import asyncio
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg

from schemas.blobs import Store as Files
from schemas.events import Heard, Playback, PlayEvent, Rating, RatingEvent, TrackMade, TrackMadeEvent
from schemas.registry import CANDIDATE, model_name
from services.aggregator.batch import sort_out
from services.aggregator.eraser import Eraser
from services.aggregator.fold import Event
from services.aggregator.store import Store as Feedback
from services.aggregator.trace import belongings, in_files, in_tables
from services.aggregator.traces import Trace
from services.gateway.blobs import Blobs
from services.gateway.erasures import erase, go_on
from services.gateway.store import Store
from services.identifiers import uuid7
from services.postgres import open_async_pool, open_pool
from services.principals.principal import SCOPES, Principal
from services.rollout.erasing import erase as erase_in_rollout
from services.streams import Message, TopicPartition
from tests.benchmarks.aggregator import database
from tests.services.aggregator.samples import message_of
from tests.services.rollout.memory_registry import MemoryRegistry
from tests.training.test_erasing import trained
from training.blobs import Blobs as FactoryBlobs
from training.erasing import erase as erase_in_factory
from training.store import Store as FactoryStore

OPERATOR: Final = Principal("operator", "anna", "k", SCOPES["operator"])
HEARTBEATS: Final = 10
SONGS: Final = 4
ROUNDS: Final = 3


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", required=True, metavar="DSN")
    parser.add_argument("--tracks", type=int, default=500)
    chosen = parser.parse_args(arguments)
    with database(chosen.postgres) as dsn, tempfile.TemporaryDirectory() as folder:
        seconds, before, after = measured(dsn, Path(folder), chosen.tracks)
    for step, took in seconds.items():
        sys.stdout.write(f"{took:8.2f} s  {step}\n")
    sys.stdout.write(f"{sum(seconds.values()):8.2f} s  all of it\n")
    sys.stdout.write(f"traces: {sum(each.rows for each in before)} rows and files in {len(before)} places before\n")
    sys.stdout.write(f"afterwards: {', '.join(f'{each.rows} in {each.place}' for each in after) or 'none'}\n")


def measured(dsn: str, folder: Path, tracks: int) -> tuple[Mapping[str, float], list[Trace], list[Trace]]:
    """Seconds by step, and the traces before and after."""
    who, files = uuid7(), Files(f"file://{folder}/store")
    registry = MemoryRegistry()
    with psycopg.connect(dsn, autocommit=True) as owner, open_pool(dsn) as pool:
        for listener in (who, uuid7()):
            live(owner, files, registry, listener, tracks)
            fold_all(Feedback(pool), listener, owner)
        ids = belongings(pool, who)
        before = [*in_tables(pool, ids), *in_files(files, ids)]
        seconds: dict[str, float] = {}

        def timed(step: str, call: Callable[[], object]) -> None:
            began = time.perf_counter()
            call()
            seconds[step] = seconds.get(step, 0.0) + time.perf_counter() - began

        timed("gateway: the ask, with its own rows", lambda: asyncio.run(asked(dsn, who)))
        timed("gateway: files and audit", lambda: asyncio.run(gone_on(dsn, files.address)))
        timed("aggregator", Eraser(pool, threading.Event()).turn)
        timed("rollout", lambda: erase_in_rollout(pool, registry))
        with FactoryStore(dsn) as store:
            factory = FactoryBlobs(files.address)
            timed("factory", lambda: erase_in_factory(store, factory, folder / "factory"))
        timed("gateway: files and audit", lambda: asyncio.run(gone_on(dsn, files.address)))
        return seconds, before, [*in_tables(pool, ids), *in_files(files, ids)]


async def asked(dsn: str, who: UUID) -> None:
    async with open_async_pool(dsn, size=1) as pool:
        assert await erase(Store(pool), OPERATOR, who, "measured") is not None


async def gone_on(dsn: str, store_url: str) -> None:
    async with open_async_pool(dsn, size=1) as pool:
        await go_on(Store(pool), Blobs(store_url))


def live(owner: Any, files: Files, registry: MemoryRegistry, who: UUID, tracks: int) -> None:
    """What the gateway, the factory and rollout hold of a listener who has been there for an hour."""
    owner.execute("insert into gateway.listeners (listener_id) values (%s)", (who,))
    for _ in range(SONGS):
        song = uuid7()
        owner.execute(
            "insert into gateway.songs (song_id, listener_id, filename, upload_sha256, seconds, sha256, loudness_lufs,"
            " audio_url, features_url, created_at)"
            " values (%(id)s, %(who)s, 'a.wav', %(id)s, 7, 'x', -14, %(url)s, %(url)s, now() - interval '1 hour')",
            {"id": song, "who": who, "url": files.url(f"songs/{song}/audio.flac")},
        )
        kept(files, f"songs/{song}", "audio.flac", "features.safetensors", "noise.safetensors")
    for _ in range(tracks):
        track = uuid7()
        owner.execute(
            "insert into gateway.tracks (track_id, listener_id, prompt, seconds, seed, arm, propensity, request,"
            " status, audio_url, features_url)"
            " values (%(id)s, %(who)s, 'a reel', 10, 1, 'cold', 1, '{}', 'ready', %(url)s, %(url)s)",
            {"id": track, "who": who, "url": files.url(f"tracks/{track}/audio.flac")},
        )
        kept(files, f"tracks/{track}", "audio.flac", "features.safetensors")
    for _ in range(ROUNDS):
        trained(owner, FactoryBlobs(files.address), who)
        registry.register(model_name(who))
    registry.point(model_name(who), CANDIDATE, 1)
    release = uuid7()
    owner.execute(
        "insert into rollout.releases (release_id, round_id, status, salt, plan) values (%s, %s, 'held', 'x', '{}')",
        (release, uuid7()),
    )
    owner.execute("insert into rollout.members values (%s, %s, 1)", (release, who))
    owner.execute("insert into rollout.listener_models (listener_id, champion_version) values (%s, 1)", (who,))
    owner.execute(
        "insert into rollout.decisions (decision_id, release_id, look, verdict, reason, inputs)"
        " values (%s, %s, 1, 'hold', 'x', jsonb_build_object('evidence', %s::text))",
        (uuid7(), release, str(who)),
    )
    owner.execute(
        "insert into audit.entries (entry_id, kind, name, action, subject) values (%s, 'listener', %s, 'x', %s)",
        (uuid7(), str(who), str(who)),
    )


def kept(files: Files, folder: str, *names: str) -> None:
    for name in names:
        files.write_once(files.url(f"{folder}/{name}"), b"sound")


def fold_all(feedback: Feedback, who: UUID, owner: Any) -> None:
    """Every track of the listener was made, heard and rated, and the aggregator has folded it."""
    rows = owner.execute("select track_id from gateway.tracks where listener_id = %s", (who,)).fetchall()
    events = [event for (track,) in rows for event in heard(who, track)]
    reached: dict[TopicPartition, int] = {}
    messages = []
    for event in events:
        topic, key, value, _ = message_of(event)
        place = TopicPartition(topic, who.int % 6)
        messages.append(Message(*place, reached.get(place, 0), key, value, 0))
        reached[place] = messages[-1].next_offset
    batch = sort_out(messages)
    with feedback._pool.connection() as connection:
        feedback.refold(connection, batch.arrivals)


def heard(who: UUID, track: UUID) -> list[Event]:
    at = datetime.now(UTC) - timedelta(minutes=30)
    made = TrackMade(
        track_id=track, arm="cold", propensity=1, prompt="a reel", seconds=10, features_url="file:///x", sha256="0" * 64
    )  # fmt: skip
    found: list[Event] = [TrackMadeEvent(id=uuid7(), source="encore/gateway", subject=who, time=at, data=made)]
    for number in range(HEARTBEATS):
        stretch = Heard(from_ms=1_000 * number, to_ms=1_000 * (number + 1))
        played = Playback(play_id=uuid7(), track_id=track, position_ms=stretch.to_ms, heard=stretch)
        found.append(PlayEvent(id=uuid7(), source="b", subject=who, time=at, type="encore.play.heartbeat", data=played))
    return [*found, RatingEvent(id=uuid7(), source="b", subject=who, time=at, data=Rating(track_id=track, stars=4))]


if __name__ == "__main__":
    main(sys.argv[1:])
