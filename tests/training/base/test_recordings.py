"""Recordings are found in folders and in archives, and read as mono at the wanted rate."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from training.base import render
from training.base.config import ClipConfig, Recipe
from training.base.recordings import found, held_out, passage
from training.base.render import SAMPLE_RATE, read_clips

SECONDS, RATE = 30, 48_000


def ogg(hertz: float) -> bytes:
    """A stereo tone, on the left only."""
    tone = 0.5 * np.sin(2 * np.pi * hertz * np.arange(SECONDS * RATE) / RATE)
    file = io.BytesIO()
    soundfile.write(file, np.stack([tone, 0 * tone], 1), RATE, format="OGG")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A package with one file in a folder, one in a game's archive, and one of each that is no music."""
    place = tmp_path / "wesnoth-music"
    place.mkdir()
    assert not held_out(Path("plain.ogg"))
    assert not held_out(Path("packed.ogg"))
    (place / "plain.ogg").write_bytes(ogg(220))
    (place / "plain.txt").write_text("no music")
    with zipfile.ZipFile(place / "data.pk3", "w") as archive:
        archive.writestr("sound/packed.ogg", ogg(440))
        archive.writestr("sound/packed.cfg", "no music")
    return place


def strongest(audio: np.ndarray) -> float:
    """Hertz of the loudest tone."""
    return float(np.abs(np.fft.rfft(audio)).argmax() * SAMPLE_RATE / len(audio))


def test_both_kinds_are_found_and_read(folder: Path) -> None:
    recordings = found(folder)
    assert [each.path.name for each in recordings] == ["packed.ogg", "plain.ogg"]
    for recording, hertz in zip(recordings, (440, 220), strict=True):
        with recording.open() as file:
            audio = passage(file, 3.0, 4.0, SAMPLE_RATE)
        assert len(audio) == 4 * SAMPLE_RATE
        assert abs(strongest(audio) - hertz) < 1


def test_what_is_held_out_is_not_found(folder: Path) -> None:
    name = next(f"{number}.ogg" for number in range(100) if held_out(Path(f"{number}.ogg")))
    (folder / "plain.ogg").rename(folder / name)
    assert [each.path.name for each in found(folder)] == ["packed.ogg"]


def test_runs_of_clips_come_out_of_each(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "load_tunes", lambda _: [])
    clips = ClipConfig(frames=40, arrangements=0, recording_clips=16, workers=1)
    assert render.render(replace(Recipe(), clips=clips, work=tmp_path), folder) == 16
    audio, abouts = read_clips(tmp_path)
    assert audio.shape == (16, 40 * 1024)
    assert [about["recording"] for about in abouts] == ["packed.ogg"] * 8 + ["plain.ogg"] * 8
    assert {about["genre"] for about in abouts} == {"orchestral fantasy"}
    assert [abouts.count(about) for about in abouts] == [4] * 16, "four clips of one run are one group"
    assert abs(strongest(audio[-1].astype(np.float32)) - 220) < 1
