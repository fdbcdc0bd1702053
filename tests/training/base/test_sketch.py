"""A sketch is fitted to what tracks of a base were heard as, as strongly as serves songs that it has not seen."""

import torch

from serving.engine.adapters.pool import attach
from serving.engine.bases.shipped.checkpoint import random_base
from serving.engine.bases.shipped.sketch import SHAPES
from serving.engine.music.plan import Feel, Key
from training.base.sketch import FOLDS, STRENGTHS, Seen, fitted, seen, strongest
from training.base.uploads import Upload

NUMBERS, HEARD = SHAPES["weights"]


def songs(noise: float, each: int = 8) -> list[Seen]:
    """What is heard follows from what is read, but for noise."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(NUMBERS, HEARD, generator=generator)
    found = []
    for _ in range(3 * FOLDS):
        numbers = torch.randn(each, NUMBERS, generator=generator)
        found.append(Seen(numbers, 3 + numbers @ weights + noise * torch.randn(each, HEARD, generator=generator)))
    return found


def test_what_follows_from_the_spectrogram_is_told() -> None:
    model, unseen = fitted(songs(0.0)[1:], min(STRENGTHS)), songs(0.0)[0]
    missed = (model(unseen.numbers) - unseen.heard).square().mean() / unseen.heard.var()
    assert float(missed) < 0.01


def test_the_strength_grows_with_what_cannot_be_told() -> None:
    assert strongest(songs(0.0)) == min(STRENGTHS)
    assert strongest(songs(100.0)) == max(STRENGTHS)


def test_tracks_are_read_halfway_and_heard_in_the_end() -> None:
    base = random_base(0)
    silent = torch.zeros(40, base.codec.latent_channels)
    noise = torch.randn(silent.shape, generator=torch.Generator().manual_seed(0))
    song = Upload(
        "song", torch.zeros(0), torch.ones(200), silent, noise, Feel(100.0, Key(0, False)), torch.zeros(40, 28)
    )
    found = seen(base, attach(base.transformer, 2, 1, torch.float32), song, range(5))
    assert (found.numbers.shape, found.heard.shape) == ((5, NUMBERS), (5, HEARD))
    assert len({tuple(row.tolist()) for row in found.numbers}) == 5
    assert bool(found.heard.isfinite().all())
