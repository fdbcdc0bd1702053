"""The latest checkpoints to a base that the engine loads.

    python -m training.base.ship [--to FOLDER]

Ships the averaged weights in half precision. Not for judging: `evaluate` measures a shipped
base.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from serving.engine.bases.manifest import Manifest, Sampling
from serving.engine.bases.shipped.checkpoint import ShippedBase, save_base
from serving.engine.bases.shipped.text import TextEncoder
from serving.engine.hearing.style import StyleEncoder
from training.base import checkpoint
from training.base.config import Recipe
from training.base.features import style_statistics
from training.base.train_codec import trained_codec
from training.base.train_denoiser import Denoiser

DEFAULT_FOLDER = Path(__file__).parents[2] / "serving" / "base"


def assemble(recipe: Recipe) -> ShippedBase:
    """The base that the checkpoints of a working folder amount to.

    Raises:
        FileNotFoundError: codec or denoiser were not trained there yet.
    """
    state = checkpoint.load(recipe.work / "denoiser.pt")
    if state is None:
        raise FileNotFoundError("no denoiser.pt: run training.base.train_denoiser first")
    model = Denoiser(recipe)
    model.load_state_dict(state["model"])
    checkpoint.apply_average(model, state["average"]["values"])
    with np.load(recipe.work / "style.npz") as stored:
        mean, std = style_statistics(stored["features"])
    style = StyleEncoder(torch.from_numpy(mean), torch.from_numpy(std))
    manifest = Manifest({}, Sampling(), {"steps": float(state["step"])})
    codec = trained_codec(recipe, "cpu")
    return ShippedBase(codec, model.transformer, model.conditions, TextEncoder(), style, manifest)


def ship(recipe: Recipe, folder: Path, sampling: Sampling) -> Manifest:
    """Writes the base into `folder` and returns its manifest."""
    base = assemble(recipe)
    base = replace(base, manifest=replace(base.manifest, sampling=sampling))
    return save_base(folder, base, recipe.transformer)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=DEFAULT_FOLDER)
    options = parser.parse_args()
    manifest = ship(Recipe(), options.to, Sampling())
    print(manifest.base_hash)


if __name__ == "__main__":
    main()
