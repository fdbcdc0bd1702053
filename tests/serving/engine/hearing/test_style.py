"""The style encoder hears what plays, and hears it the same at any sample rate."""

import json
import math
from pathlib import Path

import pytest
import soundfile
import torch
from torch import Tensor

from serving.engine.errors import PackageError
from serving.engine.hearing import tagger
from serving.engine.hearing.style import STYLE_SIZE, TAGS, StyleEncoder, resample

SONGS = Path(__file__).parents[4] / "training" / "study" / "songs"


@pytest.fixture(scope="module")
def encoder() -> StyleEncoder:
    return StyleEncoder()


def songs(style: str) -> list[tuple[Tensor, int]]:
    found = []
    for song in json.loads((SONGS / "songs.json").read_text()):
        if song["style"] == style:
            audio, rate = soundfile.read(SONGS / song["file"], dtype="float32", always_2d=True)
            found.append((torch.from_numpy(audio.mean(1))[None], rate))
    return found


def mean_tags(encoder: StyleEncoder, style: str) -> dict[str, float]:
    rows = torch.cat([encoder.tags(audio, rate) for audio, rate in songs(style)])
    return dict(zip(TAGS, rows.mean(0).tolist(), strict=True))


def test_tags_name_what_plays(encoder: StyleEncoder) -> None:
    styles = ("slow solo piano", "acoustic guitar", "synth dance", "chorale")
    heard = {style: mean_tags(encoder, style) for style in styles}
    names = ("piano", "guitar", "techno", "choral")
    for style, name in zip(styles, names, strict=True):
        others = [heard[other][name] for other in styles if other != style]
        assert heard[style][name] > 1.5 * max(others), (style, name)
    assert heard["slow solo piano"]["piano"] > 0.4
    assert heard["synth dance"]["techno"] > 0.4


def test_songs_of_one_style_lie_closer(encoder: StyleEncoder) -> None:
    sets = [
        torch.cat([encoder.embed(audio, rate) for audio, rate in songs(style)])
        for style in ("slow solo piano", "hard rock")
    ]
    within = torch.stack([torch.cdist(each, each).sum() / (len(each) ** 2 - len(each))
                          for each in sets]).mean()  # fmt: skip
    assert torch.cdist(sets[0], sets[1]).mean() > 1.2 * within


def test_sample_rate_does_not_matter(encoder: StyleEncoder) -> None:
    audio, rate = songs("flute air")[0]
    there = encoder.embed(audio, rate)
    half = encoder.embed(resample(audio, rate, 22_050), 22_050)
    assert torch.cosine_similarity(there, half).item() > 0.98
    assert there.shape == (1, STYLE_SIZE)


def test_standardised_with_the_constants_given(encoder: StyleEncoder) -> None:
    audio, rate = songs("flute air")[0]
    raw = encoder.embed(audio, rate)
    other = StyleEncoder(mean=torch.full((STYLE_SIZE,), 2.0), std=torch.full((STYLE_SIZE,), 4.0))
    torch.testing.assert_close(other.embed(audio, rate), (raw - 2) / 4)


def test_short_audio_is_repeated_and_shorter_refused(encoder: StyleEncoder) -> None:
    assert encoder.tags(torch.randn(1, 8000) * 0.1, 16_000).shape == (1, 50)
    with pytest.raises(ValueError, match=r"0\.1 s"):
        encoder.tags(torch.zeros(1, 100), 16_000)


def test_resample_keeps_a_tone() -> None:
    time = torch.arange(22_050) / 22_050
    tone = torch.sin(2 * math.pi * 440 * time)[None]
    got = resample(tone, 22_050, 16_000)
    wanted = torch.sin(2 * math.pi * 440 * torch.arange(16_000) / 16_000)[None]
    torch.testing.assert_close(got, wanted, atol=1e-3, rtol=0)


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagger, "PACKAGE", "no_such_package_here")
    with pytest.raises(PackageError, match="no_such_package_here"):
        StyleEncoder().tags(torch.zeros(1, 16_000), 16_000)
