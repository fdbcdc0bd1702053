"""How close the closest training clip comes: whether the base repeats what it learned from.

Not proof of a copy: it finds what is nearer to a training clip than another real tune is. Cosine similarity between
an embedding of a clip and of its nearest training clip, as in Chen et al. 2023 (MusicLDM, section 4.3).
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from serving.engine.hearing.style import StyleEncoder, seconds_per_patch
from training.base.render import SAMPLE_RATE


def nearest(known: Tensor, found: Tensor) -> Tensor:
    """Highest cosine of each clip with any training clip [known, size], [n, size] -> [n]."""
    cosines = functional.normalize(found, dim=1) @ functional.normalize(known, dim=1).T
    return cosines.amax(1)


def middle(style: StyleEncoder, audio: Tensor) -> Tensor:
    """Standardised style of the middle three seconds, where the features of training clips are taken [batch, 200]."""
    length = round(seconds_per_patch() * SAMPLE_RATE)
    start = (audio.shape[1] - length) // 2
    return style.embed(audio[:, start : start + length], SAMPLE_RATE)


def known_styles(work: Path, style: StyleEncoder) -> Tensor | None:
    """Styles of all that the base was trained on, one a tune or passage [groups, 200]; None where the working folder
    has not got them."""
    path = work / "style.npz"
    if not path.exists():
        return None
    with np.load(path) as stored:
        features = torch.from_numpy(stored["features"])
    return (features - style.mean) / style.std
