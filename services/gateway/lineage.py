"""Where versions come from: rounds, and the songs and ratings that the factory's snapshots name; and what either side
of a release is made of for one listener.

A snapshot is the factory's JSON document `snapshots/SHA256.json` in the blob store; here its parts are only passed on.
"""

import asyncio
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

from schemas.generation import MAX_SONGS
from schemas.lineage import Member, RoundCurve, Side, Source, Sources, VersionView
from schemas.registry import AdapterRef, model_name
from services.audit import Actor, record
from services.errors import BackendAway, ServiceError
from services.gateway.blobs import Blobs
from services.gateway.executes import Row
from services.gateway.store import Store
from services.postgres import load_queries

LARGEST: Final = 64 * 1024 * 1024
SEARCHED: Final = 20


class Place(NamedTuple):
    """A version, as the last of a page names it."""

    listener_id: UUID
    version: int


class Half(NamedTuple):
    """What a side of a release plays a listener."""

    adapter: AdapterRef | None
    songs: tuple[str, ...]


class Lineage:
    """Raises BackendAway while Postgres or the blob store is away. `page` is where browsers find MLflow, or empty."""

    def __init__(self, store: Store, blobs: Blobs, page: str) -> None:
        self._store, self._blobs, self._page = store, blobs, page.rstrip("/")
        self._queries = load_queries(Path(__file__).with_name("lineage.sql"))

    async def versions(
        self, limit: int, listener_id: UUID | None, round_id: UUID | None, before: Place | None
    ) -> list[VersionView]:
        """Newest first."""
        wanted = {"listener_id": listener_id, "round_id": round_id, "limit": limit}
        place = {"before_listener": before and before.listener_id, "before_version": before and before.version}
        return [self._version(row) for row in await self._rows("versions", **wanted, **place)]

    async def learned_from(self, source_id: UUID) -> list[VersionView]:
        """Of its listener's newest versions, those that learned from this song or track."""
        found: list[VersionView] = []
        for owner in await self._rows("owner", source_id=source_id):
            for version in await self.versions(SEARCHED, owner["listener_id"], None, None):
                snapshot = await self._snapshot(version.snapshot_sha256)
                if any(source.source_id == source_id for source in _sources(_of(snapshot, version.listener_id))):
                    found.append(version)
        return found

    async def sources(self, round_id: UUID, listener_id: UUID, limit: int, offset: int) -> Sources | None:
        """Songs first, then tracks, each oldest first; None if the round has no snapshot with this listener."""
        rows = await self._rows("round", round_id=round_id)
        if not rows or rows[0]["snapshot_sha256"] is None:
            return None
        entry = _of(await self._snapshot(rows[0]["snapshot_sha256"]), listener_id)
        if entry is None:
            return None
        found = list(_sources(entry))
        champion = entry["facts"].get("champion")
        return Sources(
            round_id=rows[0]["round_id"],
            listener_id=listener_id,
            snapshot_sha256=rows[0]["snapshot_sha256"],
            started_from=champion and champion["version"],
            total=len(found),
            sources=found[offset : offset + limit],
        )

    async def curve(self, round_id: UUID) -> RoundCurve | None:
        rows = await self._rows("round", round_id=round_id)
        if not rows:
            return None
        run = rows[0]["mlflow_run_id"]
        url = f"{self._page}/#/runs/{run}" if self._page and run else None
        return RoundCurve(round_id=rows[0]["round_id"], losses=rows[0]["losses"], mlflow_url=url)

    async def members(self, release_id: UUID, limit: int, after: UUID | None) -> list[Member]:
        """By their ids."""
        rows = await self._rows("members", release_id=release_id, limit=limit, after=after)
        return [Member.model_validate(row) for row in rows]

    async def side(self, actor: Actor, release_id: UUID, listener_id: UUID, side: Side) -> Half | None:
        """What `side` plays the listener, for the actor to hear, which is recorded; None if they are not in it.

        Raises:
            ServiceError: 409 `version_withdrawn`: it learned from a song that was taken back.
        """
        wanted = {"release_id": release_id, "listener_id": listener_id, "side": side, "songs": MAX_SONGS}
        async with self._store.transaction() as execute:
            rows = await execute(self._queries["side"], wanted)
            if not rows:
                return None
            if rows[0]["version"] is not None and rows[0]["url"] is None:
                raise _withdrawn(side)
            listener = str(listener_id)
            await record(execute, actor, "release.heard", subject=str(release_id), listener=listener, side=side)
        row = rows[0]
        adapter = {name: row[name] for name in AdapterRef.model_fields}
        return Half(AdapterRef(**adapter) if row["url"] is not None else None, tuple(row["songs"]))

    async def _snapshot(self, sha256: str) -> Mapping[str, Any]:
        url = self._blobs.snapshot(sha256)
        try:
            size = await self._blobs.size(url)
            if size > LARGEST:
                raise _unreadable("It is larger than 64 MiB: read it where MLflow keeps it, with the round's run.")
            data = b"".join([piece async for piece in self._blobs.read(url, 0, size)])
        except FileNotFoundError as error:
            raise _unreadable("It is kept no longer.") from error
        except OSError as error:
            raise BackendAway("store", "The snapshot cannot be read now.") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise _unreadable("Its bytes are not those that were learned from.")
        snapshot: Mapping[str, Any] = await asyncio.to_thread(json.loads, data)
        return snapshot

    def _version(self, row: Row) -> VersionView:
        name = model_name(row["listener_id"])
        url = f"{self._page}/#/models/{name}/versions/{row['version']}" if self._page else None
        return VersionView(**row, mlflow_url=url)

    async def _rows(self, name: str, **parameters: Any) -> Sequence[Row]:
        return await self._store.rows(self._queries[name], parameters)


