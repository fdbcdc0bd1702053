"""The trainings of the base: each comes closer to the music, and an interrupted run is an uninterrupted one."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.engine.bases.shipped.codec import CodecConfig
from serving.engine.sound.vocoder import VocoderConfig
from training.base.config import ClipConfig, CodecTraining, CropConfig, Recipe, VocoderTraining
from training.base.crops import Crops
from training.base.train_codec import CodecTrainer, trained_codec
from training.base.train_vocoder import VocoderTrainer, spectral_loss
from training.base.trainer import Trainer

FRAMES = 60


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """Clips of plucked tones with some noise, a small codec and short trainings."""
    rng = np.random.default_rng(0)
    times = np.arange(FRAMES * 1024) / 22_050
    tones = np.sin(2 * np.pi * rng.uniform(100, 2000, (4, 1)) * times) * np.exp(-8 * (times % 0.25)) * 0.4
    noise = rng.normal(0, 0.02, tones.shape)
    np.save(tmp_path / "clips.npy", ((tones + noise) * 32767).astype(np.int16))
    (tmp_path / "clips.jsonl").write_text("".join(json.dumps({"group": n}) + "\n" for n in range(4)))
    return Recipe(
        clips=ClipConfig(frames=FRAMES),
        codec=CodecConfig(latent_channels=8, hidden_channels=32, vocoder=VocoderConfig(16, 2, (1, 1))),
        train_codec=CodecTraining(steps=6, batch=4, mel_frames=32, ema=0.5),
        train_vocoder=VocoderTraining(steps=4, batch=2, mel_frames=40, warmup_steps=1, ema=0.5),
        work=tmp_path,
    )


def begun(kind: type[Trainer], recipe: Recipe) -> Trainer:
    return kind(recipe, "cpu")  # type: ignore[call-arg, arg-type]


def weights(trainer: Trainer) -> list[torch.Tensor]:
    return [value.clone() for value in trainer.module.state_dict().values()]


def test_the_codec_comes_closer_to_the_music(recipe: Recipe) -> None:
    quick = replace(recipe.train_codec, steps=60, learning_rate=3e-3)
    trainer = CodecTrainer(replace(recipe, train_codec=quick), "cpu")
    mel = trainer.codec.mel(trainer.crops.draw(4, np.random.default_rng(0)))

    @torch.no_grad()
    def distance() -> float:
        mean, _ = trainer.codec.vae.vae.encode(mel).chunk(2, dim=1)
        return float((trainer.codec.vae.vae.decode(mean) - mel).abs().mean())

    before = distance()
    trainer.train()
    assert distance() < 0.7 * before


def test_latents_of_the_training_music_have_deviation_one(recipe: Recipe) -> None:
    trainer = CodecTrainer(recipe, "cpu")
    trainer.train()
    latents = trained_codec(recipe, "cpu").encode(torch.cat(trainer.crops.sample(4)))
    torch.testing.assert_close(latents.std((0, 1)), torch.ones(8), atol=0.05, rtol=0)
    torch.testing.assert_close(latents.mean((0, 1)), torch.zeros(8), atol=0.05, rtol=0)


def test_the_vocoder_comes_closer_to_the_sound(recipe: Recipe) -> None:
    quick = replace(recipe.train_vocoder, steps=30, learning_rate=5e-4)
    trainer = VocoderTrainer(replace(recipe, train_vocoder=quick), "cpu")
    audio = trainer.crops.draw(4, np.random.default_rng(0))
    mel = trainer.codec.mel(audio)

    @torch.no_grad()
    def distance() -> float:
        return float(spectral_loss(trainer.codec.vocoder(mel), audio))

    before = distance()
    trainer.train()
    # It begins near what so small a vocoder can do: 0.969 to 0.972 are left, by the threads and the processor.
    assert distance() < 0.985 * before


def test_the_vocoder_leaves_the_latents_as_they_are(recipe: Recipe) -> None:
    CodecTrainer(recipe, "cpu").train()
    before, audio = trained_codec(recipe, "cpu"), torch.randn(1, 20 * 1024) * 0.1
    VocoderTrainer(recipe, "cpu").train()
    after = trained_codec(recipe, "cpu")
    latents = after.encode(audio)
    assert torch.equal(latents, before.encode(audio))
    assert torch.equal(after.decode_mel(latents), before.decode_mel(latents))
    assert not torch.equal(after.decode(latents), before.decode(latents))


@pytest.mark.parametrize(("kind", "name"), [(CodecTrainer, "codec"), (VocoderTrainer, "vocoder")])
def test_a_resumed_run_equals_an_uninterrupted_one(recipe: Recipe, kind: type[Trainer], name: str) -> None:
    def one_step(trainer: Trainer) -> None:
        torch.manual_seed(trainer.step)
        trainer.one_step(trainer.budget.share(trainer.step))

    whole, part = begun(kind, recipe), begun(kind, recipe)
    for _ in range(4):
        one_step(whole)
    for _ in range(2):
        one_step(part)
    part.save()
    rest = begun(kind, recipe)
    assert (rest.step, rest.path.stem) == (2, name)
    for _ in range(2):
        one_step(rest)
    for first, second in zip(weights(whole), weights(rest), strict=True):
        torch.testing.assert_close(first, second)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32), batch=st.integers(1, 8), low=st.floats(0.5, 1.0), high=st.floats(1.0, 2.0))
def test_crops_lie_inside_their_clips(seed: int, batch: int, low: float, high: float) -> None:
    """Faster pieces need more of a clip: a constant clip gives constant pieces, at every speed."""
    config = CropConfig(speed_share=0.7, speed_range=(low, high), gain_range=(1.0, 1.0))
    clips = np.full((3, 5000), 1000, np.int16)
    abouts: list[dict[str, Any]] = [{"group": 0}, {"group": 1, "recording": "a"}, {"group": 2}]
    drawn = Crops(clips, abouts, config, 2400, "cpu").draw(batch, np.random.default_rng(seed))
    assert drawn.shape == (batch, 2400)
    torch.testing.assert_close(drawn, torch.full_like(drawn, 1000 / 32768))
