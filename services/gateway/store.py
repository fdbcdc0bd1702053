"""The gateway's rows in Postgres: listeners, songs, tracks, pairs and fours. The only place that runs SQL on them.

Reads of what other processes own, for reports, are in `reports`.
"""

import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, LiteralString, Protocol
from uuid import UUID

import psycopg

from schemas.api import GivenRating, Listener, Song, Track
from schemas.base import Problem
from schemas.generation import FLAT, MAX_KNOWN, MAX_SONGS, TONES, GenerationRequest, SongFacts, Tone, TrackFacts
from services.gateway.absent import unknown_listener
from services.gateway.cold import ColdStart, frozen, stored
from services.gateway.consents import Consent, noted
from services.gateway.executes import Execute, Row
from services.gateway.line import Waiting
from services.gateway.planning import PlannedTrack, Taste, taste
from services.gateway.taste import TasteFacts, words_of
from services.gateway.tone import tone_of
from services.holdout import is_held_out
from services.identifiers import uuid7
from services.postgres import AsyncPool, Queries, load_queries, reaching


class Run(Protocol):
    """Runs a named query within a transaction."""

    async def __call__(self, name: str, **parameters: Any) -> Sequence[Row]: ...


_TRACK_FIELDS: Final = (
    "track_id",
    "listener_id",
    "prompt",
    "seconds",
    "seed",
    "status",
    "pair_id",
    "four_id",
    "created_at",
    "audio_expired_at",
)


@dataclass(frozen=True, slots=True)
class TrackRow:
    """A track with what the listener is not told."""

    track: Track
    request: GenerationRequest
    propensity: float
    release_id: UUID | None
    audio_url: str | None
    sha256: str | None


def track_row(row: Row) -> TrackRow:
    problem = None if row["problem"] is None else Problem.model_validate(row["problem"])
    return TrackRow(
        track=Track(problem=problem, **{name: row[name] for name in _TRACK_FIELDS}),
        request=GenerationRequest.model_validate(row["request"]),
        propensity=row["propensity"],
        release_id=row["release_id"],
        audio_url=row["audio_url"],
        sha256=row["sha256"],
    )


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose rows a request may see: one listener's, or those of a service's listeners."""

    listener_id: UUID | None = None
    service: str | None = None

    def parameters(self) -> dict[str, Any]:
        return {"me": self.listener_id, "service": self.service}


# The second wall (schemas/walls.sql), for one transaction. Empty means nobody.
_CONFINE: Final = """
select set_config('encore.listener', coalesce(%(me)s::text, ''), true),
       set_config('encore.service', coalesce(%(service)s, ''), true),
       set_config('role', 'encore_request', true)
"""


class Planning:
    """One transaction in which tracks are planned for one listener, whose row is locked meanwhile."""

    def __init__(self, run: Run, listener_id: UUID, holdout_share: float) -> None:
        self._run = run
        self._holdout_share = holdout_share
        self._listener_id = listener_id

    async def count_open(self) -> int:
        rows = await self._run("count_open", listener_id=self._listener_id)
        return int(rows[0]["open"])

    async def taste(self) -> Taste:
        """What may be personal in a track now. The first songs that are ever used are frozen as the cold start."""
        songs = await self._run("song_features", listener_id=self._listener_id, limit=MAX_SONGS)
        cold = await self._cold_start(songs) if songs else None
        features = [row["features_url"] for row in songs]
        if (await self._run("switched_off", listener_id=self._listener_id))[0]["off"]:
            return Taste(tuple(features), cold, off=True)
        if is_held_out(self._listener_id, self._holdout_share):
            return Taste(tuple(features), cold, held_out=True)
        models = await self._run("models", listener_id=self._listener_id)
        return taste(self._listener_id, features, cold, models[0] if models else None, await self._tone())

    async def _tone(self) -> Tone:
        """What the listener's own words about sound ask for; most have said none, and of those nothing more is read."""
        said = await self._run("taste_corrections", listener_id=self._listener_id)
        corrections = {row["word"]: row["liking"] for row in said if row["word"] in TONES}
        if not corrections:
            return FLAT
        rated = await self._run("rated_prompts", listener_id=self._listener_id)
        return tone_of(words_of([(row["prompt"], row["stars"]) for row in rated], corrections))

    async def count_compared(self, release_id: UUID) -> int:
        """How many of the listener's wishes in the canary went to champion or candidate."""
        rows = await self._run("count_compared", listener_id=self._listener_id, release_id=release_id)
        return int(rows[0]["wishes"])

    async def _cold_start(self, songs: Sequence[Row]) -> ColdStart:
        """That of the base which described the newest song."""
        base = songs[0]["base_hash"]
        found = await self._run("cold_start", listener_id=self._listener_id, base_hash=base)
        if found:
            return stored(found[0])
        cold = frozen([song for song in songs if song["base_hash"] == base], base)
        await self._run(
            "freeze_cold_start",
            listener_id=self._listener_id,
            base_hash=base,
            songs=list(cold.songs),
            controls=cold.controls.model_dump_json(),
        )
        return cold

    async def add_track(self, planned: PlannedTrack) -> Track:
        request = planned.request
        rows = await self._run(
            "add_track",
            **request.model_dump(include={"track_id", "listener_id", "prompt", "seconds", "seed", "arm"}),
            pair_id=planned.pair_id,
            four_id=planned.four_id,
            propensity=planned.propensity,
            release_id=planned.release_id,
            # Read when it is made: the row would grow with every song, and a version that goes back could not read it.
            request=request.model_dump_json(exclude={"known"}),
        )
        return track_row(rows[0]).track

    async def add_pair(self, pair_id: UUID, first: UUID, second: UUID) -> None:
        await self._run(
            "add_pair",
            pair_id=pair_id,
            listener_id=self._listener_id,
            first_track=first,
            second_track=second,
        )

    async def add_four(self, four_id: UUID, tracks: Sequence[UUID]) -> None:
        await self._run("add_four", four_id=four_id, listener_id=self._listener_id, tracks=list(tracks))


