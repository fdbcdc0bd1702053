"""Of an erased listener the factory keeps neither rows nor files; the others' snapshots stay whole under a new name."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from training import erasing, snapshot
from training.blobs import Blobs
from training.due import Rest
from training.erasing import erase
from training.snapshot import Example, LeftOut, ListenerFacts, Recipe, Song
from training.store import Round, Store

WHO, OTHER, BASE = UUID(int=11), UUID(int=12), "b" * 64
CAME = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def owner(postgres_dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_dsn, autocommit=True) as opened:
        yield opened


@pytest.fixture
def store(postgres_dsn: str) -> Iterator[Store]:
    """In the role that the process has."""
    with Store(f"{postgres_dsn}?options=-c%20role%3Dencore_factory") as opened:
        yield opened


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(f"file://{tmp_path}/store")


def begin(owner: psycopg.Connection, who: UUID = WHO) -> None:
    """The erasure of this listener, as the gateway begins it."""
    owner.execute(
        "insert into gateway.erasures (erasure_id, tombstone, listener, service, asked_by, settles_at)"
        " values (%(id)s, gateway.tombstone(%(id)s), %(id)s, 'a-product', 'operator', now())",
        {"id": who},
    )
    owner.execute("insert into gateway.erasure_steps (erasure_id, store) values (%s, 'training')", (who,))


def facts(who: UUID) -> ListenerFacts:
    return ListenerFacts(listener_id=who, songs=(Song(song_id=who, features_url="file:///x", created_at=CAME),))


def method(given: ListenerFacts) -> tuple[Example, ...]:
    return (Example(source=given.listener_id, features_url="file:///x", prompt="", weight=1),)


def trained(owner: psycopg.Connection, blobs: Blobs, *who: UUID, status: str = "trained") -> str:
    """A round of these listeners with all that it leaves; the snapshot's digest."""
    round_id = uuid4()
    left = LeftOut(listener_id=who[0], reason="facts: unreadable")
    made = snapshot.build(BASE, Recipe(), [*map(facts, who), left], method)
    digest = snapshot.sha256(made.dump())
    blobs.write_once(f"snapshots/{digest}.json", made.dump())
    owner.execute(
        "insert into training.rounds (round_id, status, listeners, snapshot_sha256, detail)"
        " values (%s, %s, %s, %s, %s)",
        (round_id, status, list(who), digest, f"1 without an adapter: {who[0]}: facts"),
    )
    for each in who:
        blobs.write_once(f"adapters/{each}/{digest}.safetensors", b"adapter")
        blobs.write_once(f"refused/{each}/{digest}.safetensors", b"refused")
        owner.execute(
            "insert into training.adapters (listener_id, version, round_id, url, sha256, base_hash, rank,"
            " snapshot_sha256) select %(who)s, count(*) + 1, %(round)s, 'file:///a', %(base)s, %(base)s, 8, %(digest)s"
            " from training.adapters where listener_id = %(who)s",
            {"who": each, "round": round_id, "base": BASE, "digest": digest},
        )
        owner.execute(
            "insert into training.progress (listener_id, round_id, learned_to) values (%s, %s, now())"
            " on conflict do nothing",
            (each, round_id),
        )
        owner.execute(
            "insert into training.troubles (listener_id, failures, reason, round_id) values (%s, 1, 'x', %s)"
            " on conflict do nothing",
            (each, round_id),
        )
    return digest


def heard_of(owner: psycopg.Connection, blobs: Blobs, trained: UUID, other: UUID) -> str:
    """A round that trained one and heard of the other; the snapshot's digest."""
    made = snapshot.build(BASE, Recipe(), [facts(trained)], method, [facts(other)])
    digest = snapshot.sha256(made.dump())
    blobs.write_once(f"snapshots/{digest}.json", made.dump())
    owner.execute(
        "insert into training.rounds (round_id, status, listeners, snapshot_sha256) values (%s, 'trained', %s, %s)",
        (uuid4(), [trained], digest),
    )
    return digest


def traces(owner: psycopg.Connection, root: Path, who: UUID) -> list[str]:
    """Tables of training and files whose name or content names a listener."""
    names = owner.execute(
        "select oid::regclass::text from pg_class where relkind = 'r' and relnamespace = 'training'::regnamespace"
    ).fetchall()
    found = []
    for (name,) in names:
        asked: Any = f"select from {name} t where strpos(t::text, %s) > 0"
        found += [name] if owner.execute(asked, (str(who),)).fetchone() is not None else []
    files = [path for path in root.rglob("*") if str(who) in str(path)]
    files += [path for path in root.rglob("*") if path.is_file() and str(who).encode() in path.read_bytes()]
    return [*found, *map(str, files)]


def confirmed(owner: psycopg.Connection) -> bool:
    row = owner.execute("select confirmed_at is not null from gateway.erasure_steps").fetchone()
    return bool(row and row[0])


def snapshots(owner: psycopg.Connection, blobs: Blobs) -> list[list[UUID]]:
    """Whose facts are in the snapshot of each round, as its adapters name it too."""
    rows = owner.execute("select snapshot_sha256 from training.rounds order by started_at").fetchall()
    read = [snapshot.load(blobs.read(blobs.url(f"snapshots/{digest}.json")), digest) for (digest,) in rows]
    of_adapters = owner.execute("select distinct snapshot_sha256 from training.adapters").fetchall()
    assert set(of_adapters) <= set(rows)
    return [[each.facts.listener_id for each in one.listeners] for one in read]


