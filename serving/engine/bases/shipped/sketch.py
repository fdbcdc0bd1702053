"""How a track that is half made would sound, from its spectrogram alone: a linear map fitted for one base.

It lies beside the base and is no part of it: without it, or with that of another base, seeds are heard (decision 0722).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from serving.engine.bases.shipped.codec import Codec
from serving.engine.errors import BaseError
from serving.engine.hearing.sketch import NAMES, sketched
from serving.engine.hearing.sound import KIND, SOUND_SIZE
from serving.engine.hearing.style import STYLE_SIZE

FILE: Final = "sketch.safetensors"
SHAPES: Final = {
    "centre": (len(NAMES),),
    "scale": (len(NAMES),),
    "weights": (len(NAMES), STYLE_SIZE + SOUND_SIZE),
    "usual": (STYLE_SIZE + SOUND_SIZE,),
}


@dataclass(frozen=True, eq=False)
class Fitted:
    """Style and sound are `usual + (numbers - centre) / scale @ weights`; shapes as in `SHAPES`."""

    centre: Tensor
    scale: Tensor
    weights: Tensor
    usual: Tensor

    def __call__(self, numbers: Tensor) -> Tensor:
        """Style, then sound [rows, len(NAMES)] -> [rows, STYLE_SIZE + SOUND_SIZE]."""
        return self.usual + (numbers - self.centre) / self.scale @ self.weights


@dataclass(frozen=True, eq=False)
class Sketch:
    """See `interfaces.Sketch`."""

    codec: Codec
    fitted: Fitted

    @torch.inference_mode()
    def __call__(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """As `interfaces.Sketch`."""
        found = self.fitted(numbers_of(self.codec, latents))
        return found[:, :STYLE_SIZE], found[:, STYLE_SIZE:]


@torch.inference_mode()
def numbers_of(codec: Codec, latents: Tensor) -> Tensor:
    """What is read of latents [rows, frames, channels] -> [rows, len(NAMES)]."""
    config = codec.config.mel
    basis = codec.mel.spectrogram.mel_basis.cpu()
    hertz = basis @ torch.linspace(0, config.sample_rate / 2, basis.shape[1]) / basis.sum(1)
    return sketched(codec.decode_mel(latents).cpu(), hertz, config.sample_rate / config.hop)


def write_sketch(folder: str | Path, base_hash: str, fitted: Fitted) -> None:
    """Puts the map beside the base that it was fitted for, whole or not at all: with a broken one no base loads."""
    tensors = {name: getattr(fitted, name).float().contiguous() for name in SHAPES}
    path = Path(folder) / FILE
    partial = path.with_suffix(".part")
    save_file(tensors, partial, metadata=_about(base_hash))
    partial.replace(path)


def read_sketch(folder: str | Path, codec: Codec, base_hash: str) -> Sketch | None:
    """The sketch beside a base; None where there is none, or one of another base or of other numbers.

    Raises:
        BaseError: the file cannot be read, or holds something else than it says.
    """
    path = Path(folder) / FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            if file.metadata() != _about(base_hash):
                return None
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise BaseError(f"{path}: not a safetensors file: {error}") from error
    shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    if shapes != SHAPES or not all(bool(value.isfinite().all()) for value in tensors.values()):
        raise BaseError(f"{path}: expected finite numbers of shapes {SHAPES}, got {shapes}")
    return Sketch(codec, Fitted(**tensors))


def _about(base_hash: str) -> dict[str, str]:
    return {"base_hash": base_hash, "sound": str(KIND), "numbers": " ".join(NAMES)}
