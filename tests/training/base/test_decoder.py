"""The decoder's own stage: it learns, the encoder stays, and an interrupted run is an uninterrupted one."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from serving.engine.bases.shipped.codec import CodecConfig
from training.base.config import ClipConfig, CodecTraining, DecoderTraining, Recipe
from training.base.train_codec import CodecTrainer, trained_codec, trained_encoder
from training.base.train_decoder import DecoderTrainer


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """Clips of tones, and a small codec that has trained on them for two steps."""
    rng = np.random.default_rng(0)
    times = np.arange(40 * 1024) / 22_050
    tones = np.sin(2 * np.pi * rng.uniform(100, 2000, (4, 1)) * times) * 0.2
    np.save(tmp_path / "clips.npy", (tones * 32767).astype(np.int16))
    (tmp_path / "clips.jsonl").write_text("".join(json.dumps({"group": n}) + "\n" for n in range(4)))
    made = Recipe(
        clips=ClipConfig(frames=40),
        codec=CodecConfig(latent_channels=8, hidden_channels=32),
        train_codec=CodecTraining(steps=2, batch=4, mel_frames=32),
        train_decoder=DecoderTraining(steps=6, ema=0.5),
        work=tmp_path,
    )
    CodecTrainer(made, "cpu").train()
    return made


def test_the_latents_stay_and_the_sound_changes(recipe: Recipe) -> None:
    before, audio = trained_encoder(recipe, "cpu"), torch.randn(1, 20 * 1024) * 0.1
    DecoderTrainer(recipe, "cpu").train()
    after = trained_codec(recipe, "cpu")
    latents = after.encode(audio)
    assert torch.equal(latents, before.encode(audio))
    assert not torch.equal(after.decode_mel(latents), before.decode_mel(latents))


def test_it_comes_closer_to_the_music(recipe: Recipe) -> None:
    quick = replace(recipe.train_decoder, steps=60, learning_rate=3e-3)
    trainer = DecoderTrainer(replace(recipe, train_decoder=quick), "cpu")
    mel = trainer.codec.mel(trainer.crops.draw(np.random.default_rng(0)))

    @torch.no_grad()
    def distance() -> float:
        mean, _ = trainer.codec.vae.vae.encode(mel).chunk(2, dim=1)
        return float((trainer.codec.vae.vae.decode(mean) - mel).abs().mean())

    before = distance()
    trainer.train()
    assert distance() < 0.8 * before


def test_a_resumed_run_equals_an_uninterrupted_one(recipe: Recipe) -> None:
    def weights(trainer: DecoderTrainer) -> list[torch.Tensor]:
        return [value.clone() for value in trainer.decoder.state_dict().values()]

    whole = DecoderTrainer(recipe, "cpu")
    whole.train()
    (recipe.work / "decoder.pt").unlink()
    part = DecoderTrainer(recipe, "cpu")
    for _ in range(4):
        part._one_step()
    part._save()
    rest = DecoderTrainer(recipe, "cpu")
    assert rest.step == 4
    rest.train()
    for first, second in zip(weights(whole), weights(rest), strict=True):
        torch.testing.assert_close(first, second)
