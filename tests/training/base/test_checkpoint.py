"""An interrupted run continues as if it had not been interrupted."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from serving.engine.bases.shipped.checkpoint import build_transformer, tiny_transformer
from serving.engine.bases.shipped.conditions import Conditions, ConditionsConfig
from serving.engine.music.plan import PLAN_CHANNELS
from training.base import checkpoint, train_denoiser
from training.base.checkpoint import Average, apply_average
from training.base.config import ClipConfig, DenoiserTraining, Recipe
from training.base.features import Features
from training.base.train_denoiser import DenoiserTrainer


def planted(count: int = 12) -> Features:
    """Latents that all equal one pattern, so that a denoiser can learn them."""
    generator = torch.Generator().manual_seed(0)
    pattern = torch.randn(1, 16, 8, generator=generator)
    return Features(
        latents=pattern.repeat(count, 1, 1).half(),
        styles=torch.randn(count, 200, generator=generator),
        prompts=torch.randn(3, 24, 384, generator=generator).half(),
        captions_of=np.zeros((count, 3), dtype=np.int64),
        plans=torch.ones(count, 16, PLAN_CHANNELS).half(),
        recorded=np.arange(count) % 2 == 0,
    )


def recipe(work: Path, steps: int) -> Recipe:
    training = DenoiserTraining(
        steps=steps, batch=4, short_frames=8, save_every=1000, warmup_steps=2, learning_rate=3e-3
    )
    return Recipe(
        clips=ClipConfig(frames=16),
        transformer=tiny_transformer(),
        conditions=ConditionsConfig(hidden_size=64, style_tokens=2),
        train_denoiser=training,
        work=work,
    )


@pytest.fixture(autouse=True)
def _planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_denoiser, "build", lambda *_: planted())


def test_denoiser_learns_a_planted_pattern(tmp_path: Path) -> None:
    trainer = DenoiserTrainer(recipe(tmp_path, 200), "cpu")
    losses = [float(trainer.one_step(trainer.step / 200)) for _ in range(200)]
    assert np.mean(losses[-20:]) < 0.6 * np.mean(losses[:5])


def test_resumed_run_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = DenoiserTrainer(recipe(tmp_path / "whole", 6), "cpu")
    whole.train()
    first = DenoiserTrainer(recipe(tmp_path / "parts", 6), "cpu")
    for _ in range(3):
        first.one_step(first.budget.share(first.step))
    first.save()
    second = DenoiserTrainer(recipe(tmp_path / "parts", 6), "cpu")
    assert second.step == 3
    second.train()
    for name, value in whole.module.state_dict().items():
        assert torch.equal(value, second.module.state_dict()[name]), name


def test_checkpoint_is_whole_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "some.pt"
    assert checkpoint.load(path) is None
    checkpoint.save(path, {"step": 3})
    assert checkpoint.load(path) == {"step": 3}
    assert [each.name for each in tmp_path.iterdir()] == ["some.pt"]


def test_average_follows_and_forgets_the_start() -> None:
    module = nn.Linear(2, 2)
    average = Average(module, 0.9)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(1.0)
    for _ in range(100):
        average.update(module)
    other = nn.Linear(2, 2)
    apply_average(other, average.values)
    torch.testing.assert_close(other.weight, torch.ones(2, 2), atol=1e-3, rtol=0)


def test_shapes_agree_with_the_engine() -> None:
    transformer = build_transformer(tiny_transformer())
    tokens = Conditions(ConditionsConfig(hidden_size=64))(torch.zeros(1, 24, 384),
                                                          torch.zeros(1, 200))  # fmt: skip
    assert tokens.shape[-1] == transformer.config.hidden_size
