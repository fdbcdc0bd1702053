"""How long a running stack takes to erase a listener, store by store, and what is left of them anywhere.

    python -m tests.benchmarks.erasure_stack [--tracks 500] [--made 60]

Starts a whole stack of its own, with Kafka, PostgreSQL, MLflow, Ray, the engine and every process, and takes it down. A
listener of it has three songs and --tracks tracks of two seconds: --made of them are asked for and made by the engine,
the others are brought in as the stores hold them, as copies under ids of their own: row, files and `track.made` in the
log, sealed with the listener's key. All are played and rated through the API. Then there is a round, until a version of
the listener is in MLflow, and the canary asks for a few tracks more. The listener's songs are dated back by an hour, as
of somebody who has been there for a while: one whose songs have just come is waited for five minutes.

Then `DELETE /v1/listeners/{listener_id}`: for each store the seconds from the ask until it has confirmed, and what
`./encore trace` finds of all that was theirs, before and afterwards.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree
from typing import Any, Final
from uuid import UUID

import httpx
import psycopg

from schemas.erasures import ErasureView
from schemas.events import TrackMade, TrackMadeEvent
from services.aggregator.trace import belongings
from services.gateway.log_keys import LogKeys
from services.gateway.main import outbox_to
from services.gateway.outbox import outgoing
from services.gateway.store import Store
from services.identifiers import uuid7
from services.postgres import open_async_pool, open_pool
from tests.serving.sounds import encoded, melody
from tests.stacks import RunningStack, clean_environment, start, temporary_home
from training.study.client import Client, event

SECONDS: Final = 2.0
SONGS: Final = 3
HEARTBEATS: Final = 10
AT_ONCE: Final = 8
IN_CANARY: Final = 6
ROUNDS: Final = 3
BATCH: Final = 500
PATIENCE_S: Final = 900.0
LOOK_S: Final = 0.2
# Rounds when they are asked for, and none by itself meanwhile.
SETTINGS: Final = {"ENCORE_FACTORY_MIN_RATINGS": "100000", "ENCORE_FACTORY_UPLOAD_WAIT_S": "86400"}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=500)
    parser.add_argument("--made", type=int, default=60, help="of them made by the engine")
    chosen = parser.parse_args(arguments)
    with temporary_home() as home:
        asyncio.run(measure(start(home, settings=SETTINGS), chosen.tracks, min(chosen.made, chosen.tracks)))


async def measure(stack: RunningStack, tracks: int, made: int) -> None:
    """Prints how long each store took, and the traces before and after."""
    client = Client(stack.gateway_url, stack.token("service", "a-product"), stack.token("operator"))
    try:
        who = (await client.create_listener({})).listener_id
        await live(stack, client, who, tracks, made)
    finally:
        await client.close()
    with open_pool(stack.postgres_dsn) as pool:
        ids = belongings(pool, who)
    before = traced(stack, who, ids)
    tell(f"before: {len(before) - 1} places; {before[-1]}")
    job = await asyncio.to_thread(erased, stack, who)
    for step in sorted(job.steps, key=lambda each: (each.confirmed_at is None, each.confirmed_at)):
        took = f"{(step.confirmed_at - job.asked_at).total_seconds():8.2f} s" if step.confirmed_at else "    open  "
        tell(f"{took}  {step.store} {step.waits_for or ''}".rstrip())
    tell("afterwards: " + "; ".join(traced(stack, who, ids)))


async def live(stack: RunningStack, client: Client, who: UUID, tracks: int, made: int) -> None:
    """What a listener has who was there for a while, with a version that learned from it."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(SONGS):
            song = Path(folder) / f"{number}.flac"
            song.write_bytes(encoded(melody(8 + number), kind="FLAC"))
            await client.upload(who, song)
    began = time.monotonic()
    there = await asked_for(client, who, made)
    tell(f"{(time.monotonic() - began) / max(made, 1):8.2f} s for a track by the engine, {AT_ONCE} at once")
    copies = await brought(stack, who, there, tracks - made - IN_CANARY)
    await heard(client, who, [*there, *copies])
    with psycopg.connect(stack.postgres_dsn, autocommit=True) as owner:

        def count(query: str) -> int:
            row = owner.execute(query.encode(), {"who": who}).fetchone()
            return 0 if row is None else int(row[0])

        await until("all is folded", lambda: count(_RATED) == len(there) + len(copies))
        for _ in range(ROUNDS):
            await client.start_round()
            await until("the round has ended", lambda: count(_TO_DO) == 0)
            if count(_VERSIONS):
                break
        else:
            raise SystemExit(f"none of {ROUNDS} rounds left a version of the listener")
        await until("the canary has begun", lambda: count(_MEMBERS) == 1)
        await heard(client, who, await asked_for(client, who, IN_CANARY))
        owner.execute(_AGED, {"who": who})


