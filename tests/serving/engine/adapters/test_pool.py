"""Adapters stacked in a pool compute what each adapter alone computes, and nothing leaks between rows."""

from collections.abc import Iterator
from resource import RUSAGE_SELF, getrusage

import pytest
import torch
from torch import Tensor

from serving.engine.adapters.pool import Pool, attach, bytes_of, targets
from serving.engine.bases.base import Base, nothing_given
from serving.engine.bases.shipped.checkpoint import TransformerConfig, build_transformer, random_base
from serving.settings import Settings
from tests.serving.engine.parts import RANK, adapter

ROWS = 4


@pytest.fixture
def base() -> Base:
    return random_base(0)


@pytest.fixture
def pool(base: Base) -> Iterator[Pool]:
    pool = attach(base.transformer, slots=6, rank=RANK, dtype=torch.float32)
    yield pool
    pool.detach()


def forward(base: Base, rows: slice | None = None) -> Tensor:
    """Velocities of `ROWS` rows at as many different times, or of some of them."""
    generator = torch.Generator().manual_seed(1)
    x, tokens = torch.randn(ROWS, 12, 8, generator=generator), torch.randn(ROWS, 26, 64, generator=generator)
    times = torch.tensor([0.1, 0.4, 0.7, 1.0])
    rows = rows or slice(None)
    with torch.no_grad():
        velocity: Tensor = base.transformer(
            hidden_states=x[rows], timestep=times[rows], timestep_r=times[rows], encoder_hidden_states=tokens[rows],
            context_latents=nothing_given(base.conditions, x[rows]), return_dict=False,
        )[0]  # fmt: skip
    return velocity


def test_targets_are_attention_and_mlp_inputs_of_every_layer(base: Base) -> None:
    names = set(targets(base.transformer))
    assert len(names) == 2 * 10
    assert {"layers.0.self_attn.to_q", "layers.1.cross_attn.to_out.0", "layers.1.mlp.up_proj"} <= names


def test_slot_0_is_the_bare_base_bit_for_bit(base: Base) -> None:
    bare = forward(base)
    pool = attach(base.transformer, slots=3, rank=RANK, dtype=torch.float32)
    pool.write(1, adapter(base, 1))
    pool.select([0, 0, 0, 0])
    assert torch.equal(forward(base), bare)
    pool.select([0, 1, 0, 1])
    mixed = forward(base)
    assert torch.equal(mixed[[0, 2]], bare[[0, 2]])
    assert not torch.allclose(mixed[[1, 3]], bare[[1, 3]], atol=0.01)
    pool.detach()
    assert torch.equal(forward(base), bare)


def test_mixed_adapters_and_times_equal_one_by_one(base: Base, pool: Pool) -> None:
    for slot in (1, 2, 3):
        pool.write(slot, adapter(base, slot))
    slots = [2, 0, 3, 1]
    pool.select(slots)
    together = forward(base)
    for row, slot in enumerate(slots):
        pool.select([slot])
        torch.testing.assert_close(forward(base, slice(row, row + 1))[0], together[row], atol=1e-5, rtol=0)


def test_noise_in_other_slots_changes_nothing(base: Base, pool: Pool) -> None:
    pool.write(2, adapter(base, 2))
    pool.select([2, 0, 2, 2])
    alone = forward(base)
    for slot in (1, 3, 4, 5):
        pool.write(slot, {name: (a * torch.nan, b) for name, (a, b) in adapter(base, slot).items()})
    assert torch.equal(forward(base), alone)


def test_a_smaller_rank_is_padded_and_what_was_there_is_gone(base: Base, pool: Pool) -> None:
    small = adapter(base, 5, rank=2)
    pool.write(1, small)
    pool.select([1] * ROWS)
    fresh = forward(base)
    pool.write(1, adapter(base, 6))
    pool.write(1, small)
    assert torch.equal(forward(base), fresh)
    down, up = pool.read(1)["layers.0.mlp.up_proj"]
    assert torch.equal(down[:, :2], small["layers.0.mlp.up_proj"][0])
    assert not down[:, 2:].any()
    assert not up[2:].any()


def test_a_cleared_slot_is_the_base(base: Base, pool: Pool) -> None:
    pool.select(None)
    bare = forward(base)
    pool.write(3, adapter(base, 3))
    pool.clear(3)
    pool.select([3] * ROWS)
    assert torch.equal(forward(base), bare)


