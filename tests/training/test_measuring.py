"""What is heard of a track beside anybody's liking: whether it keeps what its prompt states, and how clean it is."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from serving.engine.bases.shipped.checkpoint import random_base
from serving.engine.hearing.style import TAGS, StyleEncoder
from tests.training.examples import CHANNELS, track
from training.measuring import INSTRUMENTS, adherence, measuring
from training.methods.staged_rewards import Measured

RATE, SECONDS = 22_050, 8


class Tagger(StyleEncoder):
    """Says of everything that it is a piano, at 0.8, and remembers how loud it was."""

    level = math.nan

    def tags(self, waveform: torch.Tensor, sample_rate: int) -> torch.Tensor:
        assert sample_rate == RATE
        self.level = float(waveform.square().mean().sqrt())
        found = torch.full((len(waveform), len(TAGS)), 0.1)
        found[:, TAGS.index("piano")] = 0.8
        return found


def clicks(bpm: float) -> torch.Tensor:
    """A beat of so many a minute, on a C major chord [samples]."""
    times = torch.arange(SECONDS * RATE) / RATE
    chord = torch.stack([torch.sin(2 * math.pi * hertz * times) for hertz in (261.63, 329.63, 392.0, 523.25)]).sum(0)
    since = times % (60 / bpm)
    return 0.05 * chord + torch.sin(2 * math.pi * 1500 * times) * torch.exp(-80 * since)


@pytest.mark.parametrize(
    ("prompt", "kept"),
    [
        ("a tune, 120 bpm", 1.0),
        ("a tune, 60 bpm", 1.0),
        ("a tune, 95 bpm", 0.0),
        ("a tune in C major", 1.0),
        ("a tune in F sharp minor", 0.0),
        ("120 bpm, F sharp minor", 0.5),
        ("Piano", 0.8),
        ("a piece for violin", 0.1),
        ("piano, 95 bpm", 0.4),
        ("something calm", None),
        ("the pianola sings", None),
    ],
)
def test_what_a_prompt_states_is_heard_or_not_and_nothing_stated_is_nothing_told(
    prompt: str, kept: float | None
) -> None:
    assert adherence(prompt, clicks(120), RATE, Tagger()) == (None if kept is None else pytest.approx(kept))


def test_the_tagger_hears_everything_equally_loud() -> None:
    levels = []
    for gain in (0.01, 1.0):
        tagger = Tagger()
        adherence("piano", gain * clicks(120), RATE, tagger)
        levels.append(tagger.level)
    assert levels[0] == pytest.approx(levels[1], rel=1e-3)


def test_instruments_are_tags() -> None:
    assert {"piano", "flute", "guitar", "violin", "strings", "choir", "synth", "drums"} <= set(INSTRUMENTS) <= set(TAGS)


def kept(path: Path, **tensors: torch.Tensor) -> str:
    save_file(tensors, path)
    return str(path)


def test_a_track_is_heard_by_its_latents_and_of_what_cannot_be_read_nothing_is_told(tmp_path: Path) -> None:
    base = random_base(1)
    measure = measuring(base, lambda url: Path(url).read_bytes())
    latents = torch.randn(108, CHANNELS, generator=torch.Generator().manual_seed(1))
    good = measure(track(1, 5, "a tune, 120 bpm", url=kept(tmp_path / "good", latents=latents)))
    assert good.adherence in (0.0, 1.0)
    assert good.quality is not None
    assert 0 <= good.quality <= 1
    for name, tensors in {
        "other base": {"latents": latents[:, :4].contiguous()},
        "short": {"latents": latents[:6]},
        "not finite": {"latents": latents / 0},
        "no latents": {"style": latents},
    }.items():
        file = kept(tmp_path / name, **tensors)
        assert measure(track(1, 5, "a tune, 120 bpm", url=file)) == Measured(), name
    assert measure(track(1, 5, url=str(tmp_path / "absent"))) == Measured()
