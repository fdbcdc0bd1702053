"""A compiled denoiser computes what the written one does, whoever is in the batch."""

from collections.abc import Callable, Iterator

import pytest
import torch

from serving.engine import profile
from serving.engine.adapters.pool import Pool, attach
from serving.engine.bases.base import Base, nothing_given
from serving.engine.bases.shipped.checkpoint import random_base
from serving.engine.compiled import compile_forward


@pytest.fixture
def base() -> Iterator[Base]:
    yield random_base(0)
    torch.compiler.set_stance("default")
    torch.compiler.reset()


@pytest.fixture
def pool(base: Base) -> Pool:
    made = attach(base.transformer, slots=6, rank=4, dtype=torch.float32)
    for slot in range(1, 5):
        publish(made, slot)
    return made


def publish(pool: Pool, slot: int) -> None:
    made = torch.Generator().manual_seed(slot)

    def drawn(*size: int) -> torch.Tensor:
        return torch.randn(size, generator=made) * 0.1

    shapes = pool.shapes.items()
    pool.write(slot, {name: (drawn(shape.features_in, 4), drawn(4, shape.features_out)) for name, shape in shapes})


@torch.inference_mode()
def velocity(base: Base, pool: Pool, slots: list[int], frames: int) -> torch.Tensor:
    made = torch.Generator().manual_seed(frames)
    rows, conditions = len(slots), base.conditions
    latents = torch.randn(rows, frames, base.codec.latent_channels, generator=made)
    sizes = (conditions.prompt_shape, (conditions.style_size,))
    tokens = conditions(*(torch.randn(rows, *size, generator=made) for size in sizes))
    times = torch.rand(rows, generator=made)
    pool.select(slots)
    found: torch.Tensor = base.transformer(
        hidden_states=latents, timestep=times, timestep_r=times, encoder_hidden_states=tokens,
        context_latents=nothing_given(conditions, latents), return_dict=False,
    )[0]  # fmt: skip
    return found


BATCHES = [([1], 32), ([0], 32), ([2, 3], 32), ([2, 3], 32), ([4, 0, 1], 40), ([4, 0, 5], 40), ([0, 0], 32)]


def test_batches_come_out_as_written_and_compile_nothing_once_it_serves(base: Base, pool: Pool) -> None:
    graphs = []

    def counted(graph: torch.fx.GraphModule, _inputs: list[torch.Tensor]) -> Callable[..., object]:
        graphs.append(graph)
        return graph.forward

    written = [velocity(base, pool, *batch) for batch in BATCHES]
    assert compile_forward(base.transformer, profile.forward(base, pool, 32), backend=counted) is not None
    compiled = len(graphs)
    for batch, expected in zip(BATCHES, written, strict=True):
        torch.testing.assert_close(velocity(base, pool, *batch), expected, atol=1e-5, rtol=1e-4)
    # What is published later is heard, in the row that it belongs to.
    before = velocity(base, pool, [5, 1], 32)
    publish(pool, 5)
    after = velocity(base, pool, [5, 1], 32)
    assert (after[0] - before[0]).abs().max() > 1e-3
    torch.testing.assert_close(after[1], before[1], atol=1e-5, rtol=1e-4)
    assert 0 < compiled == len(graphs)


def test_without_a_compiler_it_runs_as_written(base: Base, pool: Pool) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no compiler")

    written = velocity(base, pool, [1, 2], 32)
    assert compile_forward(base.transformer, profile.forward(base, pool, 32), backend=broken) is None
    torch.testing.assert_close(velocity(base, pool, [1, 2], 32), written)
