"""The founding paper's genetic algorithm on starts: crossover and mutation of what was rated best.

After arXiv 2506.04852 (ratings as fitness, SLERP of inverted latents as crossover) and HERO (arXiv 2410.05116: new
samples begin from the noise of the best ones). A start is the noise that sampling begins from; as the ODE is
deterministic, tracks from near starts under near conditions are alike.
"""

import torch
from torch import Tensor

from serving.engine.music.noise import slerp

# The weight of fresh noise in a child: as far from its parents as two tracks of one listener are from their songs.
MUTATION = 0.6
# Of a child: one parent alone, or two on the sphere between them.
CROSSOVER_SHARE = 0.5


def offspring(parents: list[Tensor], fresh: Tensor, generator: torch.Generator) -> Tensor:
    """A new start from the starts of what was rated best.

    Args:
        parents: starts [frames, channels], the best first; at least one, more often chosen the better.
        fresh: noise of the request [frames, channels].
        generator: of the request.
    """
    chances = 1.0 / torch.arange(1, len(parents) + 1)
    first = parents[int(torch.multinomial(chances, 1, generator=generator))]
    if len(parents) > 1 and float(torch.rand((), generator=generator)) < CROSSOVER_SHARE:
        second = parents[int(torch.multinomial(chances, 1, generator=generator))]
        first = crossed(first, second, float(torch.rand((), generator=generator)))
    return mutated(first, fresh, MUTATION)


def crossed(first: Tensor, second: Tensor, weight: float) -> Tensor:
    """The point at `weight` in [0, 1] between two starts on the sphere [frames, channels]."""
    return slerp(first, second, weight)


def mutated(start: Tensor, fresh: Tensor, weight: float) -> Tensor:
    """Partly noised anew, deviation kept: `weight` 0 gives the start, 1 the fresh noise [frames, channels]."""
    return slerp(start, fresh, weight)
