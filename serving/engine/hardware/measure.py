"""Times the denoiser's own shape on this machine: a few seconds, once for each machine and base.

Two layers of it with random weights stand for all: every layer costs the same. What a processor has no
units for may be fifteen times slower, so a small piece is timed first and the whole one only where it
ends soon. On a processor the clock is that of the process, so that neighbours do not decide; what more
threads bring is a matter of the wall's.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from diffusers import AceStepTransformer1DModel
from torch import Tensor, nn

from serving.engine.adapters.pool import attach
from serving.engine.bases.load import untrained_denoiser
from serving.engine.compiled import Backend, compile_forward
from serving.engine.hardware.choice import DOUBLING, Dtype, Timing, Work, faster, most_threads

LAYERS = 2
# Rows and frames of the small piece and of the whole one, and how much more the second is.
SMALL, WHOLE = (1, 32), (4, 108)
TIMES = WHOLE[0] * WHOLE[1] / (SMALL[0] * SMALL[1])
# The whole piece is timed where it should end within this.
PATIENCE_S = 1.0
REPEATS = 3
TOKENS = 24
# Of the pool: slots that a batch of so many rows is gathered from, and their rank.
SLOTS, RANK = 17, 8
# How far a compiled velocity, of about unit size, may be from the written one.
ALIKE = 0.05


def measure(folder: Path, device: torch.device, cores: int) -> tuple[Timing, ...]:
    """Timings that `choice.choose` reads; the process's number of threads is afterwards what it was before.

    Args:
        folder: of the base, whose configuration alone is read.
        device: where it will run.
        cores: that may be used; with another device than a processor only one thread is timed.

    Raises:
        BaseError: the configuration cannot be read.
    """
    before = torch.get_num_threads()
    try:
        model = untrained_denoiser(folder, LAYERS).to(device).requires_grad_(False)
        found = tuple(_timings(model, cores if device.type == "cpu" else 1))
        return found if device.type == "cpu" else (*found, *compiling(folder, device))
    finally:
        torch.set_num_threads(before)


def _timings(model: AceStepTransformer1DModel, cores: int) -> Iterator[Timing]:
    """All with one thread, then what more bring in the dtype that each work will have."""
    dtypes: tuple[Dtype, Dtype] = ("float32", "bfloat16")
    alone = []
    for dtype in dtypes:
        nn.Module.to(model, getattr(torch, dtype))
        torch.set_num_threads(1)
        alone += [Timing(work, dtype, 1, _seconds(model, step)) for work, step in STEPS.items()]
        alone.append(Timing("gather", dtype, 1, _gathering(model, getattr(torch, dtype))))
    yield from alone
    for work in STEPS:
        dtype = faster(alone, work)
        (found,) = (timing for timing in alone if (timing.work, timing.dtype) == (work, dtype))
        if found.seconds <= PATIENCE_S:
            nn.Module.to(model, getattr(torch, dtype))
            yield from _threaded(model, found, most_threads(work, cores))


def _threaded(model: AceStepTransformer1DModel, alone: Timing, most: int) -> Iterator[Timing]:
    """With 2, 4, ... threads while doubling pays, in proportion to one by the same clock: the process's own counts all
    threads."""
    before, threads = 1.0, 2
    while threads <= most:
        share = _share(model, STEPS[alone.work], threads)
        yield replace(alone, threads=threads, seconds=alone.seconds * share)
        if share * DOUBLING > before:
            return
        before, threads = share, 2 * threads


def compiling(folder: Path, device: torch.device, backend: Backend = "inductor") -> Iterator[Timing]:
    """What compiling brings and costs in each dtype, adapters and all; nothing in a dtype that cannot be compiled.

    Not for processors: there it brings nothing and costs a minute and more of every start (decision 0685).
    """
    dtypes: tuple[Dtype, Dtype] = ("float32", "bfloat16")
    for dtype in dtypes:
        model = untrained_denoiser(folder, LAYERS).to(device, getattr(torch, dtype)).requires_grad_(False)
        alone = _seconds(model, _forward)
        step = _adapted(model)
        written, before = step(WHOLE[0]), _best(partial(step, WHOLE[0]), time.perf_counter)
        seconds = compile_forward(model, step, backend)
        if seconds is not None and torch.allclose(written, step(WHOLE[0]), atol=ALIKE):
            share = _best(partial(step, WHOLE[0]), time.perf_counter) / before
            yield Timing("compiled", dtype, 1, alone * share)
            yield Timing("compiling", dtype, 1, seconds)
        torch.compiler.set_stance("default")
        torch.compiler.reset()


def _adapted(model: AceStepTransformer1DModel) -> Callable[[int], Tensor]:
    """The velocity of so many rows with an adapter each [rows, frames, channels]."""
    pool = attach(model, SLOTS, RANK, torch.bfloat16)

    def step(rows: int) -> Tensor:
        pool.select([1 + row % (SLOTS - 1) for row in range(rows)])
        return _forward(model, rows, WHOLE[1]).float()

    return step


Step = Callable[[AceStepTransformer1DModel, int, int], Tensor]


def _seconds(model: AceStepTransformer1DModel, step: Step) -> float:
    """Of the whole piece, or what the small one lets expect."""
    clock = _clock(model)
    expected = TIMES * _best(lambda: step(model, *SMALL), clock)
    return expected if expected > PATIENCE_S else _best(lambda: step(model, *WHOLE), clock)


def _share(model: AceStepTransformer1DModel, step: Step, threads: int) -> float:
    """The wall's time with so many threads, as a share of that with one."""
    found = []
    for count in (1, threads):
        torch.set_num_threads(count)
        found.append(_best(lambda: step(model, *WHOLE), time.perf_counter))
    return found[1] / found[0]