def _of(snapshot: Mapping[str, Any], listener_id: UUID) -> Mapping[str, Any] | None:
    """The listener's part of a snapshot."""
    asked = str(listener_id)
    return next((each for each in snapshot["listeners"] if each["facts"]["listener_id"] == asked), None)


def _sources(entry: Mapping[str, Any] | None) -> Iterator[Source]:
    if entry is None:
        return
    used = _used(entry["examples"])
    for song in entry["facts"]["songs"]:
        yield Source(kind="song", source_id=song["song_id"], at=song["created_at"], **used.get(song["song_id"], {}))
    for track in entry["facts"]["tracks"]:
        told = {name: track[name] for name in ("prompt", "stars", "heard")}
        part = used.get(track["track_id"], {})
        yield Source(kind="track", source_id=track["track_id"], at=track["rated_at"], **told, **part)
    rated = {track["track_id"] for track in entry["facts"]["tracks"]}
    for contest in entry["facts"].get("contests", ()):
        # Only what was trained on: nobody answered it.
        if contest["track_id"] in used.keys() - rated:
            told = {"prompt": contest["prompt"], **used[contest["track_id"]]}
            yield Source(kind="track", source_id=contest["track_id"], at=contest["made_at"], **told)


def _used(examples: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Weight and target of each source; what is in several pairs has the sum and the mean of them."""
    found: dict[str, dict[str, float]] = {}
    for each in examples:
        sides = [(each["source"], each["target"])]
        if loser := each.get("loser"):
            sides.append((loser["source"], 1 - each["target"]))
        for source, target in sides:
            before = found.get(source, {"weight": 0.0, "target": target})
            weight = before["weight"] + each["weight"]
            share = each["weight"] / weight
            found[source] = {"weight": weight, "target": before["target"] + share * (target - before["target"])}
    return found


def _withdrawn(side: Side) -> ServiceError:
    message = f"The listener took back a song that the {side} learned from; it is played no more."
    return ServiceError(
        "version_withdrawn", message, status=409, field="side", expected="a side whose version is still played"
    )


def _unreadable(why: str) -> ServiceError:
    message = f"What was learned from cannot be told. {why}"
    return ServiceError(
        "unreadable_snapshot", message, status=409, field="round_id", expected="a round with a snapshot"
    )
