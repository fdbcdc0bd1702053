"""The style encoder hears what plays, and hears it the same at any sample rate."""

import json
import math
from importlib.util import find_spec
from pathlib import Path

import pytest
import soundfile
import torch
from torch import Tensor
from torch.nn import functional

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


def test_pooling_first_hears_what_the_published_order_hears() -> None:
    network, patches = tagger.load_musicnn(), torch.rand(2, tagger.PATCH_FRAMES, tagger.BANDS) * 4
    found = network(patches)
    for got, wanted in zip(found, published(patches), strict=True):
        torch.testing.assert_close(got, wanted, atol=2e-5, rtol=1e-5)


def published(patches: Tensor) -> tuple[Tensor, Tensor]:
    """The tagger layer by layer, in the order in which its authors trained it: features and logits of patches."""
    spec = find_spec(tagger.PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    weights = tagger.read_checkpoint(Path(spec.origin).parent / tagger.WEIGHTS)

    def part(kind: str, layer: int, name: str) -> Tensor:
        return weights[f"{kind}_{layer}/{name}" if layer else f"{kind}/{name}"]

    def norm(value: Tensor, layer: int) -> Tensor:
        names = ("moving_mean", "moving_variance", "gamma", "beta")
        mean, variance, gamma, beta = (part("batch_normalization", layer, name) for name in names)
        return functional.batch_norm(value, mean, variance, gamma, beta, eps=1e-3)

    def block(image: Tensor, layer: int) -> Tensor:
        kernel = part("conv2d", layer, "kernel").permute(3, 2, 0, 1)
        return norm(functional.relu(functional.conv2d(image, kernel, part("conv2d", layer, "bias"))), layer + 1)

    image = norm(patches[:, None], 0)
    pads = ((3, 3), (3, 3), (63, 64), (31, 32), (15, 16))
    front = torch.cat([block(functional.pad(image, (0, 0, *pad)), n).amax(3) for n, pad in enumerate(pads)], 1)
    maps = [front]
    for layer in (5, 6, 7):
        heard = block(functional.pad(maps[-1], (3, 3)).transpose(1, 2)[:, None], layer)[..., 0]
        maps.append(heard if layer == 5 else heard + maps[-1])
    features = torch.cat(maps, 1)
    pooled = norm(torch.stack([features.amax(2), features.mean(2)], 2).flatten(1), 9)
    hidden = norm(functional.relu(pooled @ part("dense", 0, "kernel") + part("dense", 0, "bias")), 10)
    return hidden, hidden @ part("dense", 1, "kernel") + part("dense", 1, "bias")
