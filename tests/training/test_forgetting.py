"""Of an erased listener the model registry keeps neither model nor artifact, and the others keep theirs: against a
registry in memory and against MLflow."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from infra.local.home import Home
from infra.local.mlflow import DATABASE
from infra.local.postgres import with_database
from schemas.registry import model_name
from tests.training.memory_registry import MemoryRegistry
from tests.training.test_erasing import BASE, facts, method
from training import snapshot
from training.erasing import without
from training.forgetting import forget, is_due
from training.registry import Registry
from training.snapshot import Recipe
from training.store import Store


class Mlflow(Registry):
    """MLflow, searched in its database and its files: what its API does not tell is there all the same."""

    def __init__(self, url: str, dsn: str, folder: Path) -> None:
        super().__init__(url)
        self._dsn, self._folder = dsn, folder

    def delete_run(self, run_id: str) -> None:
        self._client.delete_run(run_id)

    def versions(self, listener_id: UUID) -> list[dict[str, str]]:
        return [each.tags for each in self._client.search_model_versions(f"name = '{model_name(listener_id)}'")]

    def traces(self, text: str) -> list[str]:
        with psycopg.connect(self._dsn) as connection:
            tables = connection.execute(
                "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
            ).fetchall()
            asked = [
                (name, sql.SQL("select from {} t where strpos(t::text, %s) > 0").format(sql.Identifier(name)))
                for (name,) in tables
            ]
            found = [name for name, query in asked if connection.execute(query, (text,)).fetchone() is not None]
        paths = list(self._folder.rglob("*"))
        return found + [
            str(path) for path in paths if text in path.name or (path.is_file() and text.encode() in path.read_bytes())
        ]


Searched = MemoryRegistry | Mlflow


@pytest.fixture(params=["memory", "mlflow"])
def registry(request: pytest.FixtureRequest) -> Searched:
    if request.param == "memory":
        return MemoryRegistry()
    url = request.getfixturevalue("mlflow_url")
    home: Home = request.getfixturevalue("servers_home")
    dsn = with_database(request.getfixturevalue("postgres_server"), DATABASE)
    return Mlflow(url, dsn, home.blobs / "mlflow")


@pytest.fixture
def owner(postgres_dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_dsn, autocommit=True) as opened:
        yield opened


@pytest.fixture
def store(postgres_dsn: str) -> Iterator[Store]:
    """In the role that the process has."""
    with Store(f"{postgres_dsn}?options=-c%20role%3Dencore_factory") as opened:
        yield opened


class Round:
    """A round of some listeners, in the table and in the registry."""

    def __init__(
        self, owner: psycopg.Connection, registry: Searched, *who: UUID, others: tuple[UUID, ...] = ()
    ) -> None:
        self._owner, self.round_id = owner, uuid4()
        self.made = snapshot.build(BASE, Recipe(), map(facts, who), method, map(facts, others)).dump()
        self.digest = snapshot.sha256(self.made)
        owner.execute(
            "insert into training.rounds (round_id, status, listeners, snapshot_sha256) values (%s, 'trained', %s, %s)",
            (self.round_id, list(who), self.digest),
        )
        self.run_id = registry.run_of(self.round_id, {"listeners": len(who)}, self.made, self.digest)
        tags = {"encore.sha256": self.digest, "encore.snapshot_sha256": self.digest}
        for each in who:
            registry.version(self.run_id, self.round_id, each, str(each).encode(), tags, candidate=True)

    def erased(self, *gone: UUID) -> str:
        """What the factory's own step leaves of it; the digest of its snapshot then."""
        for each in gone:
            self.made = without(self.made, each)
        self.digest = snapshot.sha256(self.made)
        self._owner.execute(
            "update training.rounds set snapshot_sha256 = %s where round_id = %s", (self.digest, self.round_id)
        )
        return self.digest


def begin(owner: psycopg.Connection, who: UUID, *, open_steps: tuple[str, ...] = ()) -> None:
    owner.execute(
        "insert into gateway.erasures (erasure_id, tombstone, listener, service, asked_by, settles_at)"
        " values (%(id)s, gateway.tombstone(%(id)s), %(id)s, 'a-product', 'operator', now())",
        {"id": who},
    )
    for step in ("training", "rollout", "mlflow"):
        owner.execute(
            "insert into gateway.erasure_steps values (%s, %s, case when %s then now() end)",
            (who, step, step not in ("mlflow", *open_steps)),
        )


