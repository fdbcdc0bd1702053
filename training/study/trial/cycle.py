"""One population of a study: cycle after cycle everyone hears, rates, and is learned from, in each branch.

What a version made in one cycle is what the next version of the branch learns from. Every part lies on disk when it is
done, and is not made again.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from training.snapshot import Recipe
from training.study.trial.approaches import Approach, Branch
from training.study.trial.hearing import Member, Room
from training.study.trial.learning import Pupil, Version, judged, permuted, versions
from training.study.trial.options import Options
from training.study.trial.records import Part, Record

COLD, BASE = "cold", "base"


Tell = Callable[[int, str, Part], None]


@dataclass(frozen=True, eq=False)
class Population:
    """One seed of a study.

    Attributes:
        room: where tracks are made and heard.
        members: numbered from 0.
        others: who rated and are no part of it, oldest track first; they have no version.
        options: of the study.
        folder: of this population.
        seed: of this population.
        tell: hears of each part that is done.
    """

    room: Room
    members: Sequence[Member]
    others: Sequence[Pupil]
    options: Options
    folder: Path
    seed: int
    tell: Tell

    def run(self, branches: Sequence[Branch]) -> dict[tuple[int, str], Part]:
        """All cycles; the parts by cycle, 0 = before anything was learned, and name of the branch or arm."""
        found = {(0, COLD): self.before()}
        for cycle in range(1, self.options.cycles + 1):
            for arm in (COLD, BASE):
                found[cycle, arm] = self._arm(cycle, arm)
            for branch in branches:
                past = [found[0, COLD], *(found[before, branch.name] for before in range(1, cycle))]
                found[cycle, branch.name] = self._part(cycle, branch.name, partial(self._learned, branch, past))
        return found

    def before(self) -> Part:
        """What all hear before anything is learned."""
        return self._arm(0, COLD)

    def _arm(self, cycle: int, name: str) -> Part:
        """An arm that never learns: the songs alone, or not even those."""
        members = [member.bare() for member in self.members] if name == BASE else self.members
        nothing = [Version()] * len(members)
        return self._part(cycle, name, lambda: self._heard(members, nothing, Approach(), cycle, name))

    def _part(self, cycle: int, name: str, make: Callable[[], Part]) -> Part:
        part = self._kept(cycle, name, make)
        self.tell(cycle, name, part)
        return part

    def _kept(self, cycle: int, name: str, make: Callable[[], Part]) -> Part:
        path = self._path(cycle, name) / "part.json"
        part = Part.load(path) if path.exists() else make()
        if not path.exists():
            part.save(path)
        return part

    def _path(self, cycle: int, name: str) -> Path:
        return self.folder / f"cycle-{cycle}" / name.replace(" / ", "-by-")

    def _learned(self, branch: Branch, past: Sequence[Part]) -> Part:
        won = [record for cycle in range(len(past)) for record in self._won(branch, past, cycle)]
        cycle, began = len(past), time.process_time()
        pupils = [
            replace(pupil, won=[record for record in won if record.listener == pupil.number])
            for pupil in self._pupils(branch, past)
        ]
        folder, room = self._path(cycle, branch.name), self.room
        recipe, seconds = self._recipe(cycle, branch), self.options.seconds
        others = self._others(branch, cycle)
        made = versions(room.studio.base, branch, pupils, others, recipe, seconds, room.blobs, folder)
        learning_s = time.process_time() - began
        return self._heard(self.members, made, branch.made_by, cycle, branch.name, learning_s)

    def _pupils(self, branch: Branch, past: Sequence[Part]) -> list[Pupil]:
        """What is known of everyone after these cycles."""
        rng = np.random.default_rng([self.seed, len(past)])
        pupils = []
        for member in self.members:
            heard = [record for part in past for record in part.records if record.listener == member.number]
            if branch.signal == "permuted":
                heard = permuted(heard, rng)
            champion = past[-1].adapters[member.number]
            pupils.append(Pupil(member.number, member.files, member.style, heard, champion, unseen=member.unseen))
        return pupils

    def _others(self, branch: Branch, cycle: int) -> Sequence[Pupil]:
        """What the others tell; nobody's stars are their own in a placebo."""
        if branch.signal != "permuted":
            return self.others
        rng = np.random.default_rng([self.seed, cycle, 1])
        return [replace(pupil, heard=permuted(pupil.heard, rng)) for pupil in self.others]

    def _won(self, branch: Branch, past: Sequence[Part], cycle: int) -> list[Record]:
        """What would have been heard in a past cycle if several seeds had competed for each wish: made by the version
        of then, and judged by it; before any version by the songs, which is the same for all branches."""
        approach = branch.made_by
        if approach.rehearsed < 2:
            return []
        name = f"{branch.name if cycle else COLD} of {approach.rehearsed}"

        def compete() -> Part:
            versions = [Version()] * len(self.members)
            if cycle:
                pupils, adapters = self._pupils(branch, past[:cycle]), past[cycle].adapters
                then = [replace(pupil, champion=adapters[pupil.number]) for pupil in pupils]
                others = self._others(branch, cycle)
                versions = judged(then, others, branch.signal, self.options.seconds, self.room.blobs)
            choice = Approach(choose=approach.rehearsed)
            return self._heard(self.members, versions, choice, cycle, name)

        return self._kept(cycle, name, compete).records

    def _recipe(self, cycle: int, branch: Branch) -> Recipe:
        """Of the adapters."""
        return Recipe.model_validate(
            {
                "method": branch.made_by.adapter or Recipe().method,
                "steps": self.options.train_steps,
                "row_budget": max(Recipe().row_budget, self.options.together),
                "seed": cycle,
            }
        )

    def _heard(
        self,
        members: Sequence[Member],
        made: Sequence[Version],
        approach: Approach,
        cycle: int,
        name: str,
        learning_s: float = 0.0,
    ) -> Part:
        began = time.process_time()
        found = self.room.hear(members, made, approach, cycle, self._path(cycle, name))
        return Part(
            records=found,
            adapters=[version.adapter for version in made],
            refused=sum(bool(version.refused) for version in made),
            learning_s=round(learning_s, 2),
            making_s=round(time.process_time() - began, 2),
        )