_RATED: Final = (
    "select count(*) from feedback.ratings join feedback.tracks t using (track_id) where t.listener_id = %(who)s"
)
_TO_DO: Final = """
select (select count(*) from gateway.round_requests where request_id not in (select request_id from training.fulfilled))
     + (select count(*) from training.rounds where status = 'running')
"""
_VERSIONS: Final = "select count(*) from training.adapters where listener_id = %(who)s"
_MEMBERS: Final = "select count(*) from rollout.members where listener_id = %(who)s"
_AGED: Final = "update gateway.songs set created_at = created_at - interval '1 hour' where listener_id = %(who)s"
_COPY: Final = """
insert into gateway.tracks
select (jsonb_populate_record(null::gateway.tracks,
                              replace(to_jsonb(t)::text, %(of)s::text, %(id)s::text)::jsonb)).*
from gateway.tracks t where track_id = %(of)s
returning prompt, seconds, features_url, sha256, arm, propensity
"""


async def asked_for(client: Client, who: UUID, count: int) -> list[UUID]:
    """So many tracks that the engine has made."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> UUID:
        async with turns:
            asked = await client.ask(who, ("a reel with fiddle", "a slow air", "a jig")[number % 3], SECONDS)
            track = await client.ready(who, asked.track_id)
        if track.status != "ready":
            raise SystemExit(f"a track failed: {track.problem}")
        return track.track_id

    return list(await asyncio.gather(*map(one, range(count))))


async def brought(stack: RunningStack, who: UUID, there: Sequence[UUID], count: int) -> list[UUID]:
    """So many copies of tracks that are there, in every store that the gateway keeps them in."""
    blobs, copies, events = stack.home.blobs / "tracks", [uuid7() for _ in range(count)], []
    with psycopg.connect(stack.postgres_dsn) as owner:
        for number, copy in enumerate(copies):
            of = there[number % len(there)]
            copytree(blobs / str(of), blobs / str(copy))
            row = owner.execute(_COPY.encode(), {"of": of, "id": copy}).fetchone()
            assert row is not None
            events.append(made_event(who, copy, *row))
    outbox = outbox_to(stack.kafka_bootstrap)
    async with open_async_pool(stack.postgres_dsn, size=1) as pool:
        await outbox.tell(await LogKeys(Store(pool)).sealed(map(outgoing, events)))
    await outbox.aclose()
    return copies


def made_event(
    who: UUID, track_id: UUID, prompt: str, seconds: float, features_url: str, sha256: str, arm: Any, propensity: float
) -> TrackMadeEvent:
    data = TrackMade(
        track_id=track_id,
        arm=arm,
        propensity=propensity,
        prompt=prompt,
        seconds=seconds,
        features_url=features_url,
        sha256=sha256,
    )
    return TrackMadeEvent(id=uuid7(), source="encore/gateway", subject=who, time=datetime.now(UTC), data=data)


async def heard(client: Client, who: UUID, tracks: Sequence[UUID]) -> None:
    """Each is played to its end and rated, through the API."""
    sent = [each for number, track in enumerate(tracks) for each in of_one(who, track, 1 + number % 5)]
    for begin in range(0, len(sent), BATCH):
        result = await client.send(who, sent[begin : begin + BATCH])
        assert not result.rejected, result.rejected[0]


def of_one(who: UUID, track: UUID, stars: int) -> Iterable[dict[str, Any]]:
    now, play, step = datetime.now(UTC), str(uuid7()), int(1000 * SECONDS) // HEARTBEATS
    for number in range(HEARTBEATS):
        stretch = {"from_ms": number * step, "to_ms": (number + 1) * step}
        played = {"play_id": play, "track_id": str(track), "position_ms": stretch["to_ms"], "heard": stretch}
        yield event("encore.play.heartbeat", who, now, played)
    yield event("encore.rating.given", who, now, {"track_id": str(track), "stars": stars})


def erased(stack: RunningStack, who: UUID) -> ErasureView:
    """The job when every store has confirmed, or when patience has ended."""
    headers = {"Authorization": f"Bearer {stack.token('operator')}"}
    with httpx.Client(base_url=stack.gateway_url, headers=headers, timeout=60) as http:
        answer = http.delete(f"/v1/listeners/{who}", params={"reason": "measured"}).raise_for_status()
        limit = time.monotonic() + PATIENCE_S
        while True:
            job = ErasureView.model_validate_json(http.get(answer.headers["Location"]).raise_for_status().content)
            if job.done_at is not None or time.monotonic() > limit:
                return job
            time.sleep(LOOK_S)


def traced(stack: RunningStack, who: UUID, ids: Iterable[UUID]) -> list[str]:
    """What `./encore trace` says, line by line."""
    command = [sys.executable, "-m", "infra.local.main", "trace", str(who), *map(str, set(ids) - {who})]
    environment = clean_environment() | {"ENCORE_HOME": str(stack.home.folder)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"the trace ended with {done.returncode}")
    return [line.strip() for line in done.stdout.splitlines()]


async def until(what: str, condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > limit:
            raise SystemExit(f"still not so: {what}")
        await asyncio.sleep(LOOK_S)


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
