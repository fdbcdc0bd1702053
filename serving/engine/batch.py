"""One denoising step of a batch: rows of different requests, times and adapters in one forward.

Each request brings one row, or two under guidance (see `guidance`). Nothing is shared between
requests but the forward, so a result does not depend on companions beyond rounding. Not for deciding
who is in the batch.

Where latents are given, the network is told them and its velocity is not asked: that of the
straight line from the start to what is given takes its place, so `x_t` there is what training had.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from serving.engine.adapters.pool import Pool
from serving.engine.bases.base import Base
from serving.engine.bases.interfaces import Guide
from serving.engine.params import Job
from serving.engine.windows import Canvas, Window


@dataclass(eq=False)
class Row:
    """A window of a job in the batch; its latents move by one step at a time.

    Attributes:
        slot: of the job's adapter.
        latents: where the integration stands, float32 [1, frames, channels].
        tokens: what each of its rows attends to, given before null [job.rows, tokens, hidden].
        context: `context_latents` of what is given and planned in this window [job.rows, frames, context channels].
        keep: where something is given [1, frames, 1].
        line: velocity of the straight line from the start to what is given [1, frames, channels].
        guide: makes one velocity of those of its rows.
        step: steps taken.
        guess: x_0 as the velocity of the step at which the job looks points to it [1, frames, channels].
    """

    job: Job
    slot: int
    latents: Tensor
    tokens: Tensor
    context: Tensor
    keep: Tensor
    line: Tensor
    guide: Guide
    step: int = 0
    guess: Tensor | None = None


@torch.inference_mode()
def admit(base: Base, job: Job, slot: int, canvas: Canvas) -> Row:
    """The next window of a job, ready for its first step."""
    weight = next(base.transformer.parameters())
    prompt, style = job.prompt[None].to(weight), job.style[None].to(weight)
    if job.rows == 2:
        prompt, style = torch.cat([prompt, prompt * 0]), torch.cat([style, style * 0])
    window, given = canvas.window, canvas.given()
    start = job.start[None, window.start : window.stop].to(weight.device, torch.float32)
    source, keep = given.latents[None].to(start), given.keep[None].to(start)
    # Guidance compares with a row that is told of the given music and of how songs move, not of what was asked.
    plans = torch.stack([_part(base, plan, window) for plan in (job.plan, job.null_plan)])[: job.rows].to(weight)
    return Row(
        job=job,
        slot=slot,
        latents=start,
        tokens=base.conditions(prompt, style),
        context=base.conditions.context(
            source.expand(job.rows, -1, -1).to(weight), keep.expand(job.rows, -1).to(weight), plans
        ),
        keep=keep[..., None] > 0,
        line=start - source,
        guide=base.guide(job.guidance),
    )


def _part(base: Base, plan: Tensor | None, window: Window) -> Tensor:
    """What a plan says of a window, zeros where there is none [frames, plan channels]."""
    return base.conditions.plan("", window.frames) if plan is None else plan[window.start : window.stop]


@torch.inference_mode()
def advance(base: Base, pool: Pool, rows: list[Row]) -> None:
    """Moves every row by one Euler step of its own path.

    Args:
        base: the denoiser.
        pool: attached to it.
        rows: not empty, all of the same number of frames, none at its last step.
    """
    counts = [row.job.rows for row in rows]

    def repeated(parts: list[Tensor]) -> Tensor:
        return torch.cat([part.expand(count, -1, -1) for part, count in zip(parts, counts, strict=True)])

    latents = repeated([row.latents for row in rows])
    times = _column([row.job.path.times[row.step] for row in rows], counts, latents)
    pool.select([row.slot for row, count in zip(rows, counts, strict=True) for _ in range(count)])
    tokens = torch.cat([row.tokens for row in rows])
    velocity: Tensor = base.transformer(
        hidden_states=latents.to(tokens.dtype),
        timestep=times.to(tokens.dtype),
        timestep_r=times.to(tokens.dtype),
        encoder_hidden_states=tokens,
        context_latents=torch.cat([row.context for row in rows]),
        return_dict=False,
    )[0]
    for row, part in zip(rows, torch.split(velocity.float(), counts), strict=True):
        direction = torch.where(row.keep, row.line, row.guide(part))
        row.step += 1
        if row.step == row.job.look:
            row.guess = row.latents - row.job.path.times[row.step - 1] * direction
        row.latents = row.latents + row.job.path.deltas[row.step - 1] * direction


def _column(values: list[float], counts: list[int], like: Tensor) -> Tensor:
    repeated = [value for value, count in zip(values, counts, strict=True) for _ in range(count)]
    return torch.tensor(repeated, dtype=torch.float32, device=like.device)
