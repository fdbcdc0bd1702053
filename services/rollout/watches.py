"""Rows of what follows a promotion: what is heard of the two versions, the confirmation, the way back."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from schemas.api import Later
from services.identifiers import uuid7
from services.postgres import Pool, load_queries, transaction
from services.rollout.care import Care
from services.rollout.plan import Plan
from services.rollout.stats import Ratings
from services.rollout.way_back import MOST_TRACKS, Heard, Person


@dataclass(frozen=True, slots=True)
class Watch:
    """A promotion whose listeners still hear the version before. `age_s` is since it was decided, in seconds; what is
    stored was written when it started, perhaps by another version."""

    release_id: UUID
    round_id: UUID
    stored_care: Mapping[str, Any]
    stored_plan: Mapping[str, Any]
    decided_at: datetime
    age_s: float
    listeners: int

    @property
    def care(self) -> Care:
        """Raises ValueError where this version cannot read it."""
        return Care.model_validate(self.stored_care)

    @property
    def plan(self) -> Plan:
        """Raises ValueError where this version cannot read it."""
        return Plan.model_validate(self.stored_plan)


@dataclass(frozen=True, slots=True)
class Reverting:
    """A stored decision to go back that is not carried out completely."""

    release_id: UUID
    round_id: UUID
    decision_id: UUID
    reason: str
    decided_at: datetime
    listeners: int


@dataclass(frozen=True, slots=True)
class Hears:
    """What a listener is served; None is the cold start."""

    listener_id: UUID
    champion_version: int | None
    previous_version: int | None


class InCanary(Exception):
    """Listeners who would go back are being compared in these canaries; nothing was changed."""

    def __init__(self, releases: frozenset[UUID]) -> None:
        super().__init__(", ".join(sorted(map(str, releases))))
        self.releases = releases


class Watches:
    """All methods raise `BackendAway` while Postgres cannot be reached."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._queries = load_queries(Path(__file__).with_name("watches.sql"))

    def watched(self) -> list[Watch]:
        """Promotions that are watched, the oldest first."""
        return [Watch(stored_care=row.pop("care"), stored_plan=row.pop("plan"), **row) for row in self._rows("watched")]

    def people(self, watch: Watch) -> tuple[Person, ...]:
        """What each listener who still hears both versions has made of them until now."""
        ids = {"release_id": watch.release_id, "since": watch.decided_at}
        heard: dict[UUID, dict[str, dict[str, int]]] = defaultdict(lambda: {"champion": {}, "previous": {}})
        for row in self._rows("heard", **ids, most=MOST_TRACKS):
            heard[row.pop("listener_id")][row.pop("arm")] = row
        for row in self._rows("failed", **ids):
            heard[row["listener_id"]][row["arm"]]["failed"] = row["failed"]
        before = {row["listener_id"]: _ratings(row) for row in self._rows("given_before", **ids)}
        everyone = (row["listener_id"] for row in self._rows("watched_listeners", release_id=watch.release_id))
        return tuple(
            Person(
                listener_id=who,
                champion=_heard(heard[who]["champion"]),
                previous=_heard(heard[who]["previous"]),
                before=before.get(who, Ratings()),
            )
            for who in everyone
        )

    def revert(self, release_id: UUID, reason: str, inputs: Mapping[str, Any]) -> int:
        """Store that a promoted release goes back, and let its listeners hear what they heard before: one transaction.

        Answers how many listeners that concerns: those who still hear what it brought and are not pinned to it. Once
        more changes nothing and answers 0.

        Raises:
            ValueError: no such release, or it is not promoted.
            InCanary: first these must end.
        """
        with transaction(self.pool) as connection:
            release = connection.execute(self._queries["lock_release"], {"release_id": release_id}).fetchone()
            if release is not None and (release["reverting"] or release["status"] == "reverted"):
                return 0
            if release is None or release["status"] != "promoted":
                is_now = "unknown" if release is None else release["status"]
                raise ValueError(f"The release {release_id} is {is_now}; only a promoted one can be reverted.")
            rows = connection.execute(self._queries["revertible"], {"release_id": release_id}).fetchall()
            canaries = frozenset(row["release_id"] for row in rows if row["release_id"] is not None)
            if canaries:
                raise InCanary(canaries)
            connection.execute(self._queries["record"], _decision(release_id, "revert", reason, inputs))
            connection.execute(self._queries["switch"], {"listeners": [row["listener_id"] for row in rows]})
            connection.execute(self._queries["end_watch"], {"release_id": release_id})
        return len(rows)

    def confirm(self, release_id: UUID, reason: str, inputs: Mapping[str, Any]) -> None:
        """Store that the champion stays; nobody hears the version before any longer. One transaction."""
        with transaction(self.pool) as connection:
            release = connection.execute(self._queries["lock_release"], {"release_id": release_id}).fetchone()
            if release is None or release["status"] != "promoted" or release["reverting"]:
                return
            connection.execute(self._queries["record"], _decision(release_id, "confirm", reason, inputs))
            connection.execute(self._queries["end_watch"], {"release_id": release_id})

    def reverting(self) -> list[Reverting]:
        """What is decided and not carried out, the oldest first."""
        return [Reverting(**row) for row in self._rows("reverting")]

    def served(self, release_id: UUID) -> list[Hears]:
        """What the release's listeners are served now."""
        return [Hears(**row) for row in self._rows("served", release_id=release_id)]

    def finish(self, release_id: UUID) -> None:
        """The way back is carried out; may be repeated."""
        with transaction(self.pool) as connection:
            connection.execute(self._queries["finish"], {"release_id": release_id})

    def _rows(self, name: str, **values: object) -> list[dict[str, Any]]:
        with transaction(self.pool) as connection:
            return connection.execute(self._queries[name], values).fetchall()


def seen(people: tuple[Person, ...]) -> list[dict[str, Any]]:
    """The evidence as a decision stores it."""
    return [{**asdict(one), "listener_id": str(one.listener_id)} for one in people]


def _decision(release_id: UUID, verdict: Later, reason: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "decision_id": uuid7(),
        "release_id": release_id,
        "verdict": verdict,
        "reason": reason,
        "inputs": json.dumps({**inputs, "final": True}),
    }


def _heard(row: Mapping[str, int]) -> Heard:
    counts = {name: row.get(name, 0) for name in ("started", "skipped", "completed", "failed")}
    return Heard(ratings=_ratings(row) if row.get("count") else Ratings(), **counts)


def _ratings(row: Mapping[str, int]) -> Ratings:
    return Ratings(row["count"], row["total"], row["squares"])
