"""The factory's rows in Postgres, and what it reads of others' rows; the only file here that speaks SQL.

Writes the schema `training` and nothing else.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, LiteralString, Self, cast
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from schemas.registry import AdapterRef
from training.due import Request, Rest, Standing, Start
from training.snapshot import Contest, Learned, LeftOut, ListenerFacts, Pick, RatedTrack, Song

# Held while a round is started or worked on: a second factory must not do the same work.
_STARTING, _WORKING = 0x656E_0001, 0x656E_0002

# Nothing waits for ever: neither for a host that died without a word, nor for a lock, nor others for a stopped factory.
_KEEPALIVE: Final[dict[str, Any]] = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_LIMITS: Final = {
    "statement_timeout": "10min",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "10min",
}


@dataclass(frozen=True)
class Round:
    """A round that has begun and not ended."""

    round_id: UUID
    listeners: tuple[UUID, ...]
    snapshot_sha256: str | None
    mlflow_run_id: str | None


@dataclass(frozen=True)
class Version:
    """An adapter as registered; `method` says how it was made (decision 0769)."""

    adapter: AdapterRef
    rank: int
    snapshot_sha256: str
    scores: Mapping[str, float]
    method: str


class Store:
    """One connection, one thread. Each method is one transaction."""

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg.connect(dsn, autocommit=True, row_factory=dict_row, connect_timeout=10, **_KEEPALIVE)
        self._rows("select set_config(key, value, false) from jsonb_each_text(%(limits)s)", limits=Jsonb(_LIMITS))
        self._queries = named(Path(__file__).with_name("queries.sql"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def now(self) -> datetime:
        """The database's clock: the one that songs are stamped with."""
        moment: datetime = self._rows("select now() as now")[0]["now"]
        return moment

    def requests(self) -> list[Request]:
        """Operators' wishes that no round has answered, oldest first."""
        return [Request(row["request_id"], frozenset(row["listeners"])) for row in self._named("untaken_requests")]

    def release_pending(self) -> bool:
        return bool(self._named("release_pending")[0]["pending"])

    def standings(self) -> list[Standing]:
        """Of every listener who has a song or a rating."""
        return [Standing(**row) for row in self._named("standings")]

    def running_round(self) -> Round | None:
        rows = self._named("running_round")
        return Round(**rows[0] | {"listeners": tuple(rows[0]["listeners"])}) if rows else None

    def start_round(self, round_id: UUID, start: Start) -> bool:
        """Writes the round, at once as `empty` if it has no listeners; False if another one runs."""
        with self._connection.transaction():
            self._rows("select pg_advisory_xact_lock(%(key)s)", key=_STARTING)
            if self.running_round() is not None:
                return False
            self._run(
                "insert_round",
                round_id=round_id,
                requests=list(start.requests),
                status="running" if start.listeners else "empty",
                listeners=list(start.listeners),
                detail=start.detail,
            )
            return True

    def claim_work(self) -> bool:
        """Whether this connection may work on rounds; held until it closes."""
        return bool(self._rows("select pg_try_advisory_lock(%(key)s) as held", key=_WORKING)[0]["held"])

    def facts(self, listeners: Sequence[UUID]) -> list[ListenerFacts | LeftOut]:
        """Everything there is to learn from, as one consistent view; read listener by listener, so that one whose rows
        cannot be read, and one who does not agree any more, is left out alone."""
        with self._connection.transaction():
            self._rows("set transaction isolation level repeatable read")
            return [self._facts(listener) for listener in listeners]

    def others(self, listeners: Sequence[UUID], most: int) -> list[ListenerFacts]:
        """What there is to learn from of so many others at most, the newest raters; who cannot be read is left out."""
        with self._connection.transaction():
            self._rows("set transaction isolation level repeatable read")
            rows = self._named("others", listeners=list(listeners), most=most)
            found = [self._facts(row["listener_id"]) for row in rows]
        return [facts for facts in found if isinstance(facts, ListenerFacts)]

    def set_snapshot(self, round_id: UUID, sha256: str) -> None:
        self._run("set_snapshot", round_id=round_id, sha256=sha256)

    def set_run(self, round_id: UUID, run_id: str) -> None:
        self._run("set_run", round_id=round_id, run_id=run_id)

    def set_detail(self, round_id: UUID, detail: str) -> None:
        """What the round is doing, for whoever looks at it."""
        self._run("set_detail", round_id=round_id, detail=detail)

    def finish_round(
        self,
        round_id: UUID,
        versions: Iterable[Version],
        learned: Mapping[UUID, Learned],
        troubles: Mapping[UUID, str],
        rest: Rest,
        detail: str,
        losses: Sequence[float] = (),
    ) -> None:
        """Adapters, progress, troubles and the round's end in one transaction; a round without versions ends `empty`.
        Nothing is kept of listeners who took a song back since the round began, or were erased: they are as if it had
        not reached them.

        Args:
            learned: of the listeners who were trained.
            troubles: the others, and why.
            rest: when those are to be let alone.
            losses: the mean of each step.
        """
        versions = list(versions)
        with self._connection.transaction():
            self._run("lock_withdrawals")
            erased = self._erased([*learned, *troubles])
            withdrew = self._withdrew_since(round_id, learned) | erased
            troubles = {listener: reason for listener, reason in troubles.items() if listener not in erased}
            versions = [each for each in versions if each.adapter.listener_id not in withdrew]
            learned = {listener: marks for listener, marks in learned.items() if listener not in withdrew}
            for version in versions:
                self._run("insert_adapter", round_id=round_id, **_columns(version))
            for listener, marks in learned.items():
                self._run("set_progress", round_id=round_id, listener_id=listener, **marks._asdict())
            self._run("forget_troubles", listeners=list(learned))
            for listener, reason in troubles.items():
                self._run("note_trouble", round_id=round_id, listener_id=listener, reason=reason, **rest._asdict())
            status = "trained" if versions else "empty"
            self._run("finish_round", round_id=round_id, status=status, detail=detail, losses=list(losses))

    def fail_round(self, round_id: UUID, detail: str) -> None:
        self._run("finish_round", round_id=round_id, status="failed", detail=detail, losses=[])

    def resting(self) -> int:
        """How many listeners are let alone because their rounds failed."""
        return int(self._named("resting")[0]["listeners"])

    def _withdrew_since(self, round_id: UUID, listeners: Iterable[UUID]) -> set[UUID]:
        rows = self._named("withdrew_since", round_id=round_id, listeners=list(listeners))
        return {row["listener_id"] for row in rows}

    def _erased(self, listeners: Sequence[UUID]) -> set[UUID]:
        return {row["listener_id"] for row in self._named("erased", listeners=listeners)}

    def _facts(self, listener: UUID) -> ListenerFacts | LeftOut:
        rows = self._named("listener", listener=listener)
        if not any(row["may_train"] for row in rows):
            return LeftOut(listener_id=listener, reason="no consent to training")
        try:
            with self._connection.transaction():  # a savepoint: what fails in it fails alone
                champions = self._named("champions", listener=listener)
                return ListenerFacts(
                    listener_id=listener,
                    attributes=rows[0]["attributes"],
                    songs=tuple(Song(**row) for row in self._named("songs", listener=listener)),
                    tracks=tuple(RatedTrack(**row) for row in self._named("tracks", listener=listener)),
                    picks=tuple(Pick(**row) for row in self._named("picks", listener=listener)),
                    contests=tuple(Contest(**row) for row in self._named("contests", listener=listener)),
                    champion=next((AdapterRef(listener_id=listener, **row) for row in champions), None),
                )
        except psycopg.OperationalError:
            raise  # the database, not the listener
        except (psycopg.Error, ValueError, ArithmeticError) as error:
            return LeftOut(listener_id=listener, reason=f"facts: {error!r}"[:500])

    def transaction(self) -> AbstractContextManager[object]:
        """What is done within stands or falls together."""
        return self._connection.transaction()

    def rows(self, query: LiteralString, **values: object) -> list[dict[str, Any]]:
        """The rows that a statement of another file gives."""
        return self._rows(query, **values)

    def _named(self, query: str, **values: object) -> list[dict[str, Any]]:
        return self._rows(self._queries[query], **values)

    def _rows(self, sql: str, **values: object) -> list[dict[str, Any]]:
        cursor = self._connection.execute(sql.encode(), values)
        return cursor.fetchall() if cursor.description else []

    def _run(self, query: str, **values: object) -> None:
        self._connection.execute(self._queries[query].encode(), values)


def _columns(version: Version) -> dict[str, object]:
    adapter = version.adapter
    return {
        "listener_id": adapter.listener_id,
        "version": adapter.version,
        "url": adapter.url,
        "sha256": adapter.sha256,
        "base_hash": adapter.base_hash,
        "rank": version.rank,
        "snapshot_sha256": version.snapshot_sha256,
        "scores": Jsonb(dict(version.scores)),
        "method": version.method,
    }


def named(path: Path) -> dict[str, LiteralString]:
    """The statements of a file by the names in their `-- name: word` lines."""
    parts = re.split(r"^-- name: (\w+)\n", path.read_text(), flags=re.MULTILINE)[1:]
    # The file ships with the code, so its text is as trusted as a literal.
    return cast("dict[str, LiteralString]", dict(zip(parts[::2], parts[1::2], strict=True)))
