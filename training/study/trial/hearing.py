"""What listeners wish for, get and think of it: wishes, candidates, the choice among them, and the answer.

Nothing random here depends on the branch: the same wish has the same seeds, and the same rater answers the same sound
in the same way, so branches differ by what was made and by nothing else.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from serving.engine.adapters.files import parse
from serving.engine.adapters.scorer import closeness, describe
from serving.engine.hearing.feel import feel_heard
from serving.engine.hearing.style import TAGS
from serving.engine.music.noise import fresh, mean_style
from serving.engine.music.plan import TEMPI, TEMPO, Feel, Key, drawn
from training.base.judges.tempo import tempo_fits
from training.blobs import Blobs
from training.methods.evolution import offspring
from training.study.features import Ear
from training.study.population import Person, Scale
from training.study.prompts import INSTRUMENTS, typed
from training.study.taste import Vector
from training.study.trial.approaches import Approach
from training.study.trial.brought import Brought
from training.study.trial.learning import Version
from training.study.trial.making import Made, Studio, Wish
from training.study.trial.records import Record, keep
from training.study.trial.shelf import Shelf

# Seeds of wishes lie so far apart that candidates of one never meet those of the next.
APART = 64
# Latent frames of a stretch that is looked for in the own songs.
STRETCH = 32


@dataclass(frozen=True, eq=False)
class Member:
    """A listener of the study: the place among them, who it is, the songs, their files, and whether their style was
    held out of all that is shared."""

    number: int
    person: Person
    songs: tuple[Brought, ...]
    files: tuple[str, ...]
    unseen: bool

    def bare(self) -> "Member":
        """The same without songs: what the prompt alone gives."""
        return replace(self, songs=(), files=())

    @property
    def home(self) -> str:
        """The style that the listener comes from."""
        return self.person.attributes["home"]

    @property
    def style(self) -> Tensor:
        """Mean of the songs' [size]."""
        return mean_style([song.style for song in self.songs])

    def listens(self, cycle: int) -> bool:
        """Whether the listener still comes in that cycle."""
        return bool((np.random.default_rng([self.person.seed, 1]).random(cycle + 1) < self.person.taste.patience).all())


