"""A trace of a listener is found wherever it stands: in any column of any table, in name and bytes of any file, in what
MLflow says and holds."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from infra.local.home import Home
from infra.local.mlflow import password
from schemas.blobs import Store as Blobs
from schemas.registry import model_name
from services.aggregator.parquet import written
from services.aggregator.trace import belongings, in_files, in_tables, main
from services.aggregator.trace_mlflow import in_mlflow
from services.errors import BackendAway
from services.identifiers import uuid7
from services.postgres import Pool, open_pool
from training.registry import Registry

WHO, SONG, NOBODY = uuid7(), uuid7(), uuid7()
SHA256 = "1" * 64


@pytest.fixture
def pool(postgres_dsn: str) -> Iterator[Pool]:
    with open_pool(postgres_dsn) as pool:
        yield pool


def test_in_every_kind_of_column(pool: Pool, postgres_dsn: str) -> None:
    with psycopg.connect(postgres_dsn) as owner:
        owner.execute("insert into gateway.listeners (listener_id) values (%s)", (WHO,))
        owner.execute("insert into gateway.withdrawn_songs values (%s, %s, now())", (SONG, WHO))
        owner.execute("insert into gateway.round_requests values (%s, %s)", (uuid4(), [NOBODY, WHO]))
        owner.execute(
            "insert into training.rounds (round_id, status, listeners, detail) values (%s, 'empty', '{}', %s)",
            (uuid4(), f"without {WHO}: x"),
        )
        owner.execute(
            "insert into audit.entries (entry_id, kind, name, action, detail) values (%s, 'process', 'x', 'x', %s)",
            (uuid4(), json.dumps({"song": str(SONG)})),
        )
        owner.execute(
            'insert into feedback.dead_letters (topic, partition, "offset", key, value, reason)'
            " values ('x', 0, 0, %s, %s, 'x')",
            (b"x", b'\xff{"subject": "' + str(WHO).encode() + b'"'),
        )
    ids = belongings(pool, WHO)
    assert ids == {WHO, SONG}
    assert dict(in_tables(pool, ids)) == {
        "gateway.listeners": 1,
        "gateway.withdrawn_songs": 1,
        "gateway.round_requests": 1,
        "training.rounds": 1,
        "audit.entries": 1,
        "feedback.dead_letters": 1,
    }
    assert in_tables(pool, [uuid7()]) == []


def test_what_was_found_is_said_also_where_mlflow_is_away(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listener_id = uuid7()
    with psycopg.connect(postgres_dsn) as owner:
        owner.execute("insert into gateway.listeners (listener_id) values (%s)", (listener_id,))
    blobs = Blobs(f"file://{tmp_path}")
    blobs.write_once(blobs.url("snapshots/x.json"), str(listener_id).encode())
    monkeypatch.setenv("ENCORE_POSTGRES_DSN", postgres_dsn)
    monkeypatch.setenv("ENCORE_STORE_URL", f"file://{tmp_path}")
    monkeypatch.setenv("ENCORE_MLFLOW_URL", "http://127.0.0.1:1")
    with pytest.raises(SystemExit) as ended:
        main([str(listener_id)])
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert [line.split() for line in said.out.splitlines()] == [["1", "gateway.listeners"], ["1", "snapshots/x.json"]]
    assert "MLflow cannot be reached" in said.err


def event(listener_id: UUID) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "source": "x", "id": uuid7(), "type": "x", "listener_id": listener_id, "time": now, "data": {}, "topic": "x",
        "partition": 0, "offset": 0, "folded_at": now, "received_at": now, "sha256": b"x",
    }  # fmt: skip


def test_in_names_and_contents_of_files(tmp_path: Path) -> None:
    blobs = Blobs(f"file://{tmp_path}")
    blobs.write_once(blobs.url(f"songs/{SONG}/audio.flac"), b"sound")
    blobs.write_once(blobs.url("snapshots/x.json"), json.dumps({"listener_id": str(WHO)}).encode())
    blobs.write_once(blobs.url("events/2026-01/1.parquet"), written([event(NOBODY), event(WHO)]))
    blobs.write_once(blobs.url("events/2026-01/2.parquet"), written([event(NOBODY)]))
    blobs.write_once(blobs.url("tracks/other/audio.flac"), b"\xff" * 100)
    found = [trace.place for trace in in_files(blobs, {WHO, SONG})]
    assert found == ["events/2026-01/1.parquet", "snapshots/x.json", f"songs/{SONG}/audio.flac"]


def test_in_all_that_mlflow_says_and_holds(mlflow_url: str, servers_home: Home) -> None:
    factory, listener_id, other = Registry(mlflow_url), uuid4(), uuid4()
    run_id = factory.run_of(uuid4(), {"rank": 8}, json.dumps({"listener_id": str(listener_id)}).encode(), SHA256)
    factory.log_metrics(run_id, [], {f"loss of {listener_id}": 0.5})
    factory.version(run_id, uuid4(), listener_id, b"weights", {"encore.sha256": SHA256}, candidate=True)
    elsewhere = factory.run_of(uuid4(), {}, b"{}", "2" * 64)
    factory.version(elsewhere, uuid4(), other, str(listener_id).encode(), {"encore.sha256": SHA256}, candidate=True)
    with httpx.Client(base_url=mlflow_url, auth=("operator", password(servers_home, "operator")), timeout=60) as client:
        found = {trace.place for trace in in_mlflow(client, {listener_id})}
        assert in_mlflow(client, {uuid4()}) == []
    assert found == {
        f"MLflow: model {model_name(listener_id)}",
        f"MLflow: version 1 of model {model_name(listener_id)}",
        f"MLflow: run {run_id}",
        f"MLflow: run {run_id}, adapters/{listener_id}/{SHA256}.safetensors",
        f"MLflow: run {run_id}, snapshot/{SHA256}.json",
        f"MLflow: run {elsewhere}, adapters/{other}/{SHA256}.safetensors",
    }
    with httpx.Client(base_url=mlflow_url, timeout=60) as nobody, pytest.raises(BackendAway, match="401"):
        in_mlflow(nobody, {listener_id})