def test_neither_rows_nor_files_name_them(
    owner: psycopg.Connection, store: Store, blobs: Blobs, tmp_path: Path
) -> None:
    for who in ((WHO, OTHER), (OTHER,), (WHO,)):
        trained(owner, blobs, *who)
    checkpoint = tmp_path / "factory" / "rounds" / str(uuid4()) / "checkpoint.pt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_text(str(WHO))
    begin(owner)
    assert erase(store, blobs, tmp_path / "factory") == 1
    assert traces(owner, tmp_path, WHO) == []
    assert confirmed(owner)
    assert snapshots(owner, blobs) == [[OTHER], [OTHER], []]
    assert len(blobs.names(f"adapters/{OTHER}")) == 2
    assert erase(store, blobs, tmp_path / "factory") == 0


def test_while_a_round_runs_it_waits(owner: psycopg.Connection, store: Store, blobs: Blobs, tmp_path: Path) -> None:
    trained(owner, blobs, WHO, OTHER, status="running")
    begin(owner)
    assert erase(store, blobs, tmp_path) == 0
    assert not confirmed(owner)
    owner.execute("update training.rounds set status = 'trained'")
    assert erase(store, blobs, tmp_path) == 1
    assert confirmed(owner)


def test_a_round_that_ends_afterwards_keeps_nothing_of_them(
    owner: psycopg.Connection, store: Store, blobs: Blobs
) -> None:
    trained(owner, blobs, WHO, OTHER, status="running")
    owner.execute("delete from training.adapters")
    owner.execute("delete from training.progress")
    owner.execute("delete from training.troubles")
    running = store.running_round()
    assert isinstance(running, Round)
    begin(owner)
    learned = {WHO: facts(WHO).learned, OTHER: facts(OTHER).learned}
    rest = Rest(patience=3, rest=timedelta(hours=1))
    store.finish_round(running.round_id, [], learned, {WHO: "x"}, rest, "")
    kept = owner.execute("select listener_id from training.progress union select listener_id from training.troubles")
    assert kept.fetchall() == [(OTHER,)]


class Killed(BaseException):
    """The process is no more."""


@pytest.mark.parametrize("at", range(1, 17))
def test_killed_at_any_step_the_next_call_ends_it(
    owner: psycopg.Connection, store: Store, blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    trained(owner, blobs, WHO, OTHER)
    begin(owner)
    left = at

    def fused(call: Any) -> Any:
        def burning(*values: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed
            return call(*values, **named)

        return burning

    with monkeypatch.context() as broken:
        for part, names in ((Store, ("rows",)), (Blobs, ("write_once", "remove", "names")), (erasing, ("_rewrite",))):
            for name in names:
                broken.setattr(part, name, fused(getattr(part, name)))
        with pytest.raises(Killed):
            erase(store, blobs, tmp_path / "factory")
    assert not confirmed(owner)
    erase(store, blobs, tmp_path / "factory")
    assert traces(owner, tmp_path, WHO) == []
    assert snapshots(owner, blobs) == [[OTHER]]


def test_who_was_only_heard_of_is_in_no_snapshot_either(
    owner: psycopg.Connection, store: Store, blobs: Blobs, tmp_path: Path
) -> None:
    before = heard_of(owner, blobs, OTHER, WHO)
    begin(owner)
    assert traces(owner, tmp_path / "store", WHO)
    assert erase(store, blobs, tmp_path / "factory") == 1
    assert traces(owner, tmp_path / "store", WHO) == []
    (after,) = owner.execute("select snapshot_sha256 from training.rounds").fetchone() or ()
    assert after != before
    left = snapshot.load(blobs.read(blobs.url(f"snapshots/{after}.json")), after)
    assert [each.facts.listener_id for each in left.listeners] == [OTHER]
    assert left.others == ()


def test_what_was_written_by_another_version_and_what_is_damaged_hold_up_nobody(
    owner: psycopg.Connection, store: Store, blobs: Blobs, tmp_path: Path
) -> None:
    """The factory starts rounds only after it has erased, so one such file would end learning for all."""
    round_of = (
        "insert into training.rounds (round_id, status, listeners, snapshot_sha256) values (%s, 'trained', '{}', %s)"
    )
    made = json.loads(snapshot.build(BASE, Recipe(), map(facts, (WHO, OTHER)), method).dump())
    other = snapshot.canonical({**made, "recipe": {"epochs": 3}, "mentors": [{"who": str(WHO), "taste": 1}]})
    for digest, data in ((snapshot.sha256(other), other), ("d" * 64, f'{{"listeners": ["{WHO}'.encode())):
        blobs.write_once(f"snapshots/{digest}.json", data)
        owner.execute(round_of, (uuid4(), digest))
    begin(owner)
    assert erase(store, blobs, tmp_path / "factory") == 1
    assert confirmed(owner)
    assert traces(owner, tmp_path / "store", WHO) == []
    [left] = blobs.names("snapshots")
    kept = blobs.read(blobs.url(f"snapshots/{left}"))
    assert left == f"{snapshot.sha256(kept)}.json"
    listeners = [each for each in made["listeners"] if each["facts"]["listener_id"] == str(OTHER)]
    assert json.loads(kept) == {**made, "recipe": {"epochs": 3}, "mentors": [], "listeners": listeners}
