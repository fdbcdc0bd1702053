"""What travels to a lent machine comes out there as what the recipe needs."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from serving.engine.bases.manifest import read_manifest
from serving.engine.bases.shipped.checkpoint import FILES, load_shipped, random_base, save_base, tiny_transformer
from serving.engine.bases.shipped.encoders import ENCODER_FILES
from training.base import travel
from training.base.recordings import Recording, found
from training.base.travel import seal

RATE = 44_100


def soundfont(path: Path, samples: np.ndarray) -> bytes:
    """Only what packing looks at: a head, the samples with their size, a tail."""
    raw = samples.astype("<i2").tobytes()
    path.write_bytes(b"RIFF....sfbk" + b"smpl" + len(raw).to_bytes(4, "little") + raw + b"LIST.pdta")
    return path.read_bytes()


def test_a_soundfont_keeps_its_size_and_nearly_its_sound(tmp_path: Path) -> None:
    times = np.arange(2 * RATE) / RATE
    samples = (np.sin(2 * np.pi * 440 * times) * np.exp(-times) * 12_000).astype(np.int16)
    before = soundfont(tmp_path / "font.sf2", samples)
    travel._pack_soundfont(tmp_path / "font.sf2", tmp_path)
    travel._unpack_soundfont(tmp_path, tmp_path / "there" / "font.sf2")
    after = (tmp_path / "there" / "font.sf2").read_bytes()
    start, stop = travel._sample_place(before)
    assert (len(after), after[:start], after[stop:]) == (len(before), before[:start], before[stop:])
    heard = np.frombuffer(after[start:stop], "<i2").astype(float)
    assert np.square(heard - samples).mean() < 0.01 * np.square(samples.astype(float)).mean()


@pytest.mark.parametrize("stem", ["one", "two", "three", "four", "five", "six", "seven", "eight"])
def test_a_recording_that_travels_is_not_held_out_under_its_new_name(tmp_path: Path, stem: str) -> None:
    source, there = tmp_path / "some-music" / f"{stem}.ogg", tmp_path / "there"
    source.parent.mkdir()
    there.mkdir()
    soundfile.write(source, np.random.default_rng(0).normal(0, 0.1, 3 * RATE), RATE)
    travel._pack_recording(Recording(source), tmp_path, there)
    (packed,) = found(there)
    assert packed.path.name.startswith(f"some-music--{stem}")
    with packed.open() as file:
        assert file.frames / file.samplerate == pytest.approx(3, abs=0.1)


def test_a_base_that_came_back_is_sealed_with_the_encoders_of_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as away:
        stand_ins = dict.fromkeys(ENCODER_FILES, "0" * 64)
        away.setattr("serving.engine.bases.shipped.checkpoint.encoder_digests", lambda: stand_ins)
        save_base(tmp_path, random_base(1), tiny_transformer(), dtype=torch.float32)
    seal(tmp_path)
    assert read_manifest(tmp_path, FILES).base_hash == load_shipped(tmp_path).manifest.base_hash
