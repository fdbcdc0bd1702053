"""What the answers of others add to a choice among a few seeds.

    python -m training.study.trial.pooled [--populations 2,3,4 --beside 9 --others 0,24,48 --ratings 8 --seeds 4]

Each listener of these populations hears eight tracks made from the songs alone, and four wishes with four seeds each,
as `--quick` does; what was made is kept, so a second call only reckons. For a choice among eight, two wishes' seeds are
taken for one's. On these tracks tastes are drawn anew, so that few tracks say more. The listeners of one population are
a round and rate their eight, beside so many others of the other populations, drawn anew for each draw of tastes, who
rate `--ratings` each; those of `--beside` rate eight and are no round. The scorer is the product's (`training.scorer`).
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import UUID

import numpy as np
import torch
from scipy.special import stdtrit

from serving.engine.adapters.scorer import CAUTION, describe
from training.preference import Hearing, Signals, estimate
from training.scorer import Array, Heard, Weights, contradicted, fit, priors, space_of
from training.study.population import beyond
from training.study.prompts import typed
from training.study.taste import Taste, in_stars
from training.study.trial.hall import Hall
from training.study.trial.hearing import APART, Member
from training.study.trial.making import Wish
from training.study.trial.options import parse

FIRST, WISHES, SEEDS = 8, 4, 4
HEADINGS = (
    "seeds", "others", "ratings each", "oracle", "closeness", "true stars", "true - closeness", "permuted - closeness",
    "true - permuted", "over populations", "have a scorer: true, permuted", "below the mean",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Shown:
    """What one listener heard: the songs' standardised features [songs, features], the tracks' descriptions [tracks,
    size] and standardised features [tracks, features], the first of them rated, the rest four seeds a wish."""

    songs: Array
    descriptions: Array
    features: Array


def shown(hall: Hall, member: Member, folder: Path, name: str, *, rated: bool = False) -> Shown:
    """Made and heard once, then read from the file; of who only rates no more than the first tracks."""
    file = folder / f"{name}-rated.npz" if rated else folder / f"{name}.npz"
    if not file.exists():
        wishes = wishes_of(member, 0, FIRST, 1)
        if not rated:
            wishes += wishes_of(member, 1, WISHES, SEEDS)
        made = hall.studio.make(wishes)
        sound = torch.stack([song.sound for song in member.songs]).mean(0)
        described = [describe(each.style, member.style, each.sound, sound).double().numpy() for each in made]
        heard = [hall.scale.standardise(hall.ears[0].hear(each.audio).double().numpy()) for each in made]
        own = hall.scale.standardise(np.stack([hall.heard[path] for path in member.person.songs]))
        folder.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".part.npz")
        np.savez(partial, songs=own, descriptions=np.stack(described), features=np.stack(heard))
        partial.replace(file)
    with np.load(file) as kept:
        return Shown(kept["songs"], kept["descriptions"], kept["features"])


def wishes_of(member: Member, cycle: int, count: int, seeds: int) -> list[Wish]:
    """As the study asks for them."""
    rng, found = np.random.default_rng([member.person.seed, 2, cycle]), []
    for _ in range(count):
        prompt, seed = typed(rng), int(rng.integers(2**40)) * APART
        found += [Wish(member.songs, prompt, seed + place) for place in range(seeds)]
    return found


@dataclass(frozen=True, eq=False)
class Rater:
    """A listener with one of their tastes, and what their answers to the first tracks tell."""

    shown: Shown
    taste: Taste
    heard: Heard


@dataclass(frozen=True)
class Asked:
    """How many others a round learns from, and how many tracks each of them rated."""

    others: int
    ratings: int = FIRST


def rater(each: Shown, draw: Sequence[int], ratings: int = FIRST, *, permuted: bool) -> Rater:
    """With the taste of that draw; as a placebo the same stars are dealt out anew among the tracks."""
    rng = np.random.default_rng(draw)
    taste = beyond(each.songs, rng)
    stars = [taste.stars(features, rng) for features in each.features[:ratings]]
    if permuted:
        stars = [stars[place] for place in rng.permutation(len(stars))]
    hearings = [Hearing(UUID(int=place), 4.0, 4.0, (given,)) for place, given in enumerate(stars)]
    believed = estimate(hearings, signals=Signals(listening=False))
    return Rater(each, taste, Heard(each.descriptions[:ratings], believed.mean, believed.variance))


def gains(round_: Sequence[Rater], others: Sequence[Rater], seeds: Sequence[int] = (SEEDS,)) -> Array:
    """Of each listener of a round, choosing among so many seeds: stars gained over the mean of the seeds by the scorer,
    by closeness and by an oracle, and whether there was a scorer [listeners, seeds, 4]."""
    heard = [each.heard for each in (*round_, *others)]
    space = space_of(heard)
    found, expected = priors(space, heard), np.concatenate([[0.0], space.expected])
    rows = []
    for place, each in enumerate(round_):
        tested = each.shown.features[FIRST:]
        stars = np.array([in_stars(each.taste.satisfaction(features)) for features in tested])
        numbers = space.numbers(each.shown.descriptions[FIRST:])
        close = numbers @ expected
        believed = found is not None and not contradicted(space, each.heard, found[place])
        score = pessimistic(numbers, fit(space, each.heard, found[place])) if found and believed else close
        rows.append([[*(gain(guess, stars, n) for guess in (score, close, stars)), float(believed)] for n in seeds])
    return np.array(rows)


def pessimistic(numbers: Array, weights: Weights) -> Array:
    """As `Scorer.score`, of each track [tracks]."""
    variance = np.einsum("ij,jk,ik->i", numbers, weights.covariance, numbers)
    found: Array = numbers @ weights.mean - CAUTION * np.sqrt(np.maximum(variance, 0.0))
    return found


def gain(score: Array, stars: Array, seeds: int) -> float:
    chosen, each = score.reshape(-1, seeds).argmax(1), stars.reshape(-1, seeds)
    return float((each[np.arange(len(each)), chosen] - each.mean(1)).mean())


def table(
    populations: Sequence[Sequence[Shown]],
    beside: Sequence[Sequence[Shown]],
    asked: Sequence[Asked],
    seeds: Sequence[int],
    tastes: int,
) -> str:
    """Markdown: a row for what was asked and each number of seeds; a cell is a mean over listeners with its 95 %
    interval, and of what is learned half of that over populations too.

    Args:
        populations: each is a round in turn, beside others of all the rest.
        beside: populations that rate and are no round.
        asked: what the others did.
        seeds: among how many is chosen.
        tastes: drawn for each listener.
    """
    true, placebo = (_over(populations, beside, asked, seeds, tastes, permuted=permuted) for permuted in (False, True))
    lines = ["| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]
    for column, count in enumerate(seeds):
        for each in asked:
            one, other = true[each][:, column], placebo[each][:, column]
            cells = [one[:, 2], one[:, 1], one[:, 0], one[:, 0] - one[:, 1], other[:, 0] - other[:, 1]]
            learned = one[:, 0] - other[:, 0]
            said = " | ".join([*map(cell, [*cells, learned]), between(learned, list(map(len, populations)))])
            shares = f"{one[:, 3].mean():.0%}, {other[:, 3].mean():.0%} | {(one[:, 0] < 0).mean():.0%}"
            lines.append(f"| {count} | {each.others} | {each.ratings} | {said} | {shares} |")
    return "\n".join(lines)


def _over(
    populations: Sequence[Sequence[Shown]],
    beside: Sequence[Sequence[Shown]],
    asked: Sequence[Asked],
    seeds: Sequence[int],
    tastes: int,
    *,
    permuted: bool,
) -> dict[Asked, Array]:
    """The mean over draws of tastes for everyone of a round [listeners, seeds, 4]."""
    everyone = [
        (place, index, each) for place, those in enumerate([*populations, *beside]) for index, each in enumerate(those)
    ]
    found: dict[Asked, list[list[Array]]] = {each: [[] for _ in populations] for each in asked}
    for number in range(tastes):

        @cache
        def rated(chosen: int, ratings: int, number: int = number) -> Rater:
            place, index, each = everyone[chosen]
            return rater(each, (number, place, index), ratings, permuted=permuted)

        for own in range(len(populations)):
            round_ = [rated(chosen, FIRST) for chosen, (place, _, _) in enumerate(everyone) if place == own]
            rest = [chosen for chosen, (place, _, _) in enumerate(everyone) if place != own]
            order = np.random.default_rng((number, own)).permutation(rest)
            for each in asked:
                others = [rated(int(chosen), each.ratings) for chosen in order[: each.others]]
                found[each][own].append(gains(round_, others, seeds))
    return {each: np.concatenate([np.mean(drawn, axis=0) for drawn in of]) for each, of in found.items()}


def cell(values: Array) -> str:
    """Over listeners."""
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():+.3f} ({values.mean() - half:+.3f} to {values.mean() + half:+.3f})"


def between(values: Array, sizes: Sequence[int]) -> str:
    """Half of a 95 % interval over populations: listeners of one round share what was learned (Student's t)."""
    if len(sizes) < 2:
        return ""
    means = [part.mean() for part in np.split(values, np.cumsum(sizes)[:-1])]
    return f"{stdtrit(len(means) - 1, 0.975) * np.std(means, ddof=1) / np.sqrt(len(means)):.3f}"


def main(arguments: Sequence[str]) -> None:
    """Makes what is not there, and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m training.study.trial.pooled", description=__doc__)
    parser.add_argument("--populations", default="2,3,4", help="seeds of populations of 24, each a round in turn")
    parser.add_argument("--beside", default="", help="seeds of populations that rate and are no round")
    parser.add_argument("--others", default="0,24,48", help="how many others a round learns from")
    parser.add_argument("--ratings", default=str(FIRST), help="how many tracks each of the others rated")
    parser.add_argument("--seeds", default=str(SEEDS), help="among how many is chosen")
    parser.add_argument("--tastes", type=int, default=4, help="drawn anew on the same tracks")
    parser.add_argument("--work", type=Path, default=Path(".encore/study"), help="where what was made is kept")
    given = parser.parse_args(arguments)
    rounds, beside, counts, ratings, among = (
        [int(word) for word in said.split(",") if word]
        for said in (given.populations, given.beside, given.others, given.ratings, given.seeds)
    )
    if strange := [count for count in among if (WISHES * SEEDS) % count]:
        parser.error(f"--seeds: expected a divisor of {WISHES * SEEDS}, got {strange[0]}")
    options, places = parse(["--quick", "--others", "0", "--work", str(given.work), "--ears", "1"])
    if max(counts) > (most := (len(rounds) + len(beside) - 1) * options.listeners):
        parser.error(f"--others: expected at most {most} beside a round of these populations, got {max(counts)}")
    hall = Hall(options, places)
    try:
        populations = [population(hall, seed) for seed in rounds]
        raters = [population(hall, seed, rated=True) for seed in beside]
    finally:
        hall.close()
    asked = [Asked(count, each) for each in ratings for count in counts]
    print(table(populations, raters, asked, among, given.tastes))


def population(hall: Hall, seed: int, *, rated: bool = False) -> list[Shown]:
    """What the listeners of one seed heard."""
    members = hall.population(seed, lambda *_: None).members
    found = []
    for member in members:
        found.append(shown(hall, member, hall.folder / "pooled", f"{seed}-{member.number}", rated=rated))
        print(f"  population {seed}: {len(found)} of {len(members)}", file=sys.stderr, flush=True)
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
