"""Clips that a base makes, and a base that knows nothing. Not the product's engine: see `sample`."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

import torch
from torch import Tensor, nn

from serving.engine.bases.shipped.checkpoint import ShippedBase
from serving.engine.hearing.feel import feel_heard
from serving.engine.hearing.style import STYLE_SIZE
from serving.engine.music.plan import Feel, drawn
from training.base.judges.sets import levelled
from training.base.sample import generate

CLIPS_PER_PASS = 8


def from_prompts(base: ShippedBase, prompts: Sequence[str], samples: int) -> Tensor:
    """One clip a prompt, without a style, at the training level [prompts, samples]."""
    return _made(base, prompts, torch.zeros(len(prompts), STYLE_SIZE), samples)


def from_plain_prompts(base: ShippedBase, prompts: Sequence[str], samples: int) -> Tensor:
    """`from_prompts` of prompts that state neither tempo nor key, with those that the seed draws, as for a listener
    without songs."""
    feels = [drawn([], seed) for seed in range(len(prompts))]
    return _made(base, prompts, torch.zeros(len(prompts), STYLE_SIZE), samples, feels, guided=True)


def after_songs(base: ShippedBase, songs: Tensor, styles: Tensor) -> Tensor:
    """One clip a song, without a prompt, as a listener gets it who uploaded that song alone, at the training level.

    Args:
        songs: audio [clips, samples].
        styles: of the songs [clips, 200].
    """
    feels = [drawn([feel_heard(song, base.codec.sample_rate)], seed) for seed, song in enumerate(songs)]
    return _made(base, [""] * len(songs), styles, songs.shape[1], feels)


def through_codec(base: ShippedBase, audio: Tensor) -> Tensor:
    """Encoded and decoded [batch, samples]; samples a whole number of frame pairs."""
    return torch.cat([base.codec.decode(base.codec.encode(part)) for part in torch.split(audio, CLIPS_PER_PASS)])


def untrained(base: ShippedBase, seed: int) -> ShippedBase:
    """The same base with a denoiser of random weights: what the codec and the sampler alone amount to."""
    denoiser: nn.Module = copy.deepcopy(base.transformer)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in denoiser.parameters():
            if parameter.ndim > 1:
                bound = parameter[0].numel() ** -0.5
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * bound)
    return replace(base, transformer=denoiser)


def _made(
    base: ShippedBase,
    prompts: Sequence[str],
    styles: Tensor,
    samples: int,
    feels: Sequence[Feel] = (),
    *,
    guided: bool = False,
) -> Tensor:
    """`guided`: guidance strengthens the feels as it does prompts."""
    frames = samples // base.codec.samples_per_frame
    states = base.text.encode(list(prompts))
    plans = torch.stack([base.conditions.plan(each, frames, feel) for each, feel in zip_longest(prompts, feels)])
    heard = plans - (plans if guided else torch.stack([base.conditions.plan(prompt, frames) for prompt in prompts]))
    passes = zip(*(torch.split(given, CLIPS_PER_PASS) for given in (states, styles, plans, heard)), strict=True)
    return torch.cat(
        [
            levelled(base.codec.decode(generate(base, prompt, style, frames, index, plan=plan, null_plan=null_plan)))
            for index, (prompt, style, plan, null_plan) in enumerate(passes)
        ]
    )