class Store:
    """Raises BackendAway from every method while Postgres is away. Without a reach it is the gateway's own, which sees
    every row but finds nothing by the id that a request names."""

    def __init__(self, pool: AsyncPool, holdout_share: float = 0.0, reach: Reach | None = None) -> None:
        self._pool = pool
        self._holdout_share = holdout_share
        self._reach = reach
        self._queries = _queries()

    async def is_reachable(self) -> bool:
        return bool(await self.rows("select 1 as one"))

    def within(self, reach: Reach | None) -> "Store":
        """The same rows as a request of this reach may see them."""
        return Store(self._pool, self._holdout_share, reach)

    async def rows(self, sql: LiteralString, parameters: Mapping[str, Any] | None = None) -> Sequence[Row]:
        """The rows of one statement in a transaction of its own; empty if the statement gives none."""
        async with self.transaction() as execute:
            return await execute(sql, parameters or {})

    async def add_listener(self, attributes: Mapping[str, str], service: str, consent: Consent) -> Listener:
        """Makes a listener who is the service's."""
        async with self.transaction() as execute:
            return await self.added_listener(execute, attributes, service, consent)

    async def added_listener(
        self, execute: Execute, attributes: Mapping[str, str], service: str, consent: Consent
    ) -> Listener:
        """The same within a transaction."""
        listener_id = uuid7()
        values = {"listener_id": listener_id, "attributes": json.dumps(dict(attributes)), "owner": service}
        rows = await execute(self._queries["add_listener"], values)
        await noted(execute, listener_id, consent)
        return Listener.model_validate(rows[0])

    async def listener(self, listener_id: UUID) -> Listener | None:
        row = await self._one("listener", listener_id=listener_id)
        return None if row is None else Listener.model_validate(row)

    async def songs(self, listener_id: UUID) -> list[Song]:
        return [Song.model_validate(row) for row in await self._all("songs", listener_id=listener_id)]

    async def song_of_upload(self, listener_id: UUID, upload_sha256: str) -> Song | None:
        row = await self._one("song_of_upload", listener_id=listener_id, upload_sha256=upload_sha256)
        return None if row is None else Song.model_validate(row)

    async def add_song(
        self, song_id: UUID, listener_id: UUID, filename: str, upload_sha256: str, facts: SongFacts
    ) -> Song | None:
        """None if the same upload has become a song meanwhile."""
        row = await self._one(
            "add_song",
            song_id=song_id,
            listener_id=listener_id,
            filename=filename,
            upload_sha256=upload_sha256,
            **facts.model_dump(exclude={"style"}),
            style=None if facts.style is None else list(facts.style),
        )
        return None if row is None else Song.model_validate(row)

    async def taste_facts(self, listener_id: UUID) -> TasteFacts:
        facts = await self._one("taste_facts", listener_id=listener_id)
        assert facts is not None
        rated = await self._all("rated_prompts", listener_id=listener_id)
        corrections = await self._all("taste_corrections", listener_id=listener_id)
        return TasteFacts(
            songs=facts["songs"],
            version=facts["version"],
            rated=[(row["prompt"], row["stars"]) for row in rated],
            corrections={row["word"]: row["liking"] for row in corrections},
        )

    async def ratings(self, listener_id: UUID, limit: int) -> list[GivenRating]:
        rows = await self._all("own_ratings", listener_id=listener_id, limit=limit)
        return [GivenRating.model_validate(row) for row in rows]

    async def correct_taste(self, listener_id: UUID, corrections: Mapping[str, float | None]) -> None:
        """All of them or none; null takes one back."""
        said = {word: liking for word, liking in corrections.items() if liking is not None}
        async with self._transaction() as run:
            await run("forget_corrections", listener_id=listener_id, words=sorted(corrections.keys() - said.keys()))
            await run("correct_taste", listener_id=listener_id, words=list(said), likings=list(said.values()))

    @asynccontextmanager
    async def planning(self, listener_id: UUID) -> AsyncIterator[Planning | None]:
        """A transaction that commits at the end of the block; None for an unknown listener."""
        async with self._transaction() as run:
            known = await run("lock_listener", listener_id=listener_id)
            yield Planning(run, listener_id, self._holdout_share) if known else None

    async def track(self, track_id: UUID) -> TrackRow | None:
        row = await self._one("track", track_id=track_id)
        return None if row is None else track_row(row)

    async def tracks(self, listener_id: UUID, limit: int, before: UUID | None) -> list[Track]:
        rows = await self._all("tracks", listener_id=listener_id, limit=limit, before=before)
        return [track_row(row).track for row in rows]

    async def pair(self, pair_id: UUID) -> list[Track] | None:
        """The two tracks in the order in which they are offered."""
        rows = await self._all("pair", pair_id=pair_id)
        return [track_row(row).track for row in rows] or None

    async def four(self, four_id: UUID) -> list[Track] | None:
        """The four tracks in the order in which they are offered."""
        rows = await self._all("four", four_id=four_id)
        return [track_row(row).track for row in rows] or None

    async def open_tracks(self, excluded: Iterable[UUID], limit: int) -> list[Waiting[TrackRow]]:
        """Tracks that are yet to be made, of each listener the oldest first."""
        rows = await self._all("open_tracks", limit=limit, **{"except": list(excluded)})
        tracks = [(track_row(row), row["service"]) for row in rows]
        return [Waiting(track, service, track.track.listener_id, track.request.seconds) for track, service in tracks]

    async def finished(self, tracks: Iterable[UUID]) -> list[UUID]:
        """Those of them that are ready or failed, or gone."""
        return [row["track_id"] for row in await self._all("finished", ids=list(tracks))]

    async def known_songs(self, listener_id: UUID) -> tuple[str, ...]:
        """Feature files of all that the listener has, which no track of theirs may repeat; the newest first."""
        rows = await self._all("song_features", listener_id=listener_id, limit=MAX_KNOWN)
        return tuple(row["features_url"] for row in rows)

    async def mark_running(self, track_id: UUID) -> bool:
        """False if the track is finished or cancelled; so do the other marks."""
        return await self._one("mark_running", track_id=track_id) is not None

    async def mark_ready(self, track_id: UUID, facts: TrackFacts) -> bool:
        return await self._one("mark_ready", track_id=track_id, **_stored(facts)) is not None

    async def mark_failed(self, track_id: UUID, problem: Problem) -> bool:
        row = await self._one("mark_failed", track_id=track_id, problem=problem.model_dump_json())
        return row is not None

    async def known(
        self, listeners: Iterable[UUID], tracks: Iterable[UUID], pairs: Iterable[UUID], fours: Iterable[UUID]
    ) -> tuple[Sequence[Row], Sequence[Row], Sequence[Row], Sequence[Row]]:
        """Rows of those listeners, tracks, pairs and fours that exist."""
        async with self._transaction() as run:
            return (
                await run("known_listeners", ids=list(listeners)),
                await run("known_tracks", ids=list(tracks)),
                await run("known_pairs", ids=list(pairs)),
                await run("known_fours", ids=list(fours)),
            )

    async def _all(self, name: str, **parameters: Any) -> Sequence[Row]:
        return await self.rows(self._queries[name], parameters)

    async def _one(self, name: str, **parameters: Any) -> Row | None:
        rows = await self._all(name, **parameters)
        return rows[0] if rows else None

    @asynccontextmanager
    async def transaction(self, *, at_one_moment: bool = False) -> AsyncIterator[Execute]:
        """Statements that stand or fall together; it commits at the end of the block.

        Args:
            at_one_moment: all of them see what was there when the first began, not each what is there.

        Raises:
            ServiceError: 404 `unknown_listener`: whose row was to be written was erased meanwhile.
        """
        reach = self._reach or Reach()
        with reaching(), _there():
            async with self._pool.connection() as connection:
                if at_one_moment:
                    await connection.execute("set transaction isolation level repeatable read")
                if self._reach is not None:
                    await connection.execute(_CONFINE, reach.parameters())

                async def execute(sql: LiteralString, parameters: Mapping[str, Any]) -> Sequence[Row]:
                    cursor = await connection.execute(sql, {**reach.parameters(), **parameters})
                    return await cursor.fetchall() if cursor.description else []

                yield execute

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Run]:
        async with self.transaction() as execute:

            async def run(name: str, **parameters: Any) -> Sequence[Row]:
                return await execute(self._queries[name], parameters)

            yield run


@contextmanager
def _there() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.ForeignKeyViolation as error:
        if not (error.diag.constraint_name or "").endswith("_listener_id_fkey"):
            raise
        raise unknown_listener() from error
    except psycopg.errors.InsufficientPrivilege as error:
        if "row-level security" not in str(error):
            raise
        raise unknown_listener() from error  # nobody's row is in nobody's reach


@cache
def _queries() -> Queries:
    return load_queries(Path(__file__).with_name("queries.sql"))


def _stored(facts: TrackFacts) -> dict[str, Any]:
    """Null where one seed ran alone, and where no action was drawn."""
    chosen = json.dumps([each.model_dump(mode="json") for each in facts.selection]) if facts.selection else None
    action = None if facts.action is None else facts.action.model_dump_json()
    return {**facts.model_dump(exclude={"selection", "action"}), "selection": chosen, "action": action}
