"""What every process keeps to in the blob store, on a folder of this machine and on a store that has no folders."""

import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest

from schemas.blobs import DamagedBlobError, OutsideStoreError, Store, features_name


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    name = f"/{uuid4().hex}"
    yield Store((tmp_path / "store").as_uri() if request.param == "folder" else f"memory:/{name}")
    memory = fsspec.filesystem("memory")
    if memory.exists(name):
        memory.rm(name, recursive=True)


def test_what_is_written_once_stays(store: Store) -> None:
    url = store.url("tracks/a/audio.flac")
    assert store.write_once(url, b"first") == b"first"
    assert store.write_once(url, b"second") == b"first"
    assert store.read(url) == b"first"
    assert [path.rpartition("/")[2] for path in store.files.ls(store.path(store.url("tracks/a")), detail=False)] == [
        "audio.flac"
    ]


def test_of_many_writers_all_are_told_who_came_first(tmp_path: Path) -> None:
    store, told = Store(tmp_path.as_uri()), []
    url, together = store.url("songs/a"), threading.Barrier(8)

    def write(number: int) -> None:
        together.wait()
        told.append(store.write_once(url, b"%d" % number * 100_000))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(told) == {store.read(url)}


def test_a_plain_path_is_a_folder_of_this_machine(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    assert store.write_once((tmp_path / "a").as_uri(), b"x") == store.read(str(tmp_path / "a")) == b"x"


@pytest.mark.parametrize(
    "url", ["{}/../elsewhere", "{}-too/x", "{}", "file:///etc/passwd", "http://example.org/x", "memory://x/y", ""]
)
def test_nothing_outside_is_opened(tmp_path: Path, url: str) -> None:
    store = Store((tmp_path / "store").as_uri())
    outside = url.format(store.address)
    with pytest.raises(OutsideStoreError):
        store.read(outside)
    with pytest.raises(OutsideStoreError):
        store.write_once(outside, b"x")


def test_features_are_those_that_their_address_names(store: Store) -> None:
    url = store.url(f"songs/a/{features_name(b'these')}")
    store.write_once(url, b"these")
    assert store.read(url) == b"these"
    other = store.url(f"songs/b/{features_name(b'these')}")
    store.write_once(other, b"those")
    with pytest.raises(DamagedBlobError):
        store.read(other)
