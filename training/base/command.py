"""The command line that the trainers share."""

import argparse
from dataclasses import replace

from serving.engine.heap import keep_freed_memory
from training.base.config import Recipe


def prepared(description: str | None, part: str) -> Recipe:
    """The recipe, with as many steps of `part` (a field of it) as asked for; the process is made ready to train."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--steps", type=int, help="other than the recipe's")
    options = parser.parse_args()
    keep_freed_memory()
    recipe = Recipe()
    if options.steps:
        recipe = replace(recipe, **{part: replace(getattr(recipe, part), steps=options.steps)})
    return recipe