def confirmed(owner: psycopg.Connection, who: UUID) -> bool:
    asked = "select confirmed_at is not null from gateway.erasure_steps where erasure_id = %s and store = 'mlflow'"
    row = owner.execute(asked, (who,)).fetchone()
    return bool(row and row[0])


def test_neither_model_nor_artifact_names_them_and_the_others_keep_theirs(
    owner: psycopg.Connection, store: Store, registry: Searched
) -> None:
    gone, kept, heard = uuid4(), uuid4(), uuid4()
    both = Round(owner, registry, gone, kept)
    told = Round(owner, registry, kept, others=(gone, heard))
    untouched = Round(owner, registry, kept)
    assert registry.traces(str(gone))
    begin(owner, gone)
    after = [both.erased(gone), told.erased(gone), untouched.digest]
    assert forget(store, registry) == 1
    assert registry.traces(str(gone)) == []
    assert confirmed(owner, gone)
    assert registry.versions(gone) == []
    assert sorted(tags["encore.snapshot_sha256"] for tags in registry.versions(kept)) == sorted(after)
    for each, digest in zip((both, told, untouched), after, strict=True):
        assert registry.names(each.run_id, "snapshot") == [f"{digest}.json"]
        assert snapshot.load(registry.read(each.run_id, f"snapshot/{digest}.json"), digest).dump() == each.made
        assert registry.names(each.run_id, "adapters") == [str(kept)]
    named = {run.run_id: run.snapshot_sha256 for run in registry.runs()}
    assert [named[each.run_id] for each in (both, told, untouched)] == after
    assert forget(store, registry) == 0


def test_a_run_that_an_operator_has_deleted_keeps_nothing_of_them_either(
    owner: psycopg.Connection, store: Store, registry: Searched
) -> None:
    gone = uuid4()
    each = Round(owner, registry, gone)
    registry.delete_run(each.run_id)
    begin(owner, gone)
    each.erased(gone)
    assert forget(store, registry) == 1
    assert registry.traces(str(gone)) == []


def test_a_run_whose_metrics_name_them_keeps_the_step_open(
    owner: psycopg.Connection, store: Store, registry: Searched
) -> None:
    gone, other = uuid4(), uuid4()
    each = Round(owner, registry, gone, other)
    registry.log_metrics(each.run_id, [0.5], {f"base_loss/{gone}": 0.5})
    for who in (gone, other):
        begin(owner, who)
    each.erased(gone, other)
    assert forget(store, registry) == 1
    assert (confirmed(owner, gone), confirmed(owner, other)) == (False, True)
    assert registry.versions(gone) == []
    assert is_due(store)


@pytest.mark.parametrize("open_step", ["training", "rollout"])
def test_whoever_writes_to_the_registry_has_confirmed_first(
    owner: psycopg.Connection, store: Store, open_step: str
) -> None:
    gone, registry = uuid4(), MemoryRegistry()
    Round(owner, registry, gone)
    begin(owner, gone, open_steps=(open_step,))
    assert not is_due(store)
    assert forget(store, registry) == 0
    assert registry.versions(gone)


def test_while_a_round_runs_it_waits(owner: psycopg.Connection, store: Store) -> None:
    gone, registry = uuid4(), MemoryRegistry()
    Round(owner, registry, gone)
    owner.execute("update training.rounds set status = 'running'")
    begin(owner, gone)
    assert forget(store, registry) == 0
    assert not confirmed(owner, gone)


class Killed(BaseException):
    """The process is no more."""


def test_killed_at_any_step_the_next_call_ends_it(owner: psycopg.Connection, store: Store) -> None:
    for calls in range(20):
        gone, kept, registry = uuid4(), uuid4(), MemoryRegistry()
        each = Round(owner, registry, gone, kept)
        begin(owner, gone)
        each.erased(gone)
        mortal: Any = Mortal(registry, calls)
        try:
            forget(store, mortal)
            survived = True
        except Killed:
            survived = False
            assert not confirmed(owner, gone)
            assert forget(store, registry) == 1
        assert registry.traces(str(gone)) == []
        assert registry.names(each.run_id, "snapshot") == [f"{each.digest}.json"]
        assert registry.stored[each.run_id].snapshot_sha256 == each.digest
        if survived:
            break
    assert calls == 9  # as many calls as one erasure of one run has


class Mortal:
    """A registry that dies after so many changes and questions."""

    def __init__(self, real: MemoryRegistry, calls: int) -> None:
        self._real, self._left = real, calls

    def __getattr__(self, name: str) -> Any:
        def call(*values: Any) -> Any:
            found = getattr(self._real, name)(*values)
            self._left -= 1
            if self._left < 0:
                raise Killed
            return found

        return call
