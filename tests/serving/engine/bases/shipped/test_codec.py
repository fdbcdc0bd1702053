"""The shipped codec keeps what was played: length, pitch, level."""

import json
import math
from pathlib import Path

import pytest
import soundfile
import torch
from torch import Tensor

from serving.engine.bases.shipped.checkpoint import ShippedBase, load_shipped, random_base
from serving.engine.bases.shipped.codec import REFERENCE_RMS, Codec

ROOT = Path(__file__).parents[5]
SONGS = ROOT / "training" / "study" / "songs"


@pytest.fixture(scope="module")
def base() -> ShippedBase:
    return load_shipped(ROOT / "serving" / "base")


def note(hertz: float, seconds: float, rate: int) -> Tensor:
    """A plucked tone with harmonics at the reference level."""
    time = torch.arange(int(seconds * rate)) / rate
    partials = [torch.sin(2 * math.pi * hertz * k * time) / k for k in range(1, 7)]
    tone = torch.stack(partials).sum(0) * torch.exp(-1.5 * (time % 1.0))
    return (tone * REFERENCE_RMS / tone.square().mean().sqrt())[None]


def strength(waveform: Tensor, hertz: float, rate: int) -> float:
    """How strongly a note of this pitch sounds: its first six partials together."""
    spectrum = torch.fft.rfft(waveform * torch.hann_window(waveform.numel())).abs()
    places = [k * hertz * waveform.numel() / rate for k in range(1, 7)]
    return sum(float(spectrum[int(at * 0.985) : int(at * 1.015) + 1].max()) for at in places)


def test_frames_are_pairs() -> None:
    codec = random_base(0).codec
    assert codec.frames_for(10) == 216
    assert codec.frames_for(0.01) == 2
    assert all(codec.frames_for(s) % 2 == 0 for s in (0.5, 1.234, 29.9))
    assert codec.frames_per_second == pytest.approx(21.53, abs=0.01)


def test_shapes_and_padding() -> None:
    codec = random_base(0).codec
    latents = codec.encode(torch.zeros(2, 5000))
    assert latents.shape == (2, 6, codec.latent_channels)
    assert codec.decode(latents).shape == (2, 6 * codec.samples_per_frame)


@pytest.mark.parametrize("shape", [(100,), (1, 0), (1, 1, 100)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="waveform"):
        random_base(0).codec.encode(torch.zeros(shape))


@pytest.mark.parametrize("hertz", [220.0, 440.0, 880.0])
def test_round_trip_keeps_the_note(base: ShippedBase, hertz: float) -> None:
    rate = base.codec.sample_rate
    rebuilt = base.codec.decode(base.codec.encode(note(hertz, 4.0, rate)))[0]
    own = strength(rebuilt, hertz, rate)
    assert own > 1.5 * strength(rebuilt, hertz * 2 ** (1 / 12), rate)
    assert own > 1.5 * strength(rebuilt, hertz * 2 ** (-1 / 12), rate)


def test_latents_of_music_are_normalised(base: ShippedBase) -> None:
    song = json.loads((SONGS / "songs.json").read_text())[0]
    audio, rate = soundfile.read(SONGS / song["file"], dtype="float32", always_2d=True)
    from serving.engine.hearing.style import resample

    wave = resample(torch.from_numpy(audio.mean(1))[None], rate, base.codec.sample_rate)
    latents = base.codec.encode(wave)
    assert 0.4 < float(latents.std()) < 2.0
    assert abs(float(latents.mean())) < 0.6


def test_level_is_kept(base: ShippedBase) -> None:
    codec: Codec = base.codec
    waveform = note(330.0, 4.0, codec.sample_rate)
    rebuilt = codec.decode(codec.encode(waveform))
    assert float(rebuilt.square().mean().sqrt()) == pytest.approx(REFERENCE_RMS, rel=0.35)
