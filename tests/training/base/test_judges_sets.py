"""Distances between sets of clips obey the laws they are read by, and the sets are what they claim to be."""

import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.base.arrange import Arrangement
from training.base.config import Recipe
from training.base.judges.kad import kad, vendi
from training.base.judges.memorisation import nearest
from training.base.judges.sets import full_caption, recorded, recordings, rendered, same_spectrum_noise
from training.base.recordings import held_out
from training.base.render import SAMPLE_RATE
from training.base.tunes import Tune

SAMPLES = 5 * SAMPLE_RATE


def draw(seed: int, count: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(count, 12, generator=torch.Generator().manual_seed(seed)) + shift


def test_kad_of_one_distribution_is_zero_on_average() -> None:
    values = torch.tensor([kad(draw(seed, 24), draw(1000 + seed, 24)) for seed in range(200)])
    error = float(values.std() / len(values) ** 0.5)
    assert abs(float(values.mean())) < 3 * error
    assert (values < 0).any()


@given(st.integers(0, 10**6), st.floats(0.3, 1.0))
@settings(max_examples=20, deadline=None)
def test_kad_grows_with_distance(seed: int, shift: float) -> None:
    reference, found = draw(seed, 60), draw(seed + 1, 60)
    assert kad(reference, found) < kad(reference, found + shift) < kad(reference, found + 2 * shift)


@given(st.integers(0, 10**6), st.permutations(range(20)))
@settings(max_examples=20, deadline=None)
def test_kad_knows_no_order_and_no_scale(seed: int, order: list[int]) -> None:
    reference, found = draw(seed, 20), draw(seed + 1, 20, 0.5)
    expected = pytest.approx(kad(reference, found), rel=1e-5, abs=1e-5)
    assert kad(reference[order], found[order]) == expected
    assert kad(10 * reference, 10 * found) == expected


def test_kad_is_symmetric_between_sets_of_one_width() -> None:
    # The mirror image has the same distances within, so the same bandwidth.
    reference = draw(0, 30)
    found = 1.0 - reference
    assert kad(reference, found) == pytest.approx(kad(found, reference), rel=1e-6)


@given(st.integers(1, 12))
def test_vendi_counts_what_is_different(count: int) -> None:
    assert vendi(torch.ones(count, 12)) == pytest.approx(1)
    assert vendi(torch.eye(12)[:count]) == pytest.approx(count)
    assert vendi(torch.eye(12)[:count].repeat(2, 1)) == pytest.approx(count)


def test_the_nearest_clip_is_found() -> None:
    known = draw(0, 50)
    assert nearest(known, known[7:9] * 3).tolist() == pytest.approx([1, 1], abs=1e-5)
    assert float(nearest(known, draw(1, 1))) < 0.95


class Beeper:
    """Plays a tone for any arrangement, and silence for every third."""

    def __init__(self) -> None:
        self.played = 0

    def play(self, arrangement: Arrangement, start: float, seconds: float) -> np.ndarray:
        assert 0 <= start <= arrangement.seconds - seconds
        self.played += 1
        time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
        sound = np.sin(2 * np.pi * 220 * time + start) * (self.played % 3 > 0)
        return np.stack([sound, sound], axis=1).astype(np.float32)


def tune(title: str, collection: str = "ryansMammoth") -> Tune:
    notes = [(i * 0.5, 0.5, 60 + (i * 5) % 12) for i in range(80)]
    return Tune(title, collection, "reel", 0, False, 3.0, [notes] * (4 if collection == "bach" else 1))


def test_rendered_sets_are_the_same_at_every_run_and_never_silent() -> None:
    tunes = [tune("One"), tune("Two", "bach")]
    sets = [rendered(tunes, Recipe(), Beeper(), 6, (stream,), SAMPLES) for stream in (1, 1, 2)]  # type: ignore[arg-type]
    assert torch.equal(sets[0].audio, sets[1].audio)
    assert sets[0].requests == sets[1].requests
    assert sets[0].requests != sets[2].requests
    assert (sets[0].audio.square().mean(1) > 1e-3).all()


def test_a_request_states_what_is_judged() -> None:
    made = rendered([tune("One")], Recipe(), Beeper(), 8, (1,), SAMPLES)  # type: ignore[arg-type]
    for request in made.requests:
        facts = request.facts
        assert all(text in request.prompt for text in (facts.instrument, f"{facts.bpm} bpm", facts.key))
        assert request.compound
        assert request.key[1] == facts.minor
    rng = np.random.default_rng(0)
    assert len({full_caption(made.requests[0].facts, rng) for _ in range(20)}) > 5


def test_only_unheard_recordings_are_judged_with(tmp_path: Path) -> None:
    long, short = tmp_path / "long.ogg", tmp_path / "short.ogg"
    sound = np.random.default_rng(0).normal(0, 0.1, 31 * 8000)
    soundfile.write(long, sound, 8000)
    soundfile.write(short, sound[:8000], 8000)
    folders = {name: tmp_path / name / "usr" / "music" for name in ("supertux-data", "wesnoth-1.16-music")}
    for folder in folders.values():
        folder.mkdir(parents=True)
        for number in range(12):
            shutil.copy(long, folder / f"song{number}.ogg")
    shutil.copy(short, tmp_path / "supertux-data" / "usr" / "music" / "jingle.ogg")
    found = recordings([tmp_path])
    songs = {path for path in folders["supertux-data"].iterdir() if path.stem != "jingle"}
    assert {path for path in found if "supertux-data" in path.parts} == songs
    rest = [path for path in folders["wesnoth-1.16-music"].iterdir() if held_out(path)]
    assert {path for path in found if "wesnoth-1.16-music" in path.parts} == set(rest)
    assert recorded(found[:3], 5, SAMPLES).audio.shape == (5, SAMPLES)
    places = recorded(found[:1], 5, SAMPLES).audio
    assert len({tuple(clip[:50].tolist()) for clip in places}) == 5


def octaves(audio: torch.Tensor) -> torch.Tensor:
    """Share of the energy in each octave from 86 Hz [batch, 7]."""
    power = torch.fft.rfft(audio).abs().square()
    edges = [int(86 * 2**octave * audio.shape[1] / SAMPLE_RATE) for octave in range(8)]
    bands = torch.stack([power[:, low:high].sum(1) for low, high in pairwise(edges)], dim=1)
    return bands / bands.sum(1, keepdim=True)


def test_noise_keeps_the_spectrum_and_loses_tones_and_rhythm() -> None:
    time = torch.arange(SAMPLES) / SAMPLE_RATE
    tones = sum(torch.sin(2 * torch.pi * hertz * time) / index for index, hertz in enumerate((243, 973, 3892), 1))
    music = (tones * (time % 0.5 < 0.1) * 0.3)[None]
    noise = same_spectrum_noise(music, seed=0)
    assert torch.allclose(octaves(noise), octaves(music), atol=0.1)
    spread = [float(torch.fft.rfft(each).abs().amax() / torch.fft.rfft(each).norm()) for each in (music, noise)]
    assert spread[1] < 0.5 * spread[0]
    loudness = noise[0].unfold(0, 2205, 2205).square().mean(1)
    assert float(loudness.max() / loudness.min()) < 5
