"""What spoils music, one way at a time: what the dials are to hear."""

import random
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

FADE = 110  # samples: pieces are joined without a click


def shuffled(music: Tensor, rate: int, seconds: float, seed: int = 0) -> Tensor:
    """Pieces of so many seconds in an order in which none follows the one it followed, then the rest [samples]."""
    *pieces, rest = torch.split(music, round(seconds * rate))
    order, ramp = list(range(len(pieces))), torch.linspace(0, 1, FADE)
    draw = random.Random(seed)
    while any(after == before + 1 for before, after in pairwise(order)):
        draw.shuffle(order)
    shape = torch.cat([ramp, torch.ones(len(pieces[0]) - 2 * FADE), ramp.flip(0)])
    return torch.cat([*(pieces[place] * shape for place in order), rest])


def spliced(music: Tensor, other: Tensor) -> Tensor:
    """The first half of one piece and the second of another, equally loud [samples]."""
    half = len(music) // 2
    return torch.cat([_level(music)[:half], _level(other)[half:]])


def detuned(music: Tensor, rate: int, seed: int = 0) -> Tensor:
    """Every other second lower or higher, by up to 90 cents [samples]."""
    return _moved(music, rate, seed, lambda draw: draw.choice((-1, 1)) * draw.uniform(0.3, 0.9))


def out_of_key(music: Tensor, rate: int, seed: int = 0) -> Tensor:
    """Every other second lower or higher, by whole semitones [samples]."""
    return _moved(music, rate, seed, lambda draw: draw.choice((-6, -4, -3, -2, -1, 1, 2, 3, 4, 6)))


def noisy(music: Tensor, decibels: float) -> Tensor:
    """With white noise so far below it [samples]."""
    noise = torch.randn(len(music), generator=torch.Generator().manual_seed(0))
    return music + noise * music.square().mean().sqrt() * 10 ** (-decibels / 20)


def clipped(music: Tensor, share: float) -> Tensor:
    """Cut off where that share of the samples lies above [samples]."""
    top = float(music.abs().sort().values[-round(share * len(music))])
    return music.clamp(-top, top)


def interrupted(music: Tensor, rate: int) -> Tensor:
    """Silent for 40 ms every second and a quarter [samples]."""
    time = torch.arange(len(music)) / rate
    return music * (time % 1.25 < 1.21)


def _moved(music: Tensor, rate: int, seed: int, by: Callable[[random.Random], float]) -> Tensor:
    """Every other second played faster or slower, from where it begins."""
    draw, found = random.Random(seed), []
    for start in range(0, len(music) - 2 * rate, rate):
        size = rate if start // rate % 2 else round(rate * 2 ** (by(draw) / 12))
        piece = music[None, None, start : start + size]
        found.append(functional.interpolate(piece, rate, mode="linear", align_corners=True)[0, 0])
    return torch.cat(found)


def _level(music: Tensor) -> Tensor:
    return music / music.square().mean().sqrt()
