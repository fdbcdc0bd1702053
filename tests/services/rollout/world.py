"""A database with listeners, trained rounds and feedback, as the other processes would have left it."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from schemas.events import Arm
from schemas.registry import CANDIDATE, AdapterRef, model_name
from schemas.topics import RELEASES
from services.identifiers import uuid7
from services.postgres import Pool, transaction
from services.rollout.care import Care
from services.rollout.control import Control
from services.rollout.plan import Plan
from services.rollout.self_tests import SelfTests
from services.rollout.store import Store
from services.rollout.watches import Watches
from services.rollout.watching import Watching
from services.streams import Message
from services.streams_memory import MemoryBroker
from tests.services.rollout.listeners import PLAN
from tests.services.rollout.memory_registry import MemoryRegistry

ARMS: tuple[Arm, ...] = ("base", "cold", "champion", "candidate")


class World:
    """Rows are written through `do`; the registry and the broker are in memory."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.store = Store(pool)
        self.watches = Watches(pool)
        self.care = Care()
        self.registry = MemoryRegistry()
        self.broker = MemoryBroker({RELEASES: 1})
        self.prefetched: list[AdapterRef] = []

    def control(self, plan: Plan = PLAN) -> Control:
        """A process that has just started."""
        producer = self.broker.producer()
        watching = Watching(self.store, self.watches, self.registry, producer)
        self_tests = SelfTests(self.pool)
        return Control(
            self.pool,
            self.store,
            self.registry,
            producer,
            self.prefetched.extend,
            plan,
            self.care,
            watching,
            self_tests,
        )

    @contextmanager
    def _owner(self) -> Iterator[Any]:
        """A transaction with the owner's rights: the world makes what other processes write."""
        with transaction(self.pool) as connection:
            connection.execute("set local role none")
            yield connection

    def do(self, statement: Any, *values: object) -> list[dict[str, Any]]:
        with self._owner() as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def one(self, statement: Any, *values: object) -> dict[str, Any]:
        (row,) = self.do(statement, *values)
        return row

    def listener(self, attributes: str = "{}") -> UUID:
        who = uuid7()
        self.do("insert into gateway.listeners (listener_id, attributes) values (%s, %s::jsonb)", who, attributes)
        return who

    def round(self, listeners: Sequence[UUID], status: str = "trained") -> UUID:
        """A training round with one new adapter for each listener, registered and aliased as candidate."""
        round_id = uuid7()
        self.do(
            "insert into training.rounds (round_id, status, listeners, finished_at)"
            " values (%s, %s, %s, clock_timestamp())",
            round_id, status, list(listeners),
        )  # fmt: skip
        for who in listeners:
            version = self.registry.register(model_name(who))
            self.registry.point(model_name(who), CANDIDATE, version)
            self.do(
                "insert into training.adapters (listener_id, version, round_id, url, sha256, base_hash, rank,"
                " snapshot_sha256) values (%s, %s, %s, 'file:///adapters/x', %s, %s, 8, 'x')",
                who, version, round_id, "a" * 64, "b" * 64,
            )  # fmt: skip
        return round_id

    def track(self, who: UUID, arm: Arm, release_id: UUID | None, pair_id: UUID | None = None) -> UUID:
        (track_id,) = self.tracks([(who, arm)], release_id, pair_id)
        return track_id

    def tracks(
        self, made: Sequence[tuple[UUID, Arm]], release_id: UUID | None, pair_id: UUID | None = None
    ) -> list[UUID]:
        ids = [uuid7() for _ in made]
        rows = [(track, who, arm, release_id, pair_id) for track, (who, arm) in zip(ids, made, strict=True)]
        with self._owner() as connection:
            connection.cursor().executemany(
                "insert into feedback.tracks (track_id, listener_id, arm, propensity, release_id, pair_id, prompt,"
                " seconds, features_url, sha256, made_at) values (%s, %s, %s, 0.5, %s, %s, '', 10, '', '', now())",
                rows,
            )
        return ids

    def rate(self, who: UUID, arm: Arm, release_id: UUID | None, stars: int, ago: timedelta = timedelta()) -> None:
        self.ratings([(who, arm, stars)], release_id, ago)

    def ratings(
        self, given: Sequence[tuple[UUID, Arm, int]], release_id: UUID | None, ago: timedelta = timedelta()
    ) -> None:
        """A track, heard to the end, and its rating for each."""
        ids = self.tracks([(who, arm) for who, arm, _ in given], release_id)
        at = datetime.now(UTC) - ago
        rows = [(who, track, stars, at, uuid4(), at) for track, (who, _, stars) in zip(ids, given, strict=True)]
        self.hear([(who, track) for who, track, *_ in rows], "{[0,10000)}", ago)
        with self._owner() as connection:
            connection.cursor().executemany(
                "insert into feedback.ratings (listener_id, track_id, stars, rated_at, event_id, received_at)"
                " values (%s, %s, %s, %s, %s, %s)",
                rows,
            )

    def hear(self, heard: Sequence[tuple[UUID, UUID]], what: str, ago: timedelta = timedelta()) -> None:
        """Stretches of milliseconds that (listener, track) were heard in, `ago`."""
        at = datetime.now(UTC) - ago
        with self._owner() as connection:
            connection.cursor().executemany(
                "insert into feedback.plays values (%s, %s, %s, 0, %s, %s)",
                [(who, track, what, at, at) for who, track in heard],
            )

    def twins(self, who: UUID, release_id: UUID, *, candidate_first: bool = True) -> tuple[UUID, UUID, UUID]:
        """A pair that was asked for and made: its id, the champion's track and the candidate's."""
        pair_id = uuid7()
        arms: tuple[Arm, Arm] = ("candidate", "champion") if candidate_first else ("champion", "candidate")
        first, second = self.tracks([(who, arm) for arm in arms], release_id, pair_id)
        self.do(
            "insert into gateway.pairs (pair_id, listener_id, first_track, second_track) values (%s, %s, %s, %s)",
            pair_id, who, first, second,
        )  # fmt: skip
        return (pair_id, second, first) if candidate_first else (pair_id, first, second)

    def give(self, who: UUID, track_id: UUID, stars: int) -> None:
        self.do(
            "insert into feedback.ratings (listener_id, track_id, stars, rated_at, event_id)"
            " values (%s, %s, %s, now(), %s)",
            who, track_id, stars, uuid4(),
        )  # fmt: skip

    def vote(self, who: UUID, pair_id: UUID, choice: str) -> None:
        self.do("insert into feedback.pair_votes values (%s, %s, %s, now(), %s)", pair_id, who, choice, uuid4())

    def rate_all(self, release_id: UUID, means: Mapping[Arm, float], each: int = 4, seed: int = 1) -> None:
        """Every member of the release rates `each` tracks of every arm."""
        draw = random.Random(seed)
        self.ratings(
            [
                (member.listener_id, arm, min(5, max(1, round(draw.gauss(means[arm], 0.6)))))
                for member in self.store.members(release_id)
                for arm in ARMS
                for _ in range(each)
            ],
            release_id,
        )

    def release(self, round_id: UUID) -> dict[str, Any]:
        return self.one("select * from rollout.releases where round_id = %s", round_id)

    def served(self) -> dict[UUID, tuple[int | None, ...]]:
        """(champion, previous, candidate) by listener."""
        rows = self.do("select * from rollout.listener_models")
        return {r["listener_id"]: (r["champion_version"], r["previous_version"], r["candidate_version"]) for r in rows}

    def events(self) -> list[Message]:
        return [message for log in self.broker.logs.values() for message in log]
