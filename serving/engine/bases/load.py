"""Which kind of base a folder holds, and loading it."""

from pathlib import Path

import torch

from serving.engine.bases.base import Base
from serving.engine.bases.manifest import INDEX
from serving.engine.bases.shipped.checkpoint import load_shipped


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
