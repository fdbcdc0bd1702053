"""`./encore study`: what each method of learning gives above what the songs alone give, and whether ratings did it.

    python -m training.study.trial [--quick] [--listeners 24 --cycles 5 --seeds 3 --shift 0.8 ...]

Needs no part of the stack. Stopped, it goes on where it was; what it shows is in docs/study.md.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from serving.engine.adapters.pool import attach
from serving.engine.bases.shipped.checkpoint import load_shipped
from training.blobs import Blobs
from training.snapshot import Recipe
from training.study.features import Ear
from training.study.population import SONGS_EACH, Person, load_songs, measure, populate
from training.study.published import PublishedEar
from training.study.trial.approaches import branches
from training.study.trial.brought import Brought, bring
from training.study.trial.cycle import Population
from training.study.trial.figures import study
from training.study.trial.hearing import Member, Room
from training.study.trial.making import Studio
from training.study.trial.options import Options, Places, parse
from training.study.trial.records import Part
from training.study.trial.report import markdown, picture

# Styles whose songs take no part in anything that listeners share.
HELD_OUT = 2
MOST_SLOTS = 64


class Progress:
    """Says what is done, how it went, and how long the rest may take."""

    def __init__(self, parts: int) -> None:
        self._parts, self._done, self._began = parts, 0, time.monotonic()

    def __call__(self, seed: int, cycle: int, name: str, part: Part) -> None:
        self._done += 1
        so_far = time.monotonic() - self._began
        to_go = so_far / self._done * (self._parts - self._done)
        stars = 1 + 4 * np.mean([record.satisfaction for record in part.records])
        print(
            f"  seed {seed}, cycle {cycle}, {name}: {stars:.2f} stars; {self._done} of {self._parts}, "
            f"{so_far:.0f} s so far, about {to_go:.0f} s to go",
            file=sys.stderr,
            flush=True,
        )


class Hall:
    """What all populations share: models, ears, songs and their features."""

    def __init__(self, options: Options, places: Places) -> None:
        self.options, self.places = options, places
        base = load_shipped(places.base, options.device)
        pool = attach(base.transformer, MOST_SLOTS + 1, Recipe().rank, torch.float32)
        steps = options.steps or base.manifest.sampling.steps
        self.studio = Studio(base, pool, options.seconds, steps, options.together)
        self.ears = [Ear(PublishedEar()) for _ in range(options.ears)]
        self.library = load_songs()
        self.heard, self.scale = measure(self.ears[0], self.library)
        self.brought: dict[Path, tuple[Brought, str]] = {}
        self.blobs = Blobs(places.work.absolute().as_uri())
        self.folder = places.work / options.name(base.manifest.base_hash)

    def population(self, seed: int, progress: Progress) -> Population:
        """The listeners of one seed."""
        options = self.options
        styles = options.cohorts + HELD_OUT
        people = populate(
            self.library, self.heard, self.scale, listeners=options.listeners, cohorts=styles, seed=seed,
            shift=options.shift,
        )  # fmt: skip
        self._bring(people)
        apart = set(sorted({person.attributes["home"] for person in people})[:HELD_OUT])
        members = [
            Member(
                number=number,
                person=person,
                songs=tuple(self.brought[path][0] for path in person.songs),
                files=tuple(str(Path(self.brought[path][1]).absolute()) for path in person.songs),
                unseen=person.attributes["home"] in apart,
            )
            for number, person in enumerate(people)
        ]
        return Population(
            room=Room(self.studio, self.ears, self.scale, options.tracks, options.first, self.blobs),
            members=members,
            options=options,
            folder=self.folder / f"seed-{seed}",
            seed=seed,
            tell=lambda cycle, name, part: progress(seed, cycle, name, part),
        )

    def _bring(self, people: Sequence[Person]) -> None:
        """Features of the songs of these listeners."""
        paths = sorted({path for person in people for path in person.songs} - set(self.brought))
        for place, path in enumerate(paths, start=1):
            self.brought[path] = bring(self.studio.base, self.studio.pool, path, self.places.work / "songs")
            if place % 10 == 0 or place == len(paths):
                print(f"  {place} of {len(paths)} songs are there", file=sys.stderr, flush=True)

    def close(self) -> None:
        for ear in self.ears:
            ear.published.close()


def main(arguments: Sequence[str]) -> None:
    """Runs the study and shows its figures."""
    options, places = parse(arguments)
    enough = Counter(song.style for song in load_songs())
    most = sum(count >= SONGS_EACH for count in enough.values()) - HELD_OUT
    if options.cohorts > most:
        sys.exit(f"study: --cohorts: expected at most {most} beside {HELD_OUT} held-out styles, got {options.cohorts}")
    began = time.monotonic()
    hall = Hall(options, places)
    chosen = branches(options.methods, options.signals)
    progress = Progress(options.seeds * (1 + options.cycles * (2 + len(chosen))))
    print(f"  the study lies in {hall.folder} and can be stopped", file=sys.stderr, flush=True)
    try:
        populations = [hall.population(seed, progress) for seed in range(1, options.seeds + 1)]
        parts = [population.run(chosen) for population in populations]
    finally:
        hall.close()
    library = torch.stack([style.style for style, _ in hall.brought.values()])
    unseen = [{member.number for member in each.members if member.unseen} for each in populations]
    found = study(parts, unseen, library)
    table = markdown(found)
    _show(table, options, time.monotonic() - began)
    if places.facts:
        places.facts.write_text(json.dumps({"options": asdict(options)} | found.facts(), indent=2) + "\n")
    if places.pictures:
        places.pictures.mkdir(parents=True, exist_ok=True)
        (places.pictures / "study.svg").write_text(picture(found))
        (places.pictures / "study.md").write_text(table + "\n")


def _show(table: str, options: Options, seconds: float) -> None:
    size = f"{options.listeners} listeners, {options.seeds} seeds, {options.tracks} tracks of {options.seconds:g} s"
    print(f"{size} a cycle, shift {options.shift}; {options.device}, {seconds:.0f} s\n\n{table}")


if __name__ == "__main__":
    main(sys.argv[1:])
