"""The command line that the trainers share."""

import argparse
from dataclasses import replace

import torch

from serving.engine.heap import keep_freed_memory
from training.base.config import Recipe


def prepared(description: str | None, part: str) -> Recipe:
    """The recipe, with the steps and seconds of `part` (a field of it) as asked for; the process is made ready to
    train."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--steps", type=int, help="other than the recipe's")
    parser.add_argument("--seconds", type=float, help="end by then, however few the steps")
    options = parser.parse_args()
    keep_freed_memory()
    # Convolutions on a GPU do so by themselves; products have to be told.
    torch.set_float32_matmul_precision("high")
    asked = {name: value for name, value in vars(options).items() if value}
    recipe = Recipe()
    return replace(recipe, **{part: replace(getattr(recipe, part), **asked)})
