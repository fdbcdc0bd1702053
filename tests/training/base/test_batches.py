"""Batches: the same draw for the same generator, and zeros where nothing is given."""

import numpy as np
import torch

from serving.engine.music.plan import CHORD, CLOCK, KEY
from tests.training.base.test_checkpoint import planted
from training.base.batches import Batches
from training.base.config import DenoiserTraining


def test_same_generator_same_batch() -> None:
    batches = Batches(planted(), DenoiserTraining(batch=8))
    first, second = (batches.draw(8, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(first.latents, second.latents)
    assert torch.equal(first.style, second.style)
    assert torch.equal(first.keep, second.keep)
    assert torch.equal(first.plan, second.plan)


def test_music_is_given_as_often_as_asked() -> None:
    batch = Batches(planted(), DenoiserTraining(batch=64, context_share=0.5)).draw(16, np.random.default_rng(0))
    assert set(torch.unique(batch.keep).tolist()) == {0.0, 1.0}
    assert 0.3 < float(batch.keep.amax(1).mean()) < 0.7


def test_conditions_are_dropped_about_as_often_as_asked() -> None:
    config = DenoiserTraining(batch=400, prompt_dropout=0.2, style_dropout=0.3, both_dropout=0.1, style_blur=0.0)
    batch = Batches(planted(), config).draw(8, np.random.default_rng(0))
    no_prompt = (batch.prompt.flatten(1) == 0).all(1)
    no_style = (batch.style == 0).all(1)
    assert 0.2 < float(no_prompt.float().mean()) < 0.36
    assert 0.29 < float(no_style.float().mean()) < 0.46
    neither = no_prompt & no_style
    assert float(neither.float().mean()) > 0.1
    assert float((batch.plan[neither].flatten(1) == 0).all(1).float().mean()) > 0.6


def test_tempo_key_and_chords_are_dropped_each_for_itself() -> None:
    config = DenoiserTraining(batch=400, tempo_dropout=0.2, key_dropout=0.4, chord_dropout=0.6, both_dropout=0.0)
    plan = Batches(planted(), config).draw(8, np.random.default_rng(0)).plan
    dropped = [(plan[..., part].flatten(1) == 0).all(1).float() for part in (CLOCK, KEY, CHORD)]
    for found, expected in zip(dropped, (0.2, 0.4, 0.6), strict=True):
        assert abs(float(found.mean()) - expected) < 0.08
    assert abs(float((dropped[0] * dropped[1]).mean()) - 0.08) < 0.05
