"""Of whom it is told to forget, no replica keeps anything at hand; the others' adapters stay."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient

from serving.deployment import Denoiser
from serving.published import NAME
from serving.settings import Settings
from tests.serving.replicas import adapter_file, published, replica, served, settings, stored, track


@pytest.fixture
def of(tmp_path: Path) -> Settings:
    return settings(tmp_path)


@pytest.fixture
def one(of: Settings) -> Iterator[Denoiser]:
    with replica(of) as started:
        yield started


def forget(client: TestClient, *listeners: UUID) -> int:
    """The status of the answer."""
    return client.post("/forget", json={"listeners": [str(each) for each in listeners]}).status_code


def resident(*replicas: Denoiser) -> list[set[str]]:
    return [{key.listener for key in each._engine.state().resident} for each in replicas]


def test_no_replica_has_their_adapter_and_none_will_load_it_ahead(of: Settings, one: Denoiser) -> None:
    gone, kept = uuid4(), uuid4()
    refs = [stored(of, version, adapter_file(version), who) for version, who in enumerate((gone, gone, kept), 1)]
    with replica(of) as other, served(of, one, other) as client:
        assert published(client, *refs) == [None] * 3
        assert resident(one, other) == [{str(gone), str(kept)}] * 2
        assert forget(client, gone) == 204
        assert resident(one, other) == [{str(kept)}] * 2
        assert track(client, of, refs[2])[-1].stage == "done"  # a turn of the loop, after which slots are empty
        pool = one._engine._pool
        of_kept = one._engine._slots.slot(one._engine.state().resident[0])
        held = {slot for slot in range(1, 4) if any(bool(up[slot].any()) for up in pool.up)}
        assert held == {of_kept}
        hint = (Path(of.store_url.removeprefix("file://")) / NAME).read_text()
        assert (str(gone) in hint, str(kept) in hint) == (False, True)
        assert forget(client, gone) == 204


def test_a_replica_that_does_not_answer_keeps_it_open(of: Settings, one: Denoiser, monkeypatch: Any) -> None:
    ref = stored(of, 1, adapter_file(1), uuid4())
    with served(of, one) as client:
        published(client, ref)
        with monkeypatch.context() as broken:

            async def silent(_: object) -> bool:
                raise RuntimeError("no answer")

            broken.setattr(one, "forget", silent)
            assert forget(client, ref.listener_id) == 503
        assert forget(client, ref.listener_id) == 204
    with served(of) as client:
        assert forget(client, ref.listener_id) == 503


def test_a_version_that_a_track_needs_keeps_it_open(of: Settings, one: Denoiser) -> None:
    ref = stored(of, 1, adapter_file(1), uuid4())
    with served(of, one) as client:
        published(client, ref)
        [key] = one._engine.state().resident
        with one._engine._changed:
            one._engine._slots.pin(key)
        assert forget(client, ref.listener_id) == 503
        with one._engine._changed:
            one._engine._slots.unpin(key)
        assert forget(client, ref.listener_id) == 204
