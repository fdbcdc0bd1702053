"""How many rows a forward should take here: measured at start, chosen by a stated bound.

More rows a forward are worth it while each one added still raises the throughput; beyond that
they only make every step, and so every listener, slower. Not for the step loop: it runs before.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from serving.engine.adapters.pool import Pool
from serving.engine.bases.base import Base, nothing_given

COUNTS = (1, 2, 4, 8, 16, 32, 64, 128)
# Throughput that each added row must bring at least, as a share of what there is.
WORTH = 0.01
BUDGET_S = 1.5
# A track with guidance takes two rows.
LEAST = 2
# Where the budget ended while rows still paid, as on a machine that was busy just then.
UNMEASURED = 8


@dataclass(frozen=True)
class Point:
    """One forward of so many rows took so many seconds."""

    rows: int
    seconds: float

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds


def choose(curve: Sequence[Point], worth: float = WORTH) -> int:
    """The batch cap: the last count whose added rows brought at least `worth` of the throughput each. One that was
    disturbed while it was timed does not hide those after it.

    Args:
        curve: rising in rows, times positive.
        worth: the bound.

    Returns:
        A measured count, at least `LEAST`; at least `UNMEASURED` if the curve ends while rows still pay.

    Raises:
        ValueError: no points.
    """
    if not curve:
        raise ValueError("expected at least one point")
    best = curve[0]
    for point in curve[1:]:
        gain = (point.rate / best.rate - 1) / (point.rows - best.rows)
        if gain >= worth:
            best = point
    still_paid = best is curve[-1] or curve[-1].rows <= LEAST
    return max(best.rows, UNMEASURED if still_paid else LEAST)


def measure(
    step: Callable[[int], None],
    counts: Sequence[int] = COUNTS,
    budget_s: float = BUDGET_S,
    clock: Callable[[], float] = time.perf_counter,
    *,
    first_is_slow: bool = False,
) -> tuple[Point, ...]:
    """Times one step at rising counts until the next would not fit the budget; the first two always fit.

    Args:
        step: runs one forward of so many rows and returns when it is done.
        counts: rising.
        budget_s: seconds for all of it, the first, untimed, step included.
        clock: seconds.
        first_is_slow: whether the first forward of so many rows costs more than the next, as where kernels are loaded
            and chosen for each shape; it is then not timed.
    """
    began = clock()
    step(counts[0])
    points: list[Point] = []
    for rows in counts:
        # A forward costs at most in proportion to its rows.
        expected = points[-1].seconds * rows / points[-1].rows if points else 0.0
        if len(points) >= 2 and clock() - began + expected > budget_s:
            break
        if first_is_slow:
            step(rows)
        before = clock()
        step(rows)
        points.append(Point(rows, max(clock() - before, 1e-9)))
    return tuple(points)


def forward(base: Base, pool: Pool, frames: int) -> Callable[[int], None]:
    """A step for `measure`: rows of mixed slots through the denoiser, waiting for its device."""
    weight = next(base.transformer.parameters())
    conditions, channels = base.conditions, base.codec.latent_channels
    with torch.inference_mode():
        tokens = conditions(weight.new_zeros(1, *conditions.prompt_shape), weight.new_zeros(1, conditions.style_size))

    @torch.inference_mode()
    def step(rows: int) -> None:
        pool.select([1 + row % (pool.slots - 1) for row in range(rows)])
        latents, times = weight.new_zeros(rows, frames, channels), weight.new_full((rows,), 0.5)
        velocity = base.transformer(
            hidden_states=latents,
            timestep=times,
            timestep_r=times,
            encoder_hidden_states=tokens.expand(rows, -1, -1),
            context_latents=nothing_given(conditions, latents),
            return_dict=False,
        )[0]
        velocity[0, 0, 0].item()

    return step