@dataclass(frozen=True, eq=False)
class Room:
    """Where tracks are made and heard; `ears` work side by side, `blobs` holds all that the study keeps. Everyone hears
    `first` tracks in cycle 0, before anything is learned, and `tracks` in every later one."""

    studio: Studio
    ears: Sequence[Ear]
    scale: Scale
    tracks: int
    first: int
    blobs: Blobs

    @cached_property
    def shelf(self) -> Shelf:
        """What was made already."""
        return Shelf(self.studio.make)

    def hear(
        self, members: Sequence[Member], versions: Sequence[Version], approach: Approach, cycle: int, folder: Path
    ) -> list[Record]:
        """What every member gets in a cycle by their version; features of the tracks go to the folder."""
        found = []
        for group in self._groups(members, self._count(cycle) * approach.choose):
            wishes = [
                wish
                for member in group
                for wish in self._wishes(member, versions[member.number], approach, cycle, group.index(member) + 1)
            ]
            for slot, member in enumerate(group, start=1):
                self._write(slot, versions[member.number])
            made = self.shelf.make(wishes)
            each = self._count(cycle) * approach.choose
            for place, member in enumerate(group):
                own = made[place * each : (place + 1) * each]
                found += self._judged(member, versions[member.number], own, approach.choose, cycle, folder)
        return found

    def _count(self, cycle: int) -> int:
        return self.tracks if cycle else self.first

    def _groups(self, members: Sequence[Member], each: int) -> Iterator[Sequence[Member]]:
        """As many members as fill a forward, and no more than there are slots."""
        size = max(1, min(self.studio.together // each, self.studio.pool.slots - 1))
        for start in range(0, len(members), size):
            yield members[start : start + size]

    def _write(self, slot: int, version: Version) -> None:
        pool = self.studio.pool
        factors = {}
        if version.adapter is not None:
            factors = dict(parse(self.blobs.read(version.adapter.url), pool.shapes, pool.rank).factors)
        pool.write(slot, factors)

    def _wishes(self, member: Member, version: Version, approach: Approach, cycle: int, slot: int) -> list[Wish]:
        rng = np.random.default_rng([member.person.seed, 2, cycle])
        found = []
        for _ in range(self._count(cycle)):
            prompt, seed = typed(rng), int(rng.integers(2**40)) * APART
            found += [
                self._wish(member, version, approach, prompt, seed + place, slot) for place in range(approach.choose)
            ]
        return found

    def _wish(self, member: Member, version: Version, approach: Approach, prompt: str, seed: int, slot: int) -> Wish:
        style = feel = start = None
        if version.steering is not None:
            style = torch.from_numpy(version.steering.style).float()
            feel = _moved(drawn([song.feel for song in member.songs], seed), version)
        if approach.controlled and version.liking is not None:
            style = version.liking.controls.draw(seed).style
        if version.parents:
            generator = torch.Generator().manual_seed(seed)
            own = fresh(seed, self.studio.frames, self.studio.base.codec.latent_channels)
            start = offspring(list(version.parents), own, generator)
        return Wish(member.songs, prompt, seed, slot if version.adapter else 0, style, feel, start)

    def _judged(
        self, member: Member, version: Version, made: Sequence[Made], choose: int, cycle: int, folder: Path
    ) -> list[Record]:
        rng = np.random.default_rng([member.person.seed, 2, cycle])
        prompts = []
        for _ in range(self._count(cycle)):
            prompts.append(typed(rng))
            rng.integers(2**40)
        decided = [
            _decided(made[place * choose : (place + 1) * choose], version, member) for place in range(len(prompts))
        ]
        chosen, scores = [best for best, _ in decided], [each for _, each in decided]
        heard = self._listened(chosen)
        return [
            self._record(member, prompts[place], chosen[place], scores[place], heard[place], cycle, place, folder)
            for place in range(self._count(cycle))
        ]

    def _listened(self, tracks: Sequence[Made]) -> list[Vector]:
        """What the ears measure in each, in standard deviations of real music; once for a track."""
        free: SimpleQueue[Ear] = SimpleQueue()
        for ear in self.ears:
            free.put(ear)

        def listen(track: Made) -> Vector:
            if track not in self.shelf.heard:
                ear = free.get()
                try:
                    self.shelf.heard[track] = self.scale.standardise(ear.hear(track.audio).double().numpy())
                finally:
                    free.put(ear)
            return self.shelf.heard[track]

        with ThreadPoolExecutor(len(self.ears)) as threads:
            return list(threads.map(listen, tracks))

    def _record(
        self,
        member: Member,
        prompt: str,
        made: Made,
        scores: tuple[float, ...],
        features: Vector,
        cycle: int,
        place: int,
        folder: Path,
    ) -> Record:
        key = f"{folder.name} {cycle} {member.number} {place}"
        file = (folder / f"{member.number}-{place}.safetensors").absolute()
        keep(file, made)
        taste, rng = member.person.taste, np.random.default_rng([member.person.seed, 3, cycle, place])
        there = member.listens(cycle)
        stars, heard = taste.stars(features, rng), taste.heard_fraction(features, rng)
        return Record(
            listener=member.number,
            key=key,
            prompt=prompt,
            file=str(file),
            bpm=made.feel.bpm,
            minor=made.feel.key.minor,
            satisfaction=taste.satisfaction(features),
            stars=stars if there else None,
            heard=heard if there else 0.0,
            tempo_kept=_tempo_kept(prompt, made, self.studio.base.codec.sample_rate),
            instrument=_instrument(prompt, made.tags),
            copied=max((copied(song.latents, made.latents) for song in member.songs), default=0.0),
            scores=scores,
        )


def _moved(feel: Feel, version: Version) -> Feel:
    """Faster or slower, in the mode that is liked."""
    assert version.steering is not None
    bpm = min(max(feel.bpm * 2**version.steering.octaves, TEMPI.start), TEMPI.stop - 1)
    minor = feel.key.minor if version.steering.minor is None else version.steering.minor
    return Feel(bpm, Key(feel.key.tonic, minor))


def _decided(candidates: Sequence[Made], version: Version, member: Member) -> tuple[Made, tuple[float, ...]]:
    """The best by the listener's scorer, and all scores, its own first; without a scorer, as the product does, by how
    close it is to the songs. One alone is not scored."""
    if len(candidates) == 1:
        return candidates[0], ()
    sound = torch.stack([song.sound for song in member.songs]).mean(0)

    def score(made: Made) -> float:
        if version.liking is None:
            return closeness(made.style, member.style, made.sound, sound)
        return version.liking.scorer.score(describe(made.style, member.style, made.sound, sound))

    best, *others = sorted(((score(made), place) for place, made in enumerate(candidates)), reverse=True)
    return candidates[best[1]], (best[0], *(each for each, _ in others))


def _tempo_kept(prompt: str, made: Made, sample_rate: int) -> bool | None:
    said = TEMPO.search(prompt)
    if said is None:
        return None
    return tempo_fits(feel_heard(made.audio, sample_rate).bpm, float(said[1]), compound=False)


def _instrument(prompt: str, tags: Tensor) -> float | None:
    named = [each for each in INSTRUMENTS if each in prompt]
    return float(tags[TAGS.index(named[0])].clamp(1e-4, 1 - 1e-4).logit()) if named else None


def copied(song: Tensor, track: Tensor) -> float:
    """Highest cosine of any stretch of a track with any of a song, both about their channels' means
    [frames, channels]."""
    first, second = (
        functional.normalize((each - each.mean(0)).unfold(0, STRETCH, STRETCH // 4).flatten(1), dim=1)
        for each in (song, track)
    )
    return float((first @ second.T).max())
