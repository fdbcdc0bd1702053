"""What others' answers give a newcomer who has rated nothing: by what all share, and by what their cohort shares.

    python -m training.study.trial.newcomers --work FOLDER [--populations 2,3,4 --beside 9 --tastes 4]

Tracks, tastes and the choice among four seeds are those of `training.study.trial.pooled`: the listeners of each
population in turn are newcomers, and all others rated eight tracks. Their cohort is the home that they tell. As
placebos the stars are dealt out anew among a listener's tracks, and homes among listeners.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from training import cohorts
from training.scorer import Array, Heard, Weights, priors, space_of
from training.study.taste import in_stars
from training.study.trial.hall import Hall
from training.study.trial.options import parse
from training.study.trial.pooled import FIRST, SEEDS, Rater, Shown, cell, gain, pessimistic, population, rater

HEADINGS: Final = ("answers", "closeness", "everyone - closeness", "cohort - everyone", "cohorts believed")
STARS, HOMES = "stars dealt out", "homes dealt out"


@dataclass(frozen=True, eq=False)
class Resident:
    """What a listener heard, and their home."""

    shown: Shown
    home: str


def gains(newcomers: Sequence[Rater], others: Sequence[Rater], homes: Sequence[str]) -> Array:
    """Of each newcomer: stars gained over the mean of the seeds by closeness, by everyone's scorer and by the cohorts',
    and whether those differ [newcomers, 4]. `homes` are the newcomers', then the others'."""
    silent = [Heard(each.heard.descriptions[:0], each.heard.mean[:0], each.heard.variance[:0]) for each in newcomers]
    heard = [*silent, *(each.heard for each in others)]
    space = space_of(heard)
    shared = priors(space, heard)
    parted = cohorts.priors(space, heard, [{"home": home} for home in homes])
    expected, rows = np.concatenate([[0.0], space.expected]), []
    for place, each in enumerate(newcomers):
        stars = np.array([in_stars(each.taste.satisfaction(features)) for features in each.shown.features[FIRST:]])
        numbers = space.numbers(each.shown.descriptions[FIRST:])

        def chosen(found: list[Weights] | None, place: int = place, numbers: Array = numbers) -> Array:
            return numbers @ expected if found is None else pessimistic(numbers, found[place])

        guesses = [numbers @ expected, chosen(shared), chosen(parted)]
        believed = shared is not None and parted is not None and not np.allclose(shared[place].mean, parted[place].mean)
        rows.append([*(gain(guess, stars, SEEDS) for guess in guesses), float(believed)])
    return np.array(rows)


def table(populations: Sequence[Sequence[Resident]], beside: Sequence[Sequence[Resident]], tastes: int) -> str:
    """Markdown: true answers and both placebos; a cell is a mean over newcomers with its 95 % interval."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]
    for answers in ("true", STARS, HOMES):
        found = np.mean([_draw(populations, beside, number, answers) for number in range(tastes)], axis=0)
        close, everyone, cohort, believed = found.T
        cells = map(cell, (close, everyone - close, cohort - everyone))
        lines.append(f"| {answers} | {' | '.join(cells)} | {believed.mean():.0%} |")
    return "\n".join(lines)


def _draw(
    populations: Sequence[Sequence[Resident]], beside: Sequence[Sequence[Resident]], number: int, answers: str
) -> Array:
    """Everyone with tastes drawn anew, each population in turn as newcomers [newcomers, 4]."""
    raters = [
        [rater(each.shown, (number, place, index), permuted=answers == STARS) for index, each in enumerate(those)]
        for place, those in enumerate([*populations, *beside])
    ]
    homes = [[each.home for each in those] for those in (*populations, *beside)]
    found = []
    for own in range(len(populations)):
        others = [each for place, those in enumerate(raters) if place != own for each in those]
        told = homes[own] + [home for place, those in enumerate(homes) if place != own for home in those]
        if answers == HOMES:
            told = [told[index] for index in np.random.default_rng((number, own)).permutation(len(told))]
        found.append(gains(raters[own], others, told))
    return np.concatenate(found)


def main() -> None:
    """Makes what is not there, and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m training.study.trial.newcomers", description=__doc__)
    parser.add_argument("--populations", default="2,3,4", help="seeds of populations of 24, each newcomers in turn")
    parser.add_argument("--beside", default="", help="seeds of populations that rate and are no newcomers")
    parser.add_argument("--tastes", type=int, default=4, help="drawn anew on the same tracks")
    parser.add_argument("--work", type=Path, default=Path(".encore/study"), help="where what was made is kept")
    given = parser.parse_args()
    seeds, beside = ([int(word) for word in said.split(",") if word] for said in (given.populations, given.beside))
    hall = Hall(*parse(["--quick", "--others", "0", "--work", str(given.work), "--ears", "1"]))
    try:
        newcomers = [_residents(hall, seed) for seed in seeds]
        raters = [_residents(hall, seed, rated=True) for seed in beside]
    finally:
        hall.close()
    print(table(newcomers, raters, given.tastes))


def _residents(hall: Hall, seed: int, *, rated: bool = False) -> list[Resident]:
    heard = population(hall, seed, rated=rated)
    homes = [member.home for member in hall.population(seed, lambda *_: None).members]
    return [Resident(each, home) for each, home in zip(heard, homes, strict=True)]


if __name__ == "__main__":
    main()
