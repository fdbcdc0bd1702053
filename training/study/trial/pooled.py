"""What the answers of others add to a choice among four seeds.

    python -m training.study.trial.pooled [--populations 2,3,4 --others 0,24,48 --tastes 4 --work .encore/study]

Each listener of these populations hears eight tracks made from the songs alone, and four wishes with four seeds each,
as `--quick` does; what was made is kept, so a second call only reckons. On these tracks tastes are drawn anew, so that
few tracks say more. Everyone rates their eight; the listeners of one population are a round, beside so many others of
the other populations. The scorer is the product's (`training.scorer`).
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np
import torch

from serving.engine.adapters.scorer import CAUTION, describe
from training.preference import Hearing, Signals, estimate
from training.scorer import Array, Heard, contradicted, fit, priors, space_of
from training.study.population import beyond
from training.study.prompts import typed
from training.study.taste import Taste, in_stars
from training.study.trial.hall import Hall
from training.study.trial.hearing import APART, Member
from training.study.trial.making import Wish
from training.study.trial.options import parse

FIRST, WISHES, SEEDS = 8, 4, 4


@dataclass(frozen=True, eq=False)
class Shown:
    """What one listener heard: the songs' standardised features [songs, features], the tracks' descriptions [tracks,
    size] and standardised features [tracks, features], the first of them rated, the rest four seeds a wish."""

    songs: Array
    descriptions: Array
    features: Array


def shown(hall: Hall, member: Member, file: Path) -> Shown:
    """Made and heard once, then read from the file."""
    if not file.exists():
        wishes = [*_wishes(member, 0, FIRST, 1), *_wishes(member, 1, WISHES, SEEDS)]
        made = hall.studio.make(wishes)
        sound = torch.stack([song.sound for song in member.songs]).mean(0)
        described = [describe(each.style, member.style, each.sound, sound).double().numpy() for each in made]
        heard = [hall.scale.standardise(hall.ears[0].hear(each.audio).double().numpy()) for each in made]
        own = hall.scale.standardise(np.stack([hall.heard[path] for path in member.person.songs]))
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".part.npz")
        np.savez(partial, songs=own, descriptions=np.stack(described), features=np.stack(heard))
        partial.replace(file)
    with np.load(file) as kept:
        return Shown(kept["songs"], kept["descriptions"], kept["features"])


def _wishes(member: Member, cycle: int, count: int, seeds: int) -> list[Wish]:
    """As the study asks for them."""
    rng, found = np.random.default_rng([member.person.seed, 2, cycle]), []
    for _ in range(count):
        prompt, seed = typed(rng), int(rng.integers(2**40)) * APART
        found += [Wish(member.songs, prompt, seed + place) for place in range(seeds)]
    return found


def answered(each: Shown, taste: Taste, rng: np.random.Generator, *, permuted: bool) -> Heard:
    """What the first tracks' stars tell; dealt out anew among them as a placebo."""
    stars = [taste.stars(features, rng) for features in each.features[:FIRST]]
    if permuted:
        stars = [stars[place] for place in rng.permutation(FIRST)]
    hearings = [Hearing(UUID(int=place), 4.0, 4.0, (given,)) for place, given in enumerate(stars)]
    believed = estimate(hearings, signals=Signals(listening=False))
    return Heard(each.descriptions[:FIRST], believed.mean, believed.variance)


