"""A blob store that hangs is away, and comes back by itself."""

import asyncio
import io
import threading
from pathlib import Path
from uuid import uuid4

import pytest
from fsspec.implementations.local import LocalFileSystem

from services.gateway.blobs import Blobs


def test_a_store_that_hangs_is_away_and_takes_no_threads_from_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()
    exists = LocalFileSystem.exists

    def hangs(files: LocalFileSystem, path: str) -> bool:
        goes_on.wait()
        return bool(exists(files, path))

    async def lived() -> None:
        blobs = Blobs(f"file://{tmp_path}/store", patience_s=0.3)
        monkeypatch.setattr(LocalFileSystem, "exists", hangs)
        # More than all threads of the loop's own executor together.
        assert set(await asyncio.gather(*(blobs.is_reachable() for _ in range(80)))) == {False}
        assert await asyncio.to_thread(lambda: "free") == "free"
        with pytest.raises(OSError, match="No answer"):
            await blobs.size(blobs.song(uuid4()))
        goes_on.set()
        while not await blobs.is_reachable():
            continue
        patient = Blobs(f"file://{tmp_path}/store")
        url = patient.song(uuid4())
        await patient.put(url, io.BytesIO(b"sound"))
        assert await patient.size(url) == 5

    asyncio.run(lived())
