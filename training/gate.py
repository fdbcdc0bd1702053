"""Whether a trained adapter may become a candidate. Pure; the scores are recorded whatever the verdict.

Not for taste: whether listeners like the result is for the canary to find out.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from serving.engine.adapters.pool import Factors

# An update larger than the weights it changes is no longer a fine-tuning.
LARGEST_UPDATE = 1.0
MOST_SKIPPED = 0.1
# Of the base's velocity, squared: further away it is another model, not this one with a taste.
MOST_DRIFT = 0.25
LEAST_DIVERSITY = 0.9
QUIETEST, LOUDEST = 0.5, 2.0
MOST_COPIED = 0.3


@dataclass(frozen=True)
class Scores:
    """Of held-out material of the listener as in `factory.HeldOut`, and of a few tracks as in `probe.Sampled`.

    Attributes:
        largest_update: the greatest ratio of the Frobenius norms of an update and the weight it changes.
        skipped_share: of steps whose gradient was not finite.
    """

    base_loss: float
    adapter_loss: float
    preference: float
    drift: float
    diversity: float
    diversity_at_most: float
    level: float
    copied: float
    largest_update: float
    skipped_share: float

    def finite(self) -> dict[str, float]:
        """As JSON can hold them."""
        values = {name: float(value) for name, value in vars(self).items()}
        return {name: value for name, value in values.items() if math.isfinite(value)}


def refusal(scores: Scores) -> str | None:
    """Why the adapter may not be registered; None if it may."""
    if not all(math.isfinite(value) for value in vars(scores).values()):
        return "not finite"
    if scores.skipped_share > MOST_SKIPPED:
        return f"gradient not finite in {scores.skipped_share:.0%} of the steps"
    if scores.largest_update > LARGEST_UPDATE:
        return f"update is {scores.largest_update:.2f} times the weight it changes"
    if scores.adapter_loss >= scores.base_loss:
        return f"held-out loss {scores.adapter_loss:.4f}, {scores.base_loss:.4f} without it"
    if scores.drift > MOST_DRIFT:
        return f"velocity {scores.drift:.0%} away from the base's, at most {MOST_DRIFT:.0%} is taken"
    # A few tracks say little of how varied all would be: refused is what is surely less.
    if scores.diversity_at_most < LEAST_DIVERSITY:
        shown = f"{scores.diversity:.0%} as varied as the base's, surely no more than {scores.diversity_at_most:.0%}"
        return f"tracks are {shown}; at least {LEAST_DIVERSITY:.0%} is wanted"
    if not QUIETEST < scores.level < LOUDEST:
        return f"tracks have {scores.level:.2f} times the base's deviation"
    if scores.copied > MOST_COPIED:
        return f"a stretch is nearer to a song by {scores.copied:.2f} in cosine than the base's tracks come"
    if scores.preference < 0:
        return f"nearer to what was disliked than the version before, by {-scores.preference:.4f}"
    return None


def largest_update(factors: Factors, weights: Mapping[str, Tensor]) -> float:
    """Greatest `|down @ up| / |weight|` over the targets; NaN if a factor is not finite."""
    ratios = [_product_norm(*pair) / float(weights[name].float().norm()) for name, pair in factors.items()]
    return _nan_max(ratios)


def target_weights(transformer: nn.Module, names: Iterable[str]) -> dict[str, Tensor]:
    """The base's weights that the named targets change."""
    found = {}
    for name in names:
        weight = transformer.get_submodule(name).weight
        assert isinstance(weight, Tensor)
        found[name] = weight.detach()
    return found


def _product_norm(down: Tensor, up: Tensor) -> float:
    # |D U|^2 = tr((D^T D)(U U^T)), without the full product.
    down, up = down.float(), up.float()
    square = ((down.T @ down) * (up @ up.T)).sum()
    return float(square.clamp(min=0).sqrt()) if bool(torch.isfinite(square)) else math.nan


def _nan_max(values: list[float]) -> float:
    return math.nan if any(math.isnan(value) for value in values) else max(values, default=0.0)
