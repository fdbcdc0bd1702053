"""The scripted engine says that it is there while it makes sound, as the real one does."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from schemas.generation import SongRequest
from services.identifiers import uuid7
from tests.services.gateway import engine as scripted
from tests.services.gateway.engine import wav

PATIENCE_S = 60.0


def test_it_answers_while_it_makes_sound(engine_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began, may_end = threading.Event(), threading.Event()
    write = scripted.write_flac

    def slow(path: Path, sound: object, rate: int) -> str:
        began.set()
        assert may_end.wait(PATIENCE_S)
        return write(path, sound, rate)

    monkeypatch.setattr(scripted, "write_flac", slow)
    (tmp_path / "song.wav").write_bytes(wav())
    song = SongRequest(song_id=uuid7(), source=f"file://{tmp_path}/song.wav", destination=f"file://{tmp_path}/song")
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(
            httpx.post, f"{engine_url}/songs", json=song.model_dump(mode="json"), timeout=PATIENCE_S
        )
        try:
            assert began.wait(PATIENCE_S)
            assert httpx.get(f"{engine_url}/health", timeout=PATIENCE_S / 2).status_code == 200
        finally:
            may_end.set()
        assert answer.result().status_code == 200