def gains(round_: Sequence[Shown], others: Sequence[Shown], draw: Sequence[int], *, permuted: bool) -> Array:
    """Of each listener of a round, with tastes of that draw: stars gained over the mean of the seeds by the scorer,
    by closeness and by an oracle [listeners, 3]."""
    tastes, heard = [], []
    for place, each in enumerate([*round_, *others]):
        rng = np.random.default_rng([*draw, place])
        tastes.append(beyond(each.songs, rng))
        heard.append(answered(each, tastes[-1], rng, permuted=permuted))
    space = space_of(heard)
    found, expected = priors(space, heard), np.concatenate([[0.0], space.expected])
    rows = []
    for place, each in enumerate(round_):
        tested = each.features[FIRST:]
        stars = np.array([in_stars(tastes[place].satisfaction(features)) for features in tested])
        numbers = space.numbers(each.descriptions[FIRST:])
        close = numbers @ expected
        score = close
        if found is not None and not contradicted(space, heard[place], found[place]):
            weights = fit(space, heard[place], found[place])
            variance = np.einsum("ij,jk,ik->i", numbers, weights.covariance, numbers)
            score = numbers @ weights.mean - CAUTION * np.sqrt(np.maximum(variance, 0.0))
        rows.append([_gain(score, stars), _gain(close, stars), _gain(stars, stars)])
    return np.array(rows)


def _gain(score: Array, stars: Array) -> float:
    chosen, each = score.reshape(-1, SEEDS).argmax(1), stars.reshape(-1, SEEDS)
    return float((each[np.arange(len(each)), chosen] - each.mean(1)).mean())


def table(populations: Sequence[Sequence[Shown]], counts: Sequence[int], tastes: int) -> str:
    """Markdown: a row for each number of others; a cell is a mean over listeners with its 95 % interval."""
    lines = [
        "| others | oracle | closeness | true stars | true - closeness | permuted - closeness | true - permuted |",
        "|---|---|---|---|---|---|---|",
    ]
    for count in counts:
        true, placebo = (_over(populations, count, tastes, permuted=permuted) for permuted in (False, True))
        cells = [true[:, 2], true[:, 1], true[:, 0], true[:, 0] - true[:, 1], placebo[:, 0] - placebo[:, 1]]
        lines.append(f"| {count} | " + " | ".join(map(_cell, [*cells, true[:, 0] - placebo[:, 0]])) + " |")
    return "\n".join(lines)


def _over(populations: Sequence[Sequence[Shown]], count: int, tastes: int, *, permuted: bool) -> Array:
    """Each population in turn is the round; the mean over draws of tastes [listeners, 3]."""
    found = []
    for place, round_ in enumerate(populations):
        rest = [each for other, those in enumerate(populations) if other != place for each in those]
        order = np.random.default_rng(place).permutation(len(rest))[:count]
        others = [rest[index] for index in order]
        drawn = [gains(round_, others, (place, number), permuted=permuted) for number in range(tastes)]
        found.append(np.mean(drawn, axis=0))
    return np.concatenate(found)


def _cell(values: Array) -> str:
    """Over listeners."""
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():+.3f} ({values.mean() - half:+.3f} to {values.mean() + half:+.3f})"


def main(arguments: Sequence[str]) -> None:
    """Makes what is not there, and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m training.study.trial.pooled", description=__doc__)
    parser.add_argument("--populations", default="2,3,4", help="seeds of at least two populations of 24")
    parser.add_argument("--others", default="0,24,48", help="how many others a round learns from")
    parser.add_argument("--tastes", type=int, default=4, help="drawn anew on the same tracks")
    parser.add_argument("--work", type=Path, default=Path(".encore/study"), help="where what was made is kept")
    given = parser.parse_args(arguments)
    seeds, counts = ([int(word) for word in said.split(",")] for said in (given.populations, given.others))
    options, places = parse(["--quick", "--work", str(given.work), "--ears", "1"])
    hall = Hall(options, places)
    try:
        populations = [population(hall, seed) for seed in seeds]
    finally:
        hall.close()
    print(table(populations, counts, given.tastes))


def population(hall: Hall, seed: int) -> list[Shown]:
    """What the listeners of one seed heard."""
    members = hall.population(seed, lambda *_: None).members
    found = []
    for member in members:
        found.append(shown(hall, member, hall.folder / "pooled" / f"{seed}-{member.number}.npz"))
        print(f"  population {seed}: {len(found)} of {len(members)}", file=sys.stderr, flush=True)
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
