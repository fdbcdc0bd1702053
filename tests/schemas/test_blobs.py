"""What every process keeps to in the blob store, on a folder of this machine, on a store that has no folders, and on a
server that speaks S3."""

import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest
from moto.server import ThreadedMotoServer

from schemas.blobs import DamagedBlobError, OutsideStoreError, Store, features_name


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The URL of a bucket on a server that decides by itself what `If-None-Match: *` lets through."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        environment.setenv("AWS_ACCESS_KEY_ID", "tests")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "tests")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        files = fsspec.filesystem("s3", skip_instance_cache=True)
        type(files).clear_instance_cache()  # what is in it may know another server
        files.mkdir("encore")
        yield "s3://encore"
        type(files).clear_instance_cache()
    server.stop()


@pytest.fixture(params=["folder", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    name = f"/{uuid4().hex}"
    if request.param == "s3":
        yield Store(request.getfixturevalue("bucket") + name)
        return
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


@pytest.mark.parametrize("store", ["folder"], indirect=True)  # the test server for S3 looks and writes in two steps
def test_of_many_writers_all_are_told_who_came_first(store: Store) -> None:
    told: list[bytes] = []
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
