"""How a listener would like a track: a linear guess with its uncertainty, on few numbers of the track.

How it is fitted is the factory's business (`training.scorer`); here it is applied, where tracks are made.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from serving.engine.hearing.sound import ENOUGH, KIND, SOUND_SIZE

MOST: Final = 48  # weights: of at most 24 numbers of a track, and of squares of them
CAUTION: Final = 1.0  # standard deviations of the guess that are taken off it
PREFIX: Final = "scorer."
# Deviations of satisfaction for likeness of style, for the mean square of what clear tones and a clear pulse lack, and
# for the mean squared distance of the rest: slopes before any rating (decision 0709).
ALIKE: Final = 1.4
LACKING: Final = 0.29
NEAR: Final = 0.15
FARTHEST: Final = 4.0
# What one listener's tracks differ by: deviations about the listener's own mean, 24 listeners with 16 tracks each of
# the shipped base, in the order of `sound.NAMES`.
USUAL: Final = (
    3.02, 2.35, 2.46, 2.48, 0.113, 0.198, 3.36, 2.05, 0.98, 0.137, 0.392, 0.104, 0.00994, 0.181, 0.33, 0.154, 0.303,
)  # fmt: skip
NAMES: Final = ("centre", "scale", "rows", "mean", "covariance")
OLDEST: Final = 1  # kind of numbers of files that name none


@dataclass(frozen=True, eq=False)
class Scorer:
    """Numbers of a track are `rows @ (description - centre) / scale`; the guess is linear in them.

    Attributes:
        centre, scale: of a description [size].
        rows: directions [numbers, size], at most `MOST` of them.
        mean: of the weights, the constant first [1 + numbers].
        covariance: of the weights, alike [1 + numbers, 1 + numbers].
        kind: of the numbers of sound that it was fitted on (`sound.KIND`).
    """

    centre: Tensor
    scale: Tensor
    rows: Tensor
    mean: Tensor
    covariance: Tensor
    kind: int = KIND

    def __post_init__(self) -> None:
        numbers, size = self.rows.shape if self.rows.ndim == 2 else (0, 0)
        expected = ((size,), (size,), (1 + numbers,), (1 + numbers, 1 + numbers))
        got = tuple(tuple(value.shape) for value in (self.centre, self.scale, self.mean, self.covariance))
        if not 1 <= numbers <= MOST or got != expected:
            raise ValueError(f"expected 1 to {MOST} rows and shapes {expected}, got {numbers} and {got}")
        if not all(bool(getattr(self, name).isfinite().all()) for name in NAMES):
            raise ValueError("a scorer holds a number that is not finite")

    def reads(self, description: Tensor) -> bool:
        """Whether it was fitted on descriptions of that kind: an older one knew other numbers of a track."""
        return self.kind == KIND and description.shape == self.centre.shape

    def score(self, description: Tensor) -> float:
        """Expected satisfaction less its uncertainty, so that the unknown is not mistaken for the liked [size].

        Raises:
            ValueError: the description is of another base, or the scorer of other numbers.
        """
        if self.kind != KIND:
            raise ValueError(f"a scorer of numbers of kind {self.kind}, expected kind {KIND}")
        if description.shape != self.centre.shape:
            raise ValueError(f"expected a description of {tuple(self.centre.shape)}, got {tuple(description.shape)}")
        numbers = torch.cat([torch.ones(1), self.rows @ ((description - self.centre) / self.scale)])
        variance = (numbers @ self.covariance @ numbers).clamp_min(0)
        return float(self.mean @ numbers - CAUTION * variance.sqrt())

    def tensors(self) -> dict[str, Tensor]:
        """As a version file holds them."""
        tensors = {PREFIX + name: getattr(self, name).contiguous() for name in NAMES}
        return tensors | {PREFIX + "kind": torch.tensor(self.kind)}


def scorer_in(tensors: Mapping[str, Tensor]) -> Scorer | None:
    """The scorer among a file's tensors, None if there is none; ValueError if it is not whole."""
    found = {name.removeprefix(PREFIX): value.float() for name, value in tensors.items() if name.startswith(PREFIX)}
    if not found:
        return None
    kind = int(found.pop("kind", torch.tensor(OLDEST)))
    if set(found) != set(NAMES):
        raise ValueError(f"a scorer of {sorted(found)}, expected {sorted(NAMES)}")
    return Scorer(**found, kind=kind)


def describe(style: Tensor, wanted: Tensor, sound: Tensor, wanted_sound: Tensor) -> Tensor:
    """What a scorer reads of a track: likeness to the songs' style, its own style, how far it sounds from the songs in
    each number of `hearing.sound`, in deviations that are usual, and what counts against it in each: the square of what
    is lacking where there can only be too little, else of the distance.

    Args:
        style: of the track [size].
        wanted: of the songs [size].
        sound: of the track [SOUND_SIZE].
        wanted_sound: of the songs [SOUND_SIZE].

    Returns:
        [described_size(size)].
    """
    apart = _apart(sound, wanted_sound)
    return torch.cat([likeness(style, wanted)[None], style, apart, _against(apart)])


def described_size(style: int) -> int:
    """Numbers of a description where styles have so many."""
    return 1 + style + 2 * SOUND_SIZE


def closeness(style: Tensor, wanted: Tensor, sound: Tensor | None, wanted_sound: Tensor | None) -> float:
    """How good a track is expected to be where nothing was learned: by style, and by sound where both are known."""
    found = ALIKE * float(likeness(style, wanted))
    if sound is None or wanted_sound is None:
        return found
    against = _against(_apart(sound, wanted_sound))
    return found - LACKING * float(against[:ENOUGH].mean()) - NEAR * float(against[ENOUGH:].mean())


def likeness(style: Tensor, wanted: Tensor) -> Tensor:
    """Cosine of two styles, in [-1, 1]; 0 where one of them says nothing []."""
    alike: Tensor = functional.cosine_similarity(style, wanted, dim=0)
    return alike


def _apart(sound: Tensor, wanted: Tensor) -> Tensor:
    """In usual deviations, none counted for more than `FARTHEST` [SOUND_SIZE]."""
    return ((sound - wanted) / torch.tensor(USUAL)).clamp(-FARTHEST, FARTHEST)


def _against(apart: Tensor) -> Tensor:
    """Squares of what is lacking of the first numbers, and of the distance of the others [SOUND_SIZE]."""
    return torch.cat([apart[:ENOUGH].clamp_max(0), apart[ENOUGH:]]).square()
