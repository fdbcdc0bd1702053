"""Which arm a track is made with: an HMAC under a secret, so that whoever has the secret can repeat and explain a draw,
and nobody else can tell one. Pure: no client here.

The arm depends on nothing but salt, listener, track (or pair), shares, and in a canary on how many of the listener's
wishes have gone to its two sides. It does not decide whether a release is good.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from schemas.events import Arm

ARMS: Final[tuple[Arm, ...]] = ("base", "cold", "champion", "candidate", "previous")
SIDES: Final[tuple[Arm, Arm]] = ("champion", "candidate")
# Who has brought no song has no cold start.
SONGLESS: Final[Mapping[Arm, float]] = {"base": 0.25, "champion": 0.75}
STEADY: Final[Mapping[Arm, float]] = {"base": 0.25, "cold": 0.15, "champion": 0.6}
CANARY: Final[Mapping[Arm, float]] = {"base": 0.25, "cold": 0.15, "champion": 0.3, "candidate": 0.3}

# A kill switch is thrown: nothing that was learned is heard. In the second, who has brought no song.
OFF: Final[Mapping[Arm, float]] = {"cold": 1.0}
SONGLESS_OFF: Final[Mapping[Arm, float]] = {"base": 1.0}
# A pair needs two arms.
PAIRED_OFF: Final[Mapping[Arm, float]] = {"base": 0.5, "cold": 0.5}
HELD_OUT: Final[Mapping[Arm, float]] = {"base": 0.25, "cold": 0.75}
OPTED_OUT: Final[Mapping[Arm, float]] = {"champion": 1.0}


@dataclass(frozen=True, slots=True)
class Draw:
    """An arm and the chance that it had, in (0, 1]."""

    arm: Arm
    propensity: float


def normalised(shares: Mapping[Arm, float]) -> dict[Arm, float]:
    """Shares that sum to one, in the order of `ARMS`; arms without a share are left out.

    Raises:
        ValueError: an unknown arm, a negative share, or nothing to share.
    """
    unknown = set(shares) - set(ARMS)
    if unknown:
        raise ValueError(f"unknown arms: {sorted(unknown)}")
    if any(share < 0 for share in shares.values()):
        raise ValueError("a share must not be negative")
    total = sum(shares.values())
    if total <= 0:
        raise ValueError("at least one arm needs a share")
    return {arm: shares[arm] / total for arm in ARMS if shares.get(arm, 0) > 0}


def draw_arm(salt: str, listener_id: UUID, track_id: UUID, shares: Mapping[Arm, float]) -> Draw:
    """The arm of one track."""
    chances = normalised(shares)
    arm = _pick(_uniform(salt, listener_id, track_id, "arm"), chances)
    return Draw(arm, chances[arm])


def draw_wish(
    salt: str, listener_id: UUID, track_id: UUID, shares: Mapping[Arm, float], *, number: int, twins: float
) -> tuple[Draw] | tuple[Draw, Draw]:
    """The arms of one wish in a canary: one track, or twins in the order in which they are offered.

    What falls to champion and candidate together is dealt between them in blocks of two wishes, each block by a fair
    coin of its own; `number` counts the listener's earlier wishes of this kind in the release. A share `twins` of these
    wishes is made with both, the one whose turn it is first; a twin's propensity is that of its place in the pair.
    """
    chances = normalised(shares)
    single = draw_arm(salt, listener_id, track_id, shares)
    if single.arm not in SIDES or not chances.keys() >= set(SIDES):
        return (single,)
    swapped = _uniform(salt, listener_id, number // 2, "block") < 0.5
    first = SIDES[(number % 2) ^ swapped]
    if _uniform(salt, listener_id, track_id, "twin") >= twins:
        return (Draw(first, chances[first]),)
    other = SIDES[1 - SIDES.index(first)]
    return Draw(first, 0.5), Draw(other, 0.5)


def draw_pair(salt: str, listener_id: UUID, pair_id: UUID, shares: Mapping[Arm, float]) -> tuple[Draw, Draw]:
    """Two different arms in the order in which they are offered.

    The two are drawn by their shares without replacement and then ordered by a fair coin. A track's propensity is the
    chance that its place in the pair had its arm, so that the propensities of all arms for one place sum to one.

    Raises:
        ValueError: fewer than two arms have a share.
    """
    chances = normalised(shares)
    if len(chances) < 2:
        raise ValueError("a pair needs two arms with a share")
    one = _pick(_uniform(salt, listener_id, pair_id, "one"), chances)
    other = _pick(_uniform(salt, listener_id, pair_id, "other"), normalised(without(chances, one)))
    swapped = _uniform(salt, listener_id, pair_id, "order") < 0.5
    first, second = (other, one) if swapped else (one, other)
    return Draw(first, _place_chance(first, chances)), Draw(second, _place_chance(second, chances))


def holding_back(shares: Mapping[Arm, float], part: float) -> dict[Arm, float]:
    """The shares while a promotion is watched: of the tracks on champion and `previous` together, `part` (in (0, 1))
    are on `previous`. The ratios of all other arms stay, so what compares those does not notice."""
    return {**shares, "previous": shares["champion"] * part / (1 - part)}


def _place_chance(arm: Arm, chances: Mapping[Arm, float]) -> float:
    drawn_second = sum(
        chance * chances[arm] / (1 - chance) for other, chance in chances.items() if other != arm and chance < 1
    )
    return (chances[arm] + drawn_second) / 2


def without(chances: Mapping[Arm, float], arm: Arm) -> dict[Arm, float]:
    """The shares of the other arms."""
    return {name: chance for name, chance in chances.items() if name != arm}


def _uniform(salt: str, listener_id: UUID, subject: UUID | int, purpose: str) -> float:
    digest = hmac.digest(salt.encode(), f"{listener_id}|{subject}|{purpose}".encode(), "sha256")
    return int.from_bytes(digest[:8], "big") / 2**64


def _pick(at: float, chances: Mapping[Arm, float]) -> Arm:
    edge = 0.0
    for arm, chance in chances.items():
        edge += chance
        if at < edge:
            return arm
    return arm  # rounding may leave the last edge a hair below one
