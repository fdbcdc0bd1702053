"""Which kind of base a folder holds, and loading it."""

from pathlib import Path

import torch
from diffusers import AceStepTransformer1DModel

from serving.engine.bases.base import Base
from serving.engine.bases.manifest import INDEX
from serving.engine.bases.shipped.checkpoint import load_shipped, shipped_denoiser


def load_base(folder: str | Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> Base:
    """The base in `folder`: an ACE-Step checkpoint where diffusers' index of one is, else a shipped one.

    Args:
        folder: of `model_index.json` or of `base.json`.
        device: where the modules live.
        dtype: of denoiser and conditions; codecs always compute in float32.

    Raises:
        BaseError: something in the folder is absent, changed or not a number.
    """
    if (Path(folder) / INDEX).exists():
        # Here and not above: the pipeline's modules are heavy, and the shipped base needs none of them.
        from serving.engine.bases.acestep import checkpoint

        return checkpoint.load(Path(folder), torch.device(device), dtype)
    return load_shipped(folder, device, dtype)


def untrained_denoiser(folder: str | Path, layers: int) -> AceStepTransformer1DModel:
    """A denoiser of the shape of the one in `folder`, with so many layers and random weights: for timing.

    Raises:
        BaseError: its configuration cannot be read.
    """
    if (Path(folder) / INDEX).exists():
        from serving.engine.bases.acestep import checkpoint

        return checkpoint.untrained_denoiser(Path(folder), layers)
    return shipped_denoiser(Path(folder), layers)
