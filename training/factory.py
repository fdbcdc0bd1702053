"""Many listeners' adapters trained at once: one batch, one forward, one backward over stacked slots.

Jobs join and leave between steps. A listener's result does not depend on who else is in the batch: rows come from the
listener's own random numbers, the loss is a sum of listeners' means, and the optimiser works slot by slot. A listener
who starts from a version has that version frozen in a second slot beside the one that is trained.

Not for files, registries or Ray: see `rounds`.
"""

import math
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

import torch
from torch import Tensor

from serving.engine.adapters.pool import BASE_SLOT, Factors, Pool, attach
from serving.engine.bases.base import Base
from training.losses import (
    flow_dpo,
    flow_matching,
    kahneman_tversky,
    listeners_loss,
    noised,
    signed,
    slot_means,
    threshold_guided,
)
from training.material import Material, Rows, draw, generator_for, held_out
from training.optimiser import SlotAdamW
from training.probe import Sampled, sampled
from training.snapshot import Recipe

LOWEST_RATE = 0.1
# From this target on a piece is one to come nearer to.
LIKED = 0.5
# How rows are weighed whose target is not simply to come nearer.
AWAY = {"threshold_guided": threshold_guided, "diffusion_kto": kahneman_tversky}


@dataclass(eq=False)
class Job:
    """One listener in a slot; `old` is the slot of the version that it started from."""

    listener_id: UUID
    slot: int
    old: int
    material: Material
    generator: torch.Generator
    steps: int = 0


@dataclass(frozen=True)
class HeldOut:
    """Of what was held out of training.

    Attributes:
        base_loss: weighted mean of flow matching of the bare base, over songs and what was liked.
        adapter_loss: the same of the adapter.
        preference: how much more the adapter came nearer to what was liked than to what was not, seen from the version
            that it started from; 0 = nothing was rated.
        drift: squared change of the base's velocity, as a share of it.
    """

    base_loss: float
    adapter_loss: float
    preference: float
    drift: float


