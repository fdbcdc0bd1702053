"""What all populations of a study share, and the listeners of each."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from serving.engine.adapters.pool import attach
from serving.engine.bases.shipped.checkpoint import load_shipped
from training.blobs import Blobs
from training.snapshot import OTHERS_TRACKS, Recipe
from training.study.features import Ear
from training.study.population import Person, load_songs, measure, populate
from training.study.published import PublishedEar
from training.study.trial.brought import Brought, bring
from training.study.trial.cycle import Population
from training.study.trial.hearing import Member, Room
from training.study.trial.learning import Pupil
from training.study.trial.making import Studio
from training.study.trial.options import Options, Places
from training.study.trial.records import Part

# Styles whose songs take no part in anything that listeners share.
HELD_OUT = 2
MOST_SLOTS = 64
# Seed of those who only rate; populations are numbered from 1.
OTHERS = 0

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
        members = self._members(seed, self.options.listeners)
        apart = {member.home for member in members if member.unseen}
        others = [pupil for home, pupil in self._others(progress) if home not in apart]
        return self._population(seed, members, self.options.first, others, progress)

    def _others(self, progress: Told) -> list[tuple[str, Pupil]]:
        """Who rate what songs alone give, as many tracks as a round reads of them (decision 0710), by home."""
        if not self.options.others:
            return []
        members = self._members(OTHERS, self.options.others)
        records = self._population(OTHERS, members, OTHERS_TRACKS, (), progress).before().records
        found = []
        for member in members:
            own = [replace(each, key=f"others {each.key}") for each in records if each.listener == member.number]
            number = self.options.listeners + member.number
            found.append((member.home, Pupil(number, member.files, member.style, own, None)))
        return found

    def _population(
        self, seed: int, members: Sequence[Member], first: int, others: Sequence[Pupil], progress: Told
    ) -> Population:
        return Population(
            room=Room(self.studio, self.ears, self.scale, self.options.tracks, first, self.blobs),
            members=members,
            others=others,
            options=self.options,
            folder=self.folder / (f"seed-{seed}" if seed else "others"),
            seed=seed,
            tell=lambda cycle, name, part: progress(seed, cycle, name, part),
        )

    def _members(self, seed: int, count: int) -> list[Member]:
        options = self.options
        people = populate(
            self.library, self.heard, self.scale, listeners=count, cohorts=options.cohorts + HELD_OUT, seed=seed,
            shift=options.shift,
        )  # fmt: skip
        self._bring(people)
        apart = sorted({person.attributes["home"] for person in people})[:HELD_OUT]
        return [
            Member(
                number=number,
                person=person,
                songs=tuple(self.brought[path][0] for path in person.songs),
                files=tuple(str(Path(self.brought[path][1]).absolute()) for path in person.songs),
                unseen=person.attributes["home"] in apart,
            )
            for number, person in enumerate(people)
        ]

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
