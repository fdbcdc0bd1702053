"""What ratings could tell at most of where a listener's tracks should go.

    python -m training.study.trial.bound [--populations 2,3 --ratings 8,12,24 --words 1,2 --reaches 0.5,1 --draws 2]

Whoever learns here hears as the simulated listeners do, moves each of the measured features by up to `--reaches`
deviations and each as freely as any other, knows how tastes and raters are drawn, and reasons exactly: tastes from that
prior, weighed by the chance of the answers (importance sampling), choose the move with the highest expected
satisfaction. What learns from the same answers through less of an ear or with weaker controls has less. The rated
tracks are ordinary ones, moved at random within that reach. A word names one of the `SHIFTED` features that matter most
to the listener, and says whether there should be more of it or less.

Songs and tracks are those of `pooled`.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import ndtr

from training.scorer import Array
from training.study.features import MEASURED
from training.study.population import SHIFTED, beyond
from training.study.taste import MIDDLE, STEP, TOLERATED, Taste
from training.study.trial.figures import estimate
from training.study.trial.hall import Hall
from training.study.trial.options import parse
from training.study.trial.pooled import Shown, population

TASTES, KEPT = 6000, 400  # drawn from the prior, and of those, by their weights, from what is believed
STEPS = (0.25, 0.5, 0.75, 1.0)
FURTHER = (1.0, 2.0, 4.0)  # a mean over many tastes lies nearer to the songs than any of them
HEARD_AGAIN = 12
SIZE = len(MEASURED)
MOST_RATINGS, MOST_WORDS = 24, 2  # more, and too few of the tastes that were drawn would be left
HEADINGS = ("reach", "ratings", "words", "they add", "without them", "to the ideal", "the rated ones")


@dataclass(frozen=True, eq=False)
class Tastes:
    """Many of them: ideals and weights [tastes, measured], and of the rater gain, offset, noise and carelessness
    [tastes, 4]."""

    ideals: Array
    weights: Array
    raters: Array

    def satisfaction(self, least: Array, features: Array) -> Array:
        """As `Taste.satisfaction`, of each with each [tracks, features] -> [tastes, tracks]."""
        measured, qualities = features[:, :SIZE], features[:, SIZE:]
        distance = self.weights @ np.square(measured).T - 2 * (self.weights * self.ideals) @ measured.T
        distance += (self.weights * np.square(self.ideals)).sum(1)[:, None]
        lack = np.clip((least - qualities - TOLERATED) / STEP, 0.0, None)
        found: Array = np.exp(-0.5 * (distance + np.square(lack).sum(1)))
        return found

    def likelihood(self, least: Array, features: Array, stars: Array) -> Array:
        """Logarithm of the chance of these stars for these tracks [tastes]."""
        gain, offset, noise, careless = (column[:, None] for column in self.raters.T)
        middle = MIDDLE + gain * (1 + 4 * self.satisfaction(least, features) - MIDDLE) + offset
        upper = np.where(stars == 5, 1.0, ndtr((stars + 0.5 - middle) / noise))
        lower = np.where(stars == 1, 0.0, ndtr((stars - 0.5 - middle) / noise))
        found: Array = np.log((1 - careless) * (upper - lower) + careless / 5).sum(1)
        return found

    def taken(self, places: Sequence[int]) -> "Tastes":
        chosen = list(places)
        return Tastes(self.ideals[chosen], self.weights[chosen], self.raters[chosen])


def stacked(tastes: Sequence[Taste]) -> Tastes:
    """As one."""
    raters = [(each.gain, each.offset, each.noise, each.carelessness) for each in tastes]
    ideals, weights = (np.stack([getattr(each, name) for each in tastes]) for name in ("ideal", "weights"))
    return Tastes(ideals, weights, np.array(raters))


def gained(own: Array, tracks: Array, apart: Array, reach: float, ratings: int, words: int, seed: list[int]) -> Array:
    """Stars above ordinary tracks of one listener whose taste is drawn: of the move chosen with the answers, of that
    chosen without any, of that to the ideal, and of the tracks that were rated [4].

    Args:
        own: standardised features of the songs [songs, features].
        tracks: of ordinary tracks [tracks, features].
        apart: how tracks lie about their listener's mean [some, features].
        reach: deviations by which each measured feature can be moved.
        ratings: answers.
        words: see above.
        seed: of all that is drawn.
    """
    rng = np.random.default_rng(seed)
    drawn = [beyond(own, rng) for _ in range(TASTES + 1)]
    true, least, mean, near = drawn.pop(), drawn[0].least, tracks.mean(0), own[:, :SIZE].mean(0)
    tastes = stacked(drawn)
    moves = reach * rng.uniform(-1, 1, (ratings, SIZE))
    rated = mean + _padded(moves) + apart[rng.integers(len(apart), size=ratings)]
    stars = np.array([true.stars(each, rng) for each in rated])
    log = tastes.likelihood(least, rated, stars) + _said(tastes, true, near, words)
    share = np.exp(log - log.max())
    believed = tastes.taken(rng.choice(TASTES, KEPT, p=share / share.sum()).tolist())
    unasked = tastes.taken(range(KEPT))
    told = (believed.weights * believed.ideals).sum(0) / believed.weights.sum(0) - near

    def towards(goal: Array) -> list[Array]:
        return [np.clip(step * (goal - mean[:SIZE]), -reach, reach) for step in STEPS]

    plain = [np.zeros(SIZE), *towards(near)]
    moved = np.stack([*plain, *(move for times in FURTHER for move in towards(near + times * told))])
    again = apart[rng.integers(len(apart), size=HEARD_AGAIN)]
    with_answers = _expected(believed, least, mean, moved, again).argmax()
    without = _expected(unasked, least, mean, moved[: len(plain)], again).argmax()
    of_all = np.stack([moved[with_answers], moved[without], *towards(true.ideal), moved[0]])
    found = _expected(stacked([true]), least, mean, of_all, apart)
    heard = stacked([true]).satisfaction(least, rated).mean() if ratings else found[-1]
    stars_gained: Array = 4 * (np.array([found[0], found[1], found.max(), heard]) - found[-1])
    return stars_gained


def _said(tastes: Tastes, true: Taste, near: Array, words: int) -> Array:
    """0 for tastes that such words would be true of, else so little that none of them is believed [tastes]."""
    top = np.argsort(true.weights)[-SHIFTED:][::-1][:words]
    matter = np.argsort(np.argsort(tastes.weights, 1), 1)[:, top] >= SIZE - SHIFTED
    same = np.sign(tastes.ideals - near)[:, top] == np.sign(true.ideal - near)[top]
    found: Array = np.where((matter & same).all(1), 0.0, -1e3)
    return found


def _padded(moves: Array) -> Array:
    """With qualities that stay as they are."""
    return np.column_stack([moves, np.zeros((len(moves), 2))])


def _expected(tastes: Tastes, least: Array, mean: Array, moves: Array, apart: Array) -> Array:
    """Of tracks about the mean after each move, over all tastes [moves]."""
    features = (mean + _padded(moves))[:, None] + apart
    each = tastes.satisfaction(least, features.reshape(-1, features.shape[-1])).mean(0)
    found: Array = each.reshape(len(moves), len(apart)).mean(1)
    return found


def row(listeners: Sequence[Shown], reach: float, ratings: int, words: int, draws: int) -> str:
    """A line of the table, over listeners, each with so many tastes drawn."""
    apart = np.concatenate([each.features - each.features.mean(0) for each in listeners])
    found = np.array([
        np.mean([gained(e.songs, e.features, apart, reach, ratings, words, [place, n]) for n in range(draws)], axis=0)
        for place, e in enumerate(listeners)
    ])  # fmt: skip
    alone = estimate(list(found[:, 0] - found[:, 1]))
    cells = [f"{value:+.2f}" for value in (found[:, 1].mean(), found[:, 2].mean(), found[:, 3].mean())]
    added = f"{alone.mean:+.3f} ({alone.low:+.3f} to {alone.high:+.3f})"
    return f"| {reach:g} | {ratings} | {words} | {added} | {' | '.join(cells)} |"


def main(arguments: Sequence[str]) -> None:
    """Makes what is not there, and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m training.study.trial.bound", description=__doc__)
    parser.add_argument("--populations", default="2,3", help="seeds of populations of 24")
    parser.add_argument("--ratings", default="8,12,24", help=f"answers of a listener, at most {MOST_RATINGS}")
    parser.add_argument("--words", default="1,2", help=f"said instead, at most {MOST_WORDS}")
    parser.add_argument("--reaches", default="0.5,1", help="deviations by which each feature can be moved")
    parser.add_argument("--draws", type=int, default=2, help="tastes of a listener")
    parser.add_argument("--work", type=Path, default=Path(".encore/study"), help="where what was made is kept")
    given = parser.parse_args(arguments)
    asked = [(n, 0) for n in _counts(parser, "--ratings", given.ratings, MOST_RATINGS)]
    asked += [(0, n) for n in _counts(parser, "--words", given.words, MOST_WORDS)]
    hall = Hall(*parse(["--quick", "--others", "0", "--work", str(given.work), "--ears", "1"]))
    try:
        listeners = [each for seed in given.populations.split(",") for each in population(hall, int(seed))]
    finally:
        hall.close()
    print(f"| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}")
    for reach in map(float, given.reaches.split(",")):
        for ratings, words in asked:
            print(row(listeners, reach, ratings, words, given.draws), flush=True)


def _counts(parser: argparse.ArgumentParser, name: str, said: str, most: int) -> list[int]:
    for word in said.split(","):
        if not (word.isdecimal() and int(word) <= most):
            parser.error(f"{name}: expected numbers from 0 to {most}, got {word!r}")
    return [int(word) for word in said.split(",")]


if __name__ == "__main__":
    main(sys.argv[1:])
