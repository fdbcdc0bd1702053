"""Copies on disk are whole or absent, bounded, and never in the way."""

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.cache import DiskCache


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def named(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_what_is_put_is_found_by_its_checksum_by_every_process(folder: Path) -> None:
    DiskCache(folder, 100).put(b"adapter")
    assert DiskCache(folder, 100).get(named(b"adapter")) == b"adapter"
    assert DiskCache(folder, 100).get(named(b"another")) is None
    assert DiskCache(folder / "none", 100).get(named(b"adapter")) is None


def test_damaged_bytes_are_removed_not_returned(folder: Path) -> None:
    cache = DiskCache(folder, 100)
    cache.put(b"adapter")
    (folder / named(b"adapter")).write_bytes(b"adaptor")
    assert cache.get(named(b"adapter")) is None
    assert list(folder.iterdir()) == []


def test_a_writer_that_is_killed_leaves_nothing_under_the_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(path: Path, _: object) -> None:
        raise KeyboardInterrupt(path)

    cache = DiskCache(folder, 15)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            cache.put(b"half")
    assert cache.get(named(b"half")) is None
    [left] = folder.iterdir()
    os.utime(left, (0, 0))
    cache.put(b"a whole file")
    assert [path.name for path in folder.iterdir()] == [named(b"a whole file")]


def test_the_longest_unused_goes_first(folder: Path) -> None:
    cache = DiskCache(folder, 9)
    for age, data in enumerate((b"old", b"mid", b"new")):
        cache.put(data)
        os.utime(folder / named(data), (age, age))
    assert cache.get(named(b"old")) == b"old"
    cache.put(b"any")
    assert cache.get(named(b"mid")) is None
    assert [cache.get(named(data)) for data in (b"old", b"new", b"any")] == [b"old", b"new", b"any"]
    assert (cache.size, cache.evicted) == (9, 1)


@given(files=st.lists(st.binary(max_size=30), max_size=12), most=st.integers(1, 60))
def test_the_bound_holds_after_every_write(
    tmp_path_factory: pytest.TempPathFactory, files: list[bytes], most: int
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    cache = DiskCache(folder, most)
    for data in files:
        cache.put(data)
        assert sum(path.stat().st_size for path in folder.iterdir()) == cache.size <= most


def test_a_disk_that_fails_costs_only_the_copy(folder: Path) -> None:
    folder.write_text("a file where the folder should be")
    cache = DiskCache(folder, 100)
    cache.put(b"adapter")
    assert cache.get(named(b"adapter")) is None


def test_cleared_it_holds_nothing_and_is_written_to_again(folder: Path) -> None:
    cache = DiskCache(folder, 100)
    cache.clear()
    cache.put(b"adapter")
    cache.clear()
    assert list(folder.iterdir()) == []
    cache.put(b"another")
    assert cache.get(named(b"another")) == b"another"