class Factory:
    """A pool on the base's transformer and the jobs in it; `close` takes the pool off again."""

    def __init__(self, base: Base, recipe: Recipe, slots: int) -> None:
        """Args:
        slots: listeners that can train at the same time.
        """
        self.recipe = recipe
        self._base = base
        weight = next(base.transformer.parameters())
        self._dtype, self._device = weight.dtype, weight.device
        # Twice: what is trained, and the frozen version that it started from.
        self.pool: Pool = attach(base.transformer, 2 * slots + 1, recipe.rank, torch.float32, trainable=True)
        self._optimiser = SlotAdamW(
            [*self.pool.down, *self.pool.up], clip=recipe.clip, weight_decay=recipe.weight_decay
        )
        self._slots = slots
        self._free = list(range(slots, BASE_SLOT, -1))
        self._turns: deque[Job] = deque()

    @property
    def jobs(self) -> tuple[Job, ...]:
        """In the order of their turns."""
        return tuple(self._turns)

    @property
    def has_room(self) -> bool:
        return bool(self._free)

    def join(self, listener_id: UUID, material: Material, start: Factors | None = None) -> Job:
        """Gives a listener a slot, from fresh factors or from those of `start`.

        Raises:
            ValueError: every slot is taken, or `start` does not fit the pool.
        """
        if not self._free:
            raise ValueError("every slot is taken")
        generator = generator_for("training", listener_id, self.recipe.seed)
        slot = self._free[-1]
        self.pool.write(slot, self._fresh(generator) if start is None else start)
        old = BASE_SLOT if start is None else slot + self._slots
        if start is not None:
            self.pool.write(old, start)
        self._free.pop()
        self._optimiser.reset(slot)
        job = Job(listener_id, slot, old, material, generator)
        self._turns.append(job)
        return job

    def leave(self, job: Job) -> None:
        """Frees a job's slot."""
        self._turns.remove(job)
        self.pool.clear(job.slot)
        if job.old != BASE_SLOT:
            self.pool.clear(job.old)
        self._free.append(job.slot)

    def step(self) -> dict[UUID, float]:
        """One optimiser step of those whose turn it is.

        Returns:
            Each one's mean loss before the step.
        """
        turn = self._next_turn()
        rows = Rows.join([draw(job.material, self.recipe, job.generator) for job in turn])
        slot_R, old_R = (
            torch.tensor([getattr(job, which) for job in turn]).repeat_interleave(self.recipe.rows)
            for which in ("slot", "old")
        )
        loss_R = self._losses(rows, slot_R, old_R)
        listeners_loss(loss_R, slot_R, self.pool.slots).backward()  # type: ignore[no-untyped-call]
        active, rate = torch.zeros(self.pool.slots, dtype=torch.bool), torch.zeros(self.pool.slots)
        for job in turn:
            active[job.slot], rate[job.slot] = True, learning_rate(self.recipe, job.steps)
            job.steps += 1
        self._optimiser.step(active, rate)
        means = slot_means(loss_R.detach(), slot_R, self.pool.slots)
        return {job.listener_id: float(means[job.slot]) for job in turn}

    def is_finished(self, job: Job) -> bool:
        return job.steps >= self.recipe.steps

    def skipped(self, job: Job) -> int:
        """Steps refused because the gradient was not finite."""
        return int(self._optimiser.skipped[job.slot])

    @torch.no_grad()
    def held_out(self, job: Job) -> HeldOut:
        """How the bare base, the version that it started from and the job's slot do on what was held out."""
        rows = held_out(job.material, job.listener_id)
        slots = {BASE_SLOT, job.old, job.slot}
        velocities = {slot: self._velocity(rows, torch.full((len(rows.t),), slot)) for slot in slots}
        losses = {slot: flow_matching(velocity, rows.x0, rows.eps) for slot, velocity in velocities.items()}
        towards = rows.weights * (rows.targets >= LIKED)
        sign = rows.weights * (2 * rows.targets - 1) * (rows.targets < 1)
        base = velocities[BASE_SLOT]
        return HeldOut(
            base_loss=float((losses[BASE_SLOT] * towards).sum() / towards.sum()),
            adapter_loss=float((losses[job.slot] * towards).sum() / towards.sum()),
            preference=float(((losses[job.old] - losses[job.slot]) * sign).sum() / sign.abs().sum().clamp_min(1e-9)),
            drift=float((velocities[job.slot] - base).square().mean() / base.square().mean()),
        )

    def sampled(self, job: Job) -> Sampled:
        """A few tracks of the job's slot beside the bare base's."""

        def velocity(rows: Rows, slot: int) -> Tensor:
            return self._velocity(rows, torch.full((len(rows.t),), slot))

        return sampled(velocity, self._base, job.material, (BASE_SLOT, job.slot))

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on, except the materials."""
        jobs = [
            {
                "listener_id": str(j.listener_id),
                "slot": j.slot,
                "old": j.old,
                "steps": j.steps,
                "generator": j.generator.get_state(),
            }
            for j in self._turns
        ]
        return {
            "pool": [parameter.detach() for parameter in self.pool.parameters()],
            "optimiser": self._optimiser.state_dict(),
            "jobs": jobs,
            "free": list(self._free),
        }

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any], materials: Mapping[UUID, Material]) -> None:
        """Continues where `state_dict` was taken; `materials` are those of its jobs. A job without any has left."""
        for parameter, value in zip(self.pool.parameters(), state["pool"], strict=True):
            parameter.copy_(value)
        self._optimiser.load_state_dict(state["optimiser"])
        self._free = list(state["free"])
        self._turns.clear()
        for entry in state["jobs"]:
            listener_id = UUID(entry["listener_id"])
            if listener_id not in materials:
                self._free.append(entry["slot"])
                continue
            generator = torch.Generator()
            generator.set_state(entry["generator"])
            slots = entry["slot"], entry["old"]
            job = Job(listener_id, *slots, materials[listener_id], generator, entry["steps"])
            self._turns.append(job)

    def close(self) -> None:
        self.pool.detach()

    def _next_turn(self) -> list[Job]:
        """As many jobs as the row budget takes, round robin, so that a crowd slows all alike."""
        count = min(len(self._turns), max(1, self.recipe.row_budget // self.recipe.rows))
        turn = list(islice(self._turns, count))
        self._turns.rotate(-count)
        return turn

    def _losses(self, rows: Rows, slot_R: Tensor, old_R: Tensor) -> Tensor:
        """Of each row, on the CPU."""
        velocity = self._velocity(rows, slot_R)
        loss_R = flow_matching(velocity, rows.x0, rows.eps)
        # What is only drawn to needs no second forward.
        pushed = rows.targets < 1
        if not pushed.any():
            return loss_R
        some = rows.only(pushed)
        with torch.no_grad():
            old = self._velocity(some, old_R[pushed])
        if self.recipe.method == "flow_dpo":
            weighed = self._paired(some, velocity[pushed], old, slot_R[pushed], old_R[pushed])
        else:
            away = AWAY.get(self.recipe.method, signed)
            weighed = away(velocity[pushed], old, some.x0, some.eps, some.targets)
        return loss_R.masked_scatter(pushed, weighed)

    def _paired(self, rows: Rows, velocity: Tensor, old: Tensor, slot_R: Tensor, old_R: Tensor) -> Tensor:
        """Of pairs, whose better ones have these velocities."""
        losers = rows.losers()
        losing = self._velocity(losers, slot_R)
        with torch.no_grad():
            old_losing = self._velocity(losers, old_R)
        return flow_dpo(velocity, old, rows.x0, losing, old_losing, losers.x0, rows.eps)

    def _velocity(self, rows: Rows, slot_R: Tensor) -> Tensor:
        """Of each row with its slot, float32 on the CPU; the forward runs where the base is."""
        self.pool.select(slot_R)
        x_t, t, prompts, styles, plans = (
            value.to(self._device, self._dtype)
            for value in (noised(rows.x0, rows.eps, rows.t), rows.t, rows.prompts, rows.styles, rows.plans)
        )
        with self._precision():
            music = torch.zeros_like(x_t)
            velocity: Tensor = self._base.transformer(
                hidden_states=x_t,
                timestep=t,
                timestep_r=t,
                encoder_hidden_states=self._base.conditions(prompts, styles),
                context_latents=self._base.conditions.context(music, music[:, :, 0], plans),
                return_dict=False,
            )[0]
        self.pool.select(None)
        return velocity.cpu().float()

    @contextmanager
    def _precision(self) -> Iterator[None]:
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._dtype == torch.bfloat16):
            yield

    def _fresh(self, generator: torch.Generator) -> Factors:
        """LoRA's start: down uniform, up zero, so that the first step sees the bare base."""
        factors = {}
        for name, shape in self.pool.shapes.items():
            bound = 1 / math.sqrt(shape.features_in)
            down = (torch.rand(shape.features_in, self.recipe.rank, generator=generator) * 2 - 1) * bound
            factors[name] = (down, torch.zeros(self.recipe.rank, shape.features_out))
        return factors


def learning_rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, then half a cosine down to a tenth."""
    if step < recipe.warm_up:
        return recipe.learning_rate * (step + 1) / (recipe.warm_up + 1)
    progress = (step - recipe.warm_up) / max(1, recipe.steps - recipe.warm_up)
    return recipe.learning_rate * (LOWEST_RATE + (1 - LOWEST_RATE) * (1 + math.cos(math.pi * progress)) / 2)
