"""What a listener's own words are worth: they hear, correct a line or two of their taste card, and hear again.

    python -m training.study.trial.said [--populations 5,6 --tastes 8 --work .encore/study]

Each listener hears four tracks made from the songs alone and says what is most off in them, by their hidden taste and
with an error; a word is always said in full, however little is off. Then come four wishes, the closest to the songs of
four seeds each, in the tone that the product asks for after such words. Words about anything but sound reach no tone.
Beside true words: words of which one in five says the opposite, and words drawn at random, the placebo. Tastes are
drawn anew on the same tracks; what was made is kept.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
import torch

from schemas.generation import TONES
from serving.engine.adapters.scorer import closeness
from serving.engine.sound.tone import Shelves
from training.scorer import Array
from training.study.features import MEASURED, SAMPLE_RATE, Ear
from training.study.population import Scale, beyond
from training.study.taste import Taste, in_stars
from training.study.trial.brought import at_reference
from training.study.trial.figures import estimate
from training.study.trial.hall import Hall
from training.study.trial.hearing import Member
from training.study.trial.making import Made
from training.study.trial.options import parse
from training.study.trial.pooled import wishes_of

FIRST, WISHES, SEEDS = 4, 4, 4
LIKING: Final = 0.75  # what is believed of a word that was said and never rated
DOUBT: Final = 0.3  # deviations of real music by which listeners mistake how far off a feature is
WRONG: Final = 0.2  # share of words that say the opposite
# Lines of the card: the features that a listener means by each.
LINES: Final[Mapping[str, tuple[str, ...]]] = {
    "bright": ("brightness",),
    "bass": ("bass",),
    "fast": ("tempo", "onset_density"),
    "happy": ("mode", "valence"),
    "energetic": ("energy", "danceability"),
}
ABOUT_SOUND: Final = tuple(line for line in LINES if line in TONES)
WORDS: Final = ("true", "wrong", "random")
# Signs of brightness and bass, the tones that such words can ask for.
ASKED: Final = tuple(product((-1, 0, 1), repeat=2))
HEADINGS: Final = ("lines", "words", "true", "one in five wrong", "random", "true - random", "worse", "reach")


@dataclass(frozen=True, eq=False)
class Heard:
    """Standardised features: of the songs [songs, features], of the first tracks [FIRST, features], and of what was
    chosen for each wish in each tone of `ASKED` [tones, WISHES, features]."""

    songs: Array
    first: Array
    toned: Array


def heard(hall: Hall, member: Member, file: Path) -> Heard:
    """Made and heard once, then read from the file."""
    if not file.exists():
        made = hall.studio.make([*wishes_of(member, 0, FIRST, 1), *wishes_of(member, 1, WISHES, SEEDS)])
        sound = torch.stack([song.sound for song in member.songs]).mean(0)
        close = [closeness(each.style, member.style, each.sound, sound) for each in made[FIRST:]]
        best = np.array(close).reshape(WISHES, SEEDS).argmax(1) + SEEDS * np.arange(WISHES)
        chosen = [made[FIRST + place] for place in best]
        own = hall.scale.standardise(np.stack([hall.heard[path] for path in member.person.songs]))
        first = [listened(hall.ears[0], hall.scale, each, 0, 0) for each in made[:FIRST]]
        toned = [[listened(hall.ears[0], hall.scale, each, *asked) for each in chosen] for asked in ASKED]
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".part.npz")
        np.savez(partial, songs=own, first=np.stack(first), toned=np.array(toned))
        partial.replace(file)
    with np.load(file) as kept:
        return Heard(kept["songs"], kept["first"], kept["toned"])


def listened(ear: Ear, scale: Scale, made: Made, bright: int, bass: int) -> Array:
    """What the ear measures of a track in a tone, in deviations of real music [features]."""
    shelves = Shelves(LIKING * bass * TONES["bass"].bass_db, LIKING * bright * TONES["bright"].treble_db, SAMPLE_RATE)
    return scale.standardise(ear.hear(at_reference(shelves.add(made.audio)[None])[0]).double().numpy())


def spoken(
    taste: Taste, first: Array, lines: Sequence[str], count: int, kind: str, rng: np.random.Generator
) -> dict[str, int]:
    """Lines that a listener corrects, 1 for more of it and -1 for less: what costs them most in what they heard.

    Args:
        taste: hidden.
        first: standardised features of what they heard [tracks, features].
        lines: that they may correct.
        count: of words.
        kind: of `WORDS`.
        rng: of their errors.
    """
    if kind == "random":
        return {str(line): int(rng.choice((-1, 1))) for line in rng.choice(list(lines), count, replace=False)}
    off = taste.ideal - first.mean(0)[: len(MEASURED)] + rng.normal(0, DOUBT, len(MEASURED))
    cost = dict(zip(MEASURED, taste.weights * off * np.abs(off), strict=True))
    wanted = {line: sum(cost[name] for name in LINES[line]) for line in lines}
    most = sorted(wanted, key=lambda line: -abs(wanted[line]))[:count]
    errs = rng.random(count) < (WRONG if kind == "wrong" else 0.0)
    return {line: int(np.sign(wanted[line])) * (-1 if err else 1) for line, err in zip(most, errs, strict=True)}


def gained(each: Heard, lines: Sequence[str], count: int, kind: str, seed: Sequence[int]) -> tuple[float, bool]:
    """Stars of the wishes above the same without a word, of a taste that is drawn; whether a word reached a tone."""
    taste = beyond(each.songs, np.random.default_rng(seed))
    said = spoken(taste, each.first, lines, count, kind, np.random.default_rng([*seed, 1]))
    asked = said.get("bright", 0), said.get("bass", 0)
    plain, toned = (
        np.mean([in_stars(taste.satisfaction(features)) for features in each.toned[ASKED.index(tone)]])
        for tone in ((0, 0), asked)
    )
    return float(toned - plain), any(asked)


def row(listeners: Sequence[Heard], lines: Sequence[str], count: int, tastes: int) -> str:
    """A line of the table, over listeners, each with so many tastes drawn."""
    found = np.array([
        [[gained(each, lines, count, kind, (place, n)) for n in range(tastes)] for kind in WORDS]
        for place, each in enumerate(listeners)
    ])  # fmt: skip
    stars = found[..., 0].mean(2)
    columns = [*stars.T, stars[:, 0] - stars[:, 2]]
    cells = ["{0.mean:+.3f} ({0.low:+.3f} to {0.high:+.3f})".format(estimate(list(column))) for column in columns]
    shares = f"{(stars[:, 0] < 0).mean():.0%} | {found[:, 0, :, 1].mean():.0%}"
    named = "any" if len(lines) == len(LINES) else ", ".join(lines)
    return f"| {named} | {count} | {' | '.join(cells)} | {shares} |"


def moved(listeners: Sequence[Heard]) -> str:
    """Features that a word moves, in deviations of real music, those of 0.1 and more."""
    lines = []
    for said, tone in (("bright", (1, 0)), ("not bright", (-1, 0)), ("bass", (0, 1)), ("no bass", (0, -1))):
        place, plain = ASKED.index(tone), ASKED.index((0, 0))
        change = np.mean([each.toned[place] - each.toned[plain] for each in listeners], axis=(0, 1))
        far = [f"{name} {by:+.2f}" for name, by in zip(MEASURED, change, strict=False) if abs(by) >= 0.1]
        lines.append(f"| {said} | {', '.join(far)} |")
    return "\n".join(["| said | moves |", "|---|---|", *lines])


def main(arguments: Sequence[str]) -> None:
    """Makes what is not there, and prints both tables."""
    parser = argparse.ArgumentParser(prog="python -m training.study.trial.said", description=__doc__)
    parser.add_argument("--populations", default="5,6", help="seeds of populations of 24")
    parser.add_argument("--tastes", type=int, default=8, help="drawn anew on the same tracks")
    parser.add_argument("--work", type=Path, default=Path(".encore/study"), help="where what was made is kept")
    given = parser.parse_args(arguments)
    hall = Hall(*parse(["--quick", "--others", "0", "--work", str(given.work), "--ears", "1"]))
    listeners = []
    try:
        for seed in given.populations.split(","):
            for member in hall.population(int(seed), lambda *_: None).members:
                listeners.append(heard(hall, member, hall.folder / "said" / f"{seed}-{member.number}.npz"))
                print(f"  {len(listeners)} listeners", file=sys.stderr, flush=True)
    finally:
        hall.close()
    print(moved(listeners) + f"\n\n| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}")
    for lines, count in ((ABOUT_SOUND, 1), (ABOUT_SOUND, 2), (tuple(LINES), 1), (tuple(LINES), 2)):
        print(row(listeners, lines, count, given.tastes), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
