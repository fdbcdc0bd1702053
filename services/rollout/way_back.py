"""Whether a promoted champion is worse than what it replaced: the reversed test. Pure: reads and writes nothing.

Only tracks that were asked for outside canaries count: for each on champion or `previous`, a coin that falls on
`previous` with chance q decided. If the two do not differ, x (1{previous} - q) summed over tracks is a martingale for
every x that does not depend on the coin: the distance of a rating from the listener's earlier mean, a skip, a
completion, a failure. exp(b S - b^2/2 ([S]/3 + 2 <S>/3)) is then a supermartingale for every b (Delyon, Electronic
Journal of Probability 14, 2009, theorem 4), which is all that `anytime_p` needs; a fair coin is not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from services.rollout.sequential import Signed, anytime_p
from services.rollout.stats import Interval, Ratings, clustered_interval, difference

MOST_TRACKS: Final = 40  # a listener's first ones count: who plays all day does not decide for all
EXPECTED_TRACKS: Final = 20  # a listener, in the watch; only where the test is sharpest
COMPARED: Final = 4  # stars, skips, completions, failures

MIDDLE_STARS: Final = 3.0
MIDDLE_WEIGHT: Final = 2  # ratings that the middle counts for when a listener has given few
NO_RATINGS: Final = Ratings()

# Squares that a track is expected to bring: variance of stars; rates of skips and completions; failures of all, rare.
STARS_SQUARES: Final = 1.0
LISTENS_SQUARES: Final = 0.3
FAILURES_SQUARES: Final = 8.0


@dataclass(frozen=True, slots=True)
class Compared:
    """One comparison; `p` is valid at any time, small means the champion is worse than what was before."""

    name: str
    p: float
    detail: str


@dataclass(frozen=True, slots=True)
class Heard:
    """A listener's tracks on one arm: their ratings, and how many were started, left early, heard out, not made."""

    ratings: Ratings = NO_RATINGS
    started: int = 0
    skipped: int = 0
    completed: int = 0
    failed: int = 0


NOTHING: Final = Heard()


@dataclass(frozen=True, slots=True)
class Person:
    """A listener whose promotion is watched; `before` is what they had given until it."""

    listener_id: UUID
    champion: Heard = NOTHING
    previous: Heard = NOTHING
    before: Ratings = NO_RATINGS


def worse(people: Sequence[Person], held_back: float, alpha: float, minimum: int) -> Compared | None:
    """What shows the champion to be worse than `previous`, at any moment; None while nothing does.

    Each comparison has its part of `alpha`, must keep it when any one listener is left out, and needs
    `minimum` listeners with tracks that count.
    """
    for one in comparisons(people, held_back, minimum):
        if one.p <= alpha / COMPARED:
            return one
    return None


def comparisons(people: Sequence[Person], held_back: float, minimum: int) -> list[Compared]:
    """Stars, early skips, completions and failures; `p` is the largest over leaving out any one listener."""
    q, planned = held_back, held_back * (1 - held_back) * EXPECTED_TRACKS * max(1, len(people))

    def of(name: str, each: Iterable[Signed], squares: float, detail: str) -> Compared:
        counted = [signed for signed in each if signed.squares > 0]
        p = _without_any_one(counted, squares) if len(counted) >= minimum else 1.0
        return Compared(name, p, detail)

    return [
        of("stars", (_stars(one, q) for one in people), STARS_SQUARES * planned, _rated(people)),
        of(
            "skips",
            (_events(one.champion.skipped, one.previous.skipped, q) for one in people),
            LISTENS_SQUARES * planned,
            "the champion is skipped early more often than what was before",
        ),
        of(
            "completions",
            (_negative(_events(one.champion.completed, one.previous.completed, q)) for one in people),
            LISTENS_SQUARES * planned,
            "the champion is heard to the end less than what was before",
        ),
        of(
            "failures",
            (_events(one.champion.failed, one.previous.failed, q) for one in people),
            FAILURES_SQUARES * q * (1 - q),
            "generation with the champion fails more often than with what was before",
        ),
    ]


def gained(people: Sequence[Person]) -> Interval | None:
    """Champion - previous in stars, a mean over listeners with its 95 % interval, for reading; None from too few."""
    each = (difference(one.previous.ratings, one.champion.ratings) for one in people)
    return clustered_interval([value for value in each if value is not None])


def _without_any_one(each: Sequence[Signed], expected: float) -> float:
    total = sum(each, Signed())
    rest = (Signed(total.total - one.total, max(0.0, total.squares - one.squares)) for one in each)
    return max((anytime_p(signed, expected) for signed in rest), default=1.0)


def _stars(one: Person, q: float) -> Signed:
    """How far ratings on `previous` lie above those on the champion, about a centre fixed before."""
    centre = (one.before.total + MIDDLE_STARS * MIDDLE_WEIGHT) / (one.before.count + MIDDLE_WEIGHT)
    new, old = one.champion.ratings, one.previous.ratings
    total = (1 - q) * (old.total - old.count * centre) - q * (new.total - new.count * centre)
    return Signed(total, _variation(new.squares_about(centre), old.squares_about(centre), q))


def _events(champion: int, previous: int, q: float) -> Signed:
    return Signed(q * champion - (1 - q) * previous, _variation(champion, previous, q))


def _variation(champion: float, previous: float, q: float) -> float:
    """[S]/3 + 2 <S>/3 from the sums of x^2 on either arm."""
    seen = (1 - q) ** 2 * previous + q**2 * champion
    return seen / 3 + 2 * q * (1 - q) * (champion + previous) / 3


def _negative(signed: Signed) -> Signed:
    return Signed(-signed.total, signed.squares)


def _rated(people: Sequence[Person]) -> str:
    interval = gained(people)
    seen = "too few rated both" if interval is None else f"{interval.estimate:+.2f} stars over {interval.listeners}"
    return f"the champion is rated lower than what was before: {seen} listeners"
