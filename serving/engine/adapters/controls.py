"""What a listener's version asks for beside its factors: one of a few actions, drawn by the chances that it was given.

An action is a style in the place of the songs' mean. The chances are those with which each is the best as far as is
known (Thompson 1933), worked out where versions are made (`training.controls`), so that a draw's propensity is exact.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from torch import Tensor

PREFIX: Final = "controls."
NAMES: Final = ("styles", "chances")
MOST: Final = 16


@dataclass(frozen=True, eq=False)
class Action:
    """What was drawn: which of the version's actions, its chance in (0, 1], and the style it asks for [size]."""

    number: int
    propensity: float
    style: Tensor


@dataclass(frozen=True, eq=False)
class Controls:
    """Styles of the actions [actions, size], and their chances, > 0 and 1 in sum [actions]."""

    styles: Tensor
    chances: Tensor

    def __post_init__(self) -> None:
        actions = len(self.styles) if self.styles.ndim == 2 else 0
        if not 1 <= actions <= MOST or tuple(self.chances.shape) != (actions,):
            raise ValueError(f"expected 1 to {MOST} styles and their chances, got {actions} and {len(self.chances)}")
        if not (bool(self.styles.isfinite().all()) and bool((self.chances > 0).all())):
            raise ValueError("a style is not finite, or a chance is not above 0")
        if abs(float(self.chances.sum()) - 1) > 1e-3:
            raise ValueError(f"chances sum to {float(self.chances.sum())}, not to 1")

    def draw(self, seed: int) -> Action:
        """The action of the track with that seed: the same for the same seed."""
        weights = self.chances.tolist()
        number = random.Random(f"controls {seed}").choices(range(len(weights)), weights)[0]
        return Action(number, weights[number] / sum(weights), self.styles[number])

    def tensors(self) -> dict[str, Tensor]:
        """As a version file holds them."""
        return {PREFIX + name: getattr(self, name).contiguous() for name in NAMES}


def controls_in(tensors: Mapping[str, Tensor]) -> Controls | None:
    """The controls among a file's tensors, None if there are none; ValueError if they are not whole."""
    found = {name.removeprefix(PREFIX): value.float() for name, value in tensors.items() if name.startswith(PREFIX)}
    if not found:
        return None
    if set(found) != set(NAMES):
        raise ValueError(f"controls of {sorted(found)}, expected {sorted(NAMES)}")
    return Controls(**found)
