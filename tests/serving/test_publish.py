"""Publishing over HTTP to real engines: what is refused and why, what stays, and what a later replica knows."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import torch
from fastapi.testclient import TestClient
from safetensors.torch import load, save

from infra.local.engine_status import row
from schemas.registry import AdapterRef
from serving.blobs import Blobs
from serving.engine.bases.shipped.checkpoint import random_base
from serving.published import NAME, Published
from serving.settings import Settings
from tests.serving.engine.parts import RANK, adapter
from tests.serving.replicas import adapter_file, published, replica, served, settings, stored, track


@pytest.fixture(scope="module")
def of(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def client(of: Settings) -> Iterator[TestClient]:
    with replica(of) as one, replica(of) as other, served(of, one, other) as opened:
        yield opened


def resident(client: TestClient) -> list[list[str]]:
    """The versions that each replica names, last used first."""
    return [one["adapters"]["last_used"] for one in client.get("/status").json()["replicas"]]


def test_an_operator_sees_what_each_replica_holds(client: TestClient, of: Settings) -> None:
    ref = stored(of, 7, adapter_file(7), uuid4())
    assert published(client, ref) == [None]
    shown = [row(one) for one in client.get("/status").json()["replicas"]]
    assert len(shown) == 2
    for _, pid, rows, waiting, _, adapters, held, last_used in shown:
        assert (pid, rows, waiting, held) == (str(os.getpid()), "0 of 4", "0", "0")
        assert adapters.endswith(" of 3")
        assert last_used.split()[0] == f"{str(ref.listener_id)[-6:]}/7"


def without_one_tensor(data: bytes) -> bytes:
    tensors, size = load(data), int.from_bytes(data[:8], "little")
    del tensors[min(tensors)]
    metadata = json.loads(data[8 : 8 + size])["__metadata__"]
    return bytes(save(tensors, metadata=metadata))


def with_a_nan(version: int) -> bytes:
    factors = dict(adapter(random_base(0), version))
    name = min(factors)
    down, up = factors[name]
    factors[name] = (down.clone().index_fill_(0, torch.tensor([0]), float("nan")), up)
    return adapter_file(version, factors)


Bad = Callable[[Settings], AdapterRef]
BAD: dict[str, Bad] = {
    "adapter_wrong_base": lambda of: stored(of, 2, adapter_file(2, base_hash="1" * 64)),
    "adapter_rank": lambda of: stored(of, 2, adapter_file(2, adapter(random_base(0), 2, RANK + 1))),
    "adapter_missing_tensors": lambda of: stored(of, 2, without_one_tensor(adapter_file(2))),
    "adapter_nan": lambda of: stored(of, 2, with_a_nan(2)),
    "adapter_checksum": lambda of: stored(of, 2, adapter_file(2)).model_copy(update={"sha256": "2" * 64}),
    "adapter_unreadable": lambda of: stored(of, 2, b"no adapter"),
    "not_found": lambda of: stored(of, 2, adapter_file(2)).model_copy(update={"url": f"{of.store_url}/adapters/none"}),
}


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_version_is_refused_with_the_reason_and_the_one_before_stays(
    client: TestClient, of: Settings, reason: str
) -> None:
    good = stored(of, 1, adapter_file(1), uuid4())
    assert published(client, good) == [None]
    before = resident(client)
    assert [names[0] for names in before] == [good.model_version] * 2
    assert published(client, BAD[reason](of)) == [reason]
    assert resident(client) == before
    assert track(client, of, good)[-1].stage == "done"
    assert f'encore_engine_adapters_refused_total{{code="{reason}"' in client.get("/metrics").text


def test_a_reference_to_another_base_is_refused_unread(client: TestClient, of: Settings) -> None:
    wrong = stored(of, 1, adapter_file(1)).model_copy(update={"base_hash": "3" * 64, "url": "memory://elsewhere"})
    assert published(client, wrong) == ["adapter_wrong_base"]


def test_tampered_bytes_are_never_heard(client: TestClient, of: Settings) -> None:
    ref = stored(of, 31, adapter_file(31))
    path = Path(ref.url.removeprefix("file://"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert published(client, ref) == ["adapter_checksum"]
    failed = track(client, of, ref)[-1]
    assert failed.problem is not None
    assert failed.problem.code == "adapter_checksum"


def test_a_replica_that_starts_later_loads_what_was_published_last(client: TestClient, of: Settings) -> None:
    refs = [stored(of, 1, adapter_file(n), uuid4()) for n in range(of.engine_slots + 1)]
    published(client, *refs)
    published(client, BAD["adapter_rank"](of), refs[2])
    with replica(of) as late, served(of, late) as other:
        late._preloading.join()
        newest = [refs[2], *(ref for ref in reversed(refs) if ref is not refs[2])]
        assert resident(other) == [[ref.model_version for ref in newest[: of.engine_slots - 1]]]


@pytest.mark.parametrize("listed", [b"no list", b"[]", None])
def test_without_a_usable_list_nothing_is_loaded_ahead(tmp_path: Path, listed: bytes | None) -> None:
    blobs = Blobs(tmp_path.as_uri())
    if listed is not None:
        blobs.replace(NAME, listed)
    assert Published(blobs, 3).newest() == []


def test_the_list_is_bounded_and_forgets_the_oldest(of: Settings, tmp_path: Path) -> None:
    listed = Published(Blobs(tmp_path.as_uri()), 2)
    refs = [stored(of, 40 + n, f"adapter {n}".encode()) for n in range(3)]
    listed.note(refs[:2])
    listed.note([refs[0], refs[2]])
    assert listed.newest() == [refs[0], refs[2]]


def test_what_is_gone_is_skipped(client: TestClient, of: Settings) -> None:
    gone, kept = (stored(of, n, adapter_file(n)) for n in (11, 12))
    published(client, gone, kept)
    Path(gone.url.removeprefix("file://")).unlink()
    with replica(of) as late, served(of, late) as other:
        late._preloading.join()
        assert resident(other)[0][0] == kept.model_version
        assert gone.model_version not in resident(other)[0]
        assert track(other, of, stored(of, 13, adapter_file(13)))[-1].stage == "done"


def counts(client: TestClient) -> dict[str, float]:
    """Adapters found, by tier, over all replicas."""
    found: dict[str, float] = {}
    for line in client.get("/metrics").text.splitlines():
        if line.startswith("encore_engine_adapter_lookups_total"):
            tier = line.split('tier="')[1].split('"')[0]
            found[tier] = found.get(tier, 0) + float(line.rsplit(" ", 1)[1])
    return found


def test_adapters_of_a_remote_store_are_found_in_memory_on_disk_and_in_the_store(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"engine_cache_folder": tmp_path / "cache", "engine_slots": 2}
    of = settings(tmp_path, store_url=f"memory://{uuid4()}", **changes)
    one, other = (stored(of, 1, adapter_file(n), uuid4()) for n in (1, 2))
    with replica(of) as engine, served(of, engine) as client:
        for ref in (one, one, other, one):
            assert published(client, ref) == [None]
        assert counts(client) == {"store": 2, "memory": 1, "disk": 1}

        [damaged] = (path for path in (tmp_path / "cache").iterdir() if path.name == other.sha256)
        damaged.write_bytes(b"half an adapter")
        assert published(client, other) == [None]
        assert counts(client)["store"] == 3
        assert hashlib.sha256(damaged.read_bytes()).hexdigest() == other.sha256


def test_a_local_store_needs_no_copies(client: TestClient, of: Settings) -> None:
    assert published(client, stored(of, 21, adapter_file(21))) == [None]
    assert set(counts(client)) <= {"store", "memory"}
    assert "encore_engine_adapter_cache_bytes" not in client.get("/metrics").text
