"""What a listener takes away is whole, is theirs alone, and is read by other tools than ours."""

import asyncio
import hashlib
import io
import json
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit
from uuid import UUID, uuid4
from zipfile import ZipFile

import numpy as np
import psycopg
import pytest
import soundfile
from safetensors.numpy import load, save

from services.gateway import app
from services.gateway.blobs import Blobs
from services.gateway.executes import Execute
from services.gateway.exports import LEFT_OUT, Export, blinded
from services.gateway.settings import GatewaySettings
from services.gateway.store import Reach, Store
from services.postgres import open_async_pool
from services.streams_memory import MemoryBroker
from tests.services.gateway.conftest import Gateway, running, until
from tests.services.gateway.engine import ToneEngine


def exported(gateway: Gateway, listener_id: str) -> ZipFile:
    token = gateway.token("listener", listener_id)
    answer = gateway.http.get(f"/v1/listeners/{listener_id}/export", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    archive = ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    return archive


def test_an_archive_is_read_by_other_tools_and_holds_one_listeners_own(gateway: Gateway, listener_id: str) -> None:
    other = gateway.listener()
    gateway.ask(other, prompt="another's secret", seconds=2)
    gateway.upload(listener_id)
    track = gateway.ask(listener_id, prompt="a slow reel", seconds=2)["track_id"]
    gateway.finished(track)
    key = f"adapters/{listener_id}/{'a' * 64}.safetensors"
    adapter = save({"scale": np.ones(3, np.float32)})
    add_adapter(gateway, listener_id, f"{gateway.settings.store_url}/{key}", adapter)
    archive = exported(gateway, listener_id)
    manifest = json.loads(archive.read("manifest.json"))
    named = {each["name"]: each for each in manifest["files"]}
    assert set(archive.namelist()) == named.keys() | {"manifest.json"}
    for name, each in named.items():
        data = archive.read(name)
        assert (len(data), hashlib.sha256(data).hexdigest()) == (each["bytes"], each["sha256"])
    (row,) = json.loads(archive.read("tables/gateway.tracks.json"))
    assert (row["track_id"], row["prompt"]) == (track, "a slow reel")
    assert json.loads(archive.read("listener.json"))["attributes"] == {"home": "folk"}
    assert {each["purpose"] for each in json.loads(archive.read("tables/gateway.consents.json"))} == {
        "training",
        "analysis",
    }
    audio, rate = soundfile.read(io.BytesIO(archive.read(f"tracks/{track}/audio.flac")))
    assert len(audio) > rate
    assert load(archive.read(key))["scale"].tolist() == [1, 1, 1]
    whole = b"".join(archive.read(name) for name in archive.namelist() if name.startswith("tables/"))
    assert b"another's secret" not in whole
    assert other.encode() not in whole
    for word in (b'"candidate"', b'"champion"', b'"arm"', b'"propensity"', b'"release_id"', b'"own_version"'):
        assert word not in whole
    entries = gateway.http.get("/v1/audit", params={"subject": listener_id}).json()
    assert entries[0]["action"] == "listener.exported"


def add_adapter(gateway: Gateway, listener_id: str, url: str, data: bytes) -> None:
    path = Path(urlsplit(url).path)
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    with psycopg.connect(gateway.settings.postgres_dsn) as connection:
        round_id = uuid4()
        connection.execute(
            "insert into training.rounds (round_id, status, listeners) values (%s, 'trained', %s)",
            (round_id, [listener_id]),
        )
        connection.execute(
            "insert into training.adapters (listener_id, version, round_id, url, sha256, base_hash, rank,"
            " snapshot_sha256) values (%s, 1, %s, %s, %s, %s, 8, 'x')",
            (listener_id, round_id, url, "a" * 64, "b" * 64),
        )


def test_no_table_of_listeners_is_forgotten(gateway: Gateway, listener_id: str) -> None:
    with psycopg.connect(gateway.settings.postgres_dsn) as connection:
        tables = connection.execute(
            "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " join pg_attribute a on a.attrelid = c.oid and a.attname = 'listener_id' and not a.attisdropped"
            " where c.relkind in ('r', 'p') and not c.relispartition and n.nspname not like 'pg_%'"
        ).fetchall()
    inside = set(exported(gateway, listener_id).namelist())
    forgotten = [
        f"{schema}.{name}"
        for schema, name in tables
        if f"tables/{schema}.{name}.json" not in inside and not {schema, f"{schema}.{name}"} & LEFT_OUT.keys()
    ]
    assert forgotten == []
    assert len(inside) > 10


def test_what_is_gone_from_the_store_is_named_and_the_rest_is_there(gateway: Gateway, listener_id: str) -> None:
    track = gateway.ask(listener_id, seconds=2)["track_id"]
    gateway.finished(track)
    with psycopg.connect(gateway.settings.postgres_dsn) as connection:
        connection.execute("update gateway.tracks set audio_url = 'file:///etc/passwd'")
    archive = exported(gateway, listener_id)
    assert "file:///etc/passwd" in json.loads(archive.read("manifest.json"))["missing"]
    assert "tables/gateway.tracks.json" in archive.namelist()


def test_nothing_tells_an_arm_at_any_depth() -> None:
    assert blinded({"a": [{"arm": 1, "b": 2}], "release_id": 3}) == {"a": [{"b": 2}]}


def test_rows_are_those_of_one_moment(gateway: Gateway, listener_id: str) -> None:
    before = gateway.ask(listener_id, seconds=2)["track_id"]
    gateway.finished(before)

    class Disturbed(Export):
        async def _write(self, execute: Execute, table: str, file: IO[bytes]) -> None:
            await super()._write(execute, table, file)
            if table == "gateway.consents":  # tracks are read later
                await asyncio.to_thread(gateway.ask, listener_id, seconds=2)

    async def archive() -> bytes:
        settings = gateway.settings
        async with open_async_pool(settings.postgres_dsn, size=1) as pool:
            store = Store(pool).within(Reach(listener_id=UUID(listener_id)))
            export = Disturbed(store, Blobs(settings.store_url), settings.store_url, UUID(listener_id))
            return b"".join([piece async for piece in export.pieces()])

    rows = json.loads(ZipFile(io.BytesIO(asyncio.run(archive()))).read("tables/gateway.tracks.json"))
    assert [row["track_id"] for row in rows] == [before]
    assert len(gateway.http.get(f"/v1/listeners/{listener_id}/tracks").json()) == 2


def test_archives_at_once_are_bounded_and_whoever_goes_gives_their_place_back(
    settings: GatewaySettings, engine: ToneEngine, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "EXPORTS", 1)
    with running(settings, engine, broker) as gateway:
        listener_id = gateway.listener()
        path = f"/v1/listeners/{listener_id}/export"
        large = save({"scale": np.ones(16_000_000, np.float32)})
        url = f"{settings.store_url}/adapters/{listener_id}/{'a' * 64}.safetensors"
        add_adapter(gateway, listener_id, url, large)
        with gateway.http.stream("GET", path) as sending:
            assert sending.status_code == 200
            answer = gateway.http.get(path)
            assert (answer.status_code, answer.json()["code"]) == (503, "too_many_exports")
            assert int(answer.headers["retry-after"]) > 0
        until(lambda: gateway.http.get(path).status_code == 200)