def test_training_gradients_stay_in_their_slots(base: Base) -> None:
    pool = attach(base.transformer, slots=4, rank=RANK, dtype=torch.float32, trainable=True)
    pool.write(1, adapter(base, 1))
    pool.write(2, adapter(base, 2))
    pool.select([1, 0, 1, 0])
    x = torch.randn(4, 12, 8)
    with torch.enable_grad():
        base.transformer(
            hidden_states=x, timestep=torch.full((4,), 0.5), timestep_r=torch.full((4,), 0.5),
            encoder_hidden_states=torch.randn(4, 26, 64), context_latents=nothing_given(base.conditions, x),
            return_dict=False,
        )[0].square().sum().backward()  # fmt: skip
    for factor in pool.parameters():
        assert factor.grad is not None
        assert factor.grad.coalesce().indices().tolist() == [[0, 1]]  # whoever has no row costs nothing
        dense = factor.grad.to_dense()
        assert dense[1].any()
        assert not dense[[0, 2, 3]].any()


def test_training_sees_each_optimiser_step(base: Base) -> None:
    pool = attach(base.transformer, slots=2, rank=RANK, dtype=torch.float32, trainable=True)
    pool.write(1, adapter(base, 1))
    pool.select([1] * ROWS)
    before = forward(base)
    with torch.no_grad():
        pool.up[0][1] += 1
    assert not torch.equal(forward(base), before)


def test_4096_slots_of_the_shipped_shape_fit_4_gib() -> None:
    settings = Settings(store_url="memory://", engine_token="a-secret-of-this-test")
    with torch.device("meta"):
        shipped = targets(build_transformer(TransformerConfig()))
    assert settings.engine_slots == 4096
    assert bytes_of(shipped, settings.engine_slots, settings.engine_rank, torch.bfloat16) <= 4 * 2**30


def test_the_bytes_of_a_pool_are_those_of_its_factors(base: Base) -> None:
    pool = attach(base.transformer, slots=3, rank=2, dtype=torch.bfloat16)
    held = sum(factor.nbytes for factor in pool.parameters())
    assert held == bytes_of(pool.shapes, 3, 2, torch.bfloat16)


def test_slots_that_were_never_written_take_no_memory(base: Base) -> None:
    before = getrusage(RUSAGE_SELF).ru_maxrss
    pool = attach(base.transformer, slots=20_000, rank=8, dtype=torch.bfloat16)
    pool.write(7, adapter(base, 1))
    pool.select([7, 0, 19_999, 7])
    forward(base)
    held_kib = bytes_of(pool.shapes, pool.slots, pool.rank, torch.bfloat16) // 1024
    assert getrusage(RUSAGE_SELF).ru_maxrss - before < held_kib / 4


def test_a_pool_in_half_precision_computes_in_the_models(base: Base) -> None:
    half = attach(base.transformer, slots=3, rank=RANK, dtype=torch.bfloat16)
    rounded = {name: (a.bfloat16(), b.bfloat16()) for name, (a, b) in adapter(base, 1).items()}
    half.write(1, rounded)
    half.select([1, 0, 1, 1])
    with_half = forward(base)
    half.detach()
    full = attach(base.transformer, slots=3, rank=RANK, dtype=torch.float32)
    full.write(2, rounded)
    full.select([2, 0, 2, 2])
    assert torch.equal(forward(base), with_half)


def test_a_slot_that_is_rewritten_while_selected_counts_at_once(base: Base, pool: Pool) -> None:
    pool.write(1, adapter(base, 1))
    pool.select([1] * ROWS)
    first = forward(base)
    pool.write(1, adapter(base, 2))
    second = forward(base)
    assert not torch.allclose(first, second, atol=0.01)
    pool.select([0] * ROWS)
    pool.select([1] * ROWS)
    assert torch.equal(forward(base), second)


@pytest.mark.parametrize("slot", [0, 6, -1])
def test_slots_out_of_range_are_refused(base: Base, pool: Pool, slot: int) -> None:
    with pytest.raises(ValueError, match="slot"):
        pool.write(slot, adapter(base, 1))


def test_wrong_factors_are_refused_and_nothing_is_written(base: Base, pool: Pool) -> None:
    good = adapter(base, 1)
    with pytest.raises(ValueError, match="unknown target"):
        pool.write(1, {**good, "layers.9.mlp.up_proj": good["layers.0.mlp.up_proj"]})
    with pytest.raises(ValueError, match="rank"):
        pool.write(1, adapter(base, 1, rank=RANK + 1))
    assert not any(down.any() or up.any() for down, up in pool.read(1).values())
