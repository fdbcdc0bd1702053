"""Trains the listeners of one snapshot to the end, through any number of interruptions.

Not for registering: what comes out are adapters in the blob store and a verdict on each.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

import torch

from serving.engine.adapters.files import AdapterError, dump, parse
from serving.engine.adapters.pool import Factors
from serving.engine.bases.base import Base
from training import checkpoint
from training.blobs import Blobs
from training.factory import Factory, Job
from training.gate import Scores, largest_update, refusal, target_weights
from training.liking import Liking, likings
from training.material import Material, MaterialError, load_material
from training.snapshot import ListenerSnapshot, Snapshot, sha256

Report = Callable[[Mapping[str, float]], None]


@dataclass(frozen=True)
class Outcome:
    """What became of one listener. `refused` says why there is nothing to serve; url and sha256 are then of what was
    refused. `bare` says why a version that has a scorer has no factors. `broken`: they could not be trained at all, for
    a reason of their own; url and sha256 are empty then."""

    listener_id: str
    steps: int = 0
    url: str = ""
    sha256: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    refused: str = ""
    bare: str = ""
    broken: bool = False


@dataclass(frozen=True)
class Result:
    """All outcomes of a round and the mean loss of each step."""

    outcomes: tuple[Outcome, ...]
    losses: tuple[float, ...]


@dataclass(frozen=True)
class Place:
    """Where a training keeps its state and how often it writes it."""

    path: Path
    every_s: float
    slots: int


class Training:
    """One snapshot in training. `run` may be killed anywhere; a new Training of the same place goes on."""

    def __init__(self, base: Base, snapshot: Snapshot, snapshot_sha256: str, blobs: Blobs, place: Place) -> None:
        self._base, self._snapshot, self._sha256, self._blobs, self._place = (
            base, snapshot, snapshot_sha256, blobs, place,
        )  # fmt: skip
        self._listeners = {entry.facts.listener_id: entry for entry in snapshot.listeners}
        self._factory = Factory(base, snapshot.recipe, min(place.slots, max(1, len(self._listeners))))
        self._outcomes: dict[UUID, Outcome] = {}
        self._losses: list[float] = []
        self._resume()

    def run(self, report: Report) -> Result:
        """Trains everyone who is left; `report` hears of each step.

        Returns:
            One outcome for each listener of the snapshot.
        """
        saved = time.monotonic()
        try:
            self._admit()
            while self._factory.jobs:
                self._step(report)
                if time.monotonic() - saved >= self._place.every_s:
                    self._save()
                    saved = time.monotonic()
        finally:
            self._factory.close()
        # Registration starts from these outcomes: after a kill there must not be other ones.
        self._save()
        return Result(tuple(self._outcomes[listener] for listener in sorted(self._outcomes)), tuple(self._losses))

    def _step(self, report: Report) -> None:
        losses = self._factory.step()
        self._losses.append(sum(losses.values()) / len(losses))
        for job in self._factory.jobs:
            if self._factory.is_finished(job):
                self._outcomes[job.listener_id] = self._verdict(job)
                self._factory.leave(job)
        self._admit()
        done = sum(outcome.steps for outcome in self._outcomes.values())
        done += sum(job.steps for job in self._factory.jobs)
        total = self._snapshot.recipe.steps * len(self._listeners)
        report({"loss": self._losses[-1], "rows_steps": done, "rows_steps_total": total})

    def _admit(self) -> None:
        present = {job.listener_id for job in self._factory.jobs} | set(self._outcomes)
        for listener_id, entry in self._listeners.items():
            if listener_id in present:
                continue
            if not self._factory.has_room:
                return
            material = self._material(entry)
            if material is not None:
                self._factory.join(listener_id, material, self._start(entry))

    def _verdict(self, job: Job) -> Outcome:
        try:
            return self._judge(job)
        except OSError:
            raise  # the store, not the listener
        except Exception as error:  # noqa: BLE001 - one adapter that cannot be judged keeps nobody else's
            return Outcome(str(job.listener_id), job.steps, refused=f"training: {error!r}"[:500], broken=True)

    def _judge(self, job: Job) -> Outcome:
        # What is judged is what will be served: the factors as the file holds them.
        factors = {n: (d.bfloat16(), u.bfloat16()) for n, (d, u) in self._factory.pool.read(job.slot).items()}
        self._factory.pool.write(job.slot, factors)
        measured = asdict(self._factory.held_out(job)) | asdict(self._factory.sampled(job))
        update = largest_update(factors, target_weights(self._base.transformer, factors))
        scores = Scores(**measured, largest_update=update, skipped_share=self._factory.skipped(job) / job.steps)
        liking, reason = self._likings.get(job.listener_id), refusal(scores) or ""
        data = dump(
            {} if reason and liking else factors,
            base_hash=self._base.manifest.base_hash,
            snapshot_sha256=self._sha256,
            steps=job.steps,
            listener_id=str(job.listener_id),
            scorer=None if liking is None else liking.scorer,
            controls=None if liking is None else liking.controls,
        )
        digest, nothing = sha256(data), bool(reason) and liking is None
        folder = "refused" if nothing else "adapters"
        url = self._blobs.write_once(f"{folder}/{job.listener_id}/{digest}.safetensors", data)
        outcome = Outcome(str(job.listener_id), job.steps, url, digest, scores.finite())
        return replace(outcome, refused=reason) if nothing else replace(outcome, bare=reason)

    @cached_property
    def _likings(self) -> Mapping[UUID, Liking]:
        """The same after a kill: they follow from the snapshot alone."""
        facts = [entry.facts for entry in self._snapshot.listeners]
        return likings(facts, self._blobs.read, others=self._snapshot.others)

    def _material(self, entry: ListenerSnapshot) -> Material | None:
        """None if there is none or it cannot be read: then the listener has their outcome, and the others go on."""
        if not entry.examples:
            # No trouble of theirs: they brought no song, and what they answered says too little yet.
            who = entry.facts.listener_id
            self._outcomes[who] = Outcome(str(who), refused="too few answers to learn from")
            return None
        try:
            return load_material(entry, self._blobs.read, self._base)
        except OSError:
            raise  # the store, not the listener
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one listener's files is theirs alone
            reason = str(error) if isinstance(error, MaterialError) else repr(error)
            listener_id = entry.facts.listener_id
            self._outcomes[listener_id] = Outcome(str(listener_id), refused=f"features: {reason}"[:500], broken=True)
            return None

    def _start(self, entry: ListenerSnapshot) -> Factors | None:
        champion = entry.facts.champion
        if champion is None or champion.base_hash != self._base.manifest.base_hash:
            return None
        try:
            pool = self._factory.pool
            data = self._blobs.read(champion.url)
            version = parse(
                data,
                pool.shapes,
                pool.rank,
                base_hash=champion.base_hash,
                sha256=champion.sha256,
                listener_id=str(entry.facts.listener_id),
            )
        except (AdapterError, OSError, ValueError):
            # A champion that cannot be read, or of a larger rank, is no reason to learn nothing.
            return None
        # A version that holds no factors starts where the base does.
        return version.factors or None

    def _save(self) -> None:
        state: dict[str, Any] = {
            "factory": self._factory.state_dict(),
            "outcomes": [asdict(outcome) for outcome in self._outcomes.values()],
            "losses": self._losses,
        }
        checkpoint.save(self._place.path, self._sha256, state)

    @torch.no_grad()
    def _resume(self) -> None:
        state = checkpoint.load(self._place.path, self._sha256)
        if state is None:
            return
        self._outcomes = {UUID(raw["listener_id"]): Outcome(**raw) for raw in state["outcomes"]}
        self._losses = list(state["losses"])
        jobs = [UUID(job["listener_id"]) for job in state["factory"]["jobs"]]
        read = {listener: self._material(self._listeners[listener]) for listener in jobs}
        materials = {listener: material for listener, material in read.items() if material is not None}
        self._factory.load_state_dict(state["factory"], materials)
