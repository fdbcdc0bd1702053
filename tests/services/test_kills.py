"""Killed anywhere, no erasure, export or rotation of keys is half-done; and the checker would see if one were."""

import json
import os
import zipfile
from pathlib import Path
from uuid import uuid4

import psycopg

from tests.services.halves import halves_of_archive, halves_of_erasure, halves_of_rotation, traces
from tests.services.kills import killed

KILLS = 8
"""`python -m tests.services.kills` does 200."""


def test_killed_again_and_again_nothing_is_half_done(postgres_dsn: str, tmp_path: Path) -> None:
    began, wrong = killed(postgres_dsn, tmp_path, KILLS, seed=3)
    assert wrong == []
    assert began.total() >= 3


def test_what_is_left_of_a_listener_is_found_in_tables_names_and_files(postgres_dsn: str, tmp_path: Path) -> None:
    who, in_bytes, in_name = uuid4(), uuid4(), uuid4()
    with psycopg.connect(postgres_dsn, autocommit=True) as owner:
        owner.execute("insert into gateway.listeners (listener_id) values (%s)", (who,))
        (tmp_path / "tracks").mkdir()
        (tmp_path / "tracks" / str(in_name)).write_text("")
        (tmp_path / "snapshots").mkdir()
        (tmp_path / "snapshots" / "x").write_text(json.dumps({"of": str(in_bytes)}))
        found = traces(owner, tmp_path, (who, in_name, in_bytes))
    assert found == {"gateway": 1, "blobs": 1, "training": 1}


def test_a_half_erasure_is_seen() -> None:
    before = {"gateway": 3, "blobs": 2}
    assert halves_of_erasure(before, before, None) == []
    assert halves_of_erasure({"blobs": 2}, before, {"gateway"}) == []
    assert halves_of_erasure({"gateway": 1, "blobs": 2}, before, None)
    assert halves_of_erasure({"gateway": 1}, before, {"gateway"})
    assert halves_of_erasure({}, before, {"blobs"})


def test_half_an_archive_that_is_read_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.json", "{}")
        archive.writestr("manifest.json", json.dumps({"files": [{"name": "a.json", "sha256": "0"}]}))
    assert len(halves_of_archive(file, {"a.json", "b.json", "manifest.json"})) == 2
    os.truncate(file, file.stat().st_size // 2)
    assert halves_of_archive(file, {"a.json"}) == []


def test_keys_that_are_lost_are_seen() -> None:
    def keys(*made_at: int) -> str:
        return json.dumps({"keys": [{"iat": at} for at in made_at]})

    assert halves_of_rotation(keys(1, 2), keys(1, 2), 0o600) == []
    assert halves_of_rotation(keys(1, 2), keys(2, 3), 0o600) == []
    assert halves_of_rotation(keys(1, 2), keys(3), 0o600)
    assert halves_of_rotation(keys(1, 2), keys(1, 3), 0o600)
    assert halves_of_rotation(keys(1, 2), keys(2, 3), 0o644)
