"""What all populations of a study share, and the listeners of each."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from serving.engine.adapters.pool import attach
from serving.engine.bases.shipped.checkpoint import load_shipped
from training.blobs import Blobs
from training.snapshot import Recipe
from training.study.features import Ear
from training.study.population import Person, load_songs, measure, populate
from training.study.published import PublishedEar
from training.study.trial.brought import Brought, bring
from training.study.trial.cycle import Population
from training.study.trial.hearing import Member, Room
from training.study.trial.making import Studio
from training.study.trial.options import Options, Places
from training.study.trial.records import Part

# Styles whose songs take no part in anything that listeners share.
HELD_OUT = 2
MOST_SLOTS = 64

# Told of each part of a study: population, cycle, branch and what came of it.
Told = Callable[[int, int, str, Part], None]


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
        self.heard, self.scale = measure(self.ears[0], self.library, options.seconds)
        self.brought: dict[Path, tuple[Brought, str]] = {}
        self.blobs = Blobs(places.work.absolute().as_uri())
        self.folder = places.work / options.name(base.manifest.base_hash)

    def population(self, seed: int, progress: Told) -> Population:
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