def _gathering(model: AceStepTransformer1DModel, dtype: torch.dtype) -> float:
    """Factors of a batch taken out of a pool in `dtype`, in float32, for every target of two layers."""
    weights = [m.weight for m in model.layers.modules() if isinstance(m, nn.Linear)]
    pools = [torch.zeros(SLOTS, sum(weight.shape), RANK, dtype=dtype, device=weight.device) for weight in weights]
    index = torch.arange(WHOLE[0], device=weights[0].device)
    return _best(lambda: torch.stack([p.index_select(0, index).float().sum() for p in pools]), _clock(model))


def _best(work: Callable[[], Tensor], clock: Callable[[], float]) -> float:
    """Seconds of the quickest try after one that only warms up; waits for the device."""
    work().sum().item()
    found = []
    for _ in range(REPEATS):
        began = clock()
        work().sum().item()
        found.append(max(clock() - began, 1e-6))
    return min(found)


def _clock(model: AceStepTransformer1DModel) -> Callable[[], float]:
    return time.process_time if next(model.parameters()).device.type == "cpu" else time.perf_counter


def _forward(model: AceStepTransformer1DModel, rows: int, frames: int) -> Tensor:
    with torch.inference_mode():
        return _velocity(model, rows, frames, inputs_learn=False)


def _training(model: AceStepTransformer1DModel, rows: int, frames: int) -> Tensor:
    """As the factory trains: the gradient runs through all layers, the weights have none."""
    weight = next(model.parameters())
    with _precision(weight):
        velocity = _velocity(model, rows, frames, inputs_learn=True)
    torch.autograd.backward(velocity.float().square().mean())
    return velocity.detach()


@contextmanager
def _precision(weight: Tensor) -> Iterator[None]:
    half = weight.dtype == torch.bfloat16
    with torch.autocast(weight.device.type, torch.bfloat16) if half else nullcontext():
        yield


def _velocity(model: AceStepTransformer1DModel, rows: int, frames: int, *, inputs_learn: bool) -> Tensor:
    weight, config = next(model.parameters()), model.config
    channels = int(config.audio_acoustic_hidden_dim)
    hidden = int(getattr(config, "encoder_hidden_size", None) or config.hidden_size)
    velocity: Tensor = model(
        hidden_states=weight.new_ones(rows, frames, channels).requires_grad_(inputs_learn),
        timestep=weight.new_full((rows,), 0.5),
        timestep_r=weight.new_full((rows,), 0.5),
        encoder_hidden_states=weight.new_ones(rows, TOKENS, hidden),
        context_latents=weight.new_ones(rows, frames, int(config.in_channels) - channels),
        return_dict=False,
    )[0]
    return velocity


STEPS: Mapping[Work, Step] = {"forward": _forward, "training": _training}
