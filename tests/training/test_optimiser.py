"""The slot-wise optimiser is torch's AdamW for every slot alone."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from training.optimiser import SlotAdamW

SLOTS, SHAPES = 4, ((3, 2), (2, 5))


def gradients(step: int, slot: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1000 * step + slot)
    return [torch.randn(shape, generator=generator) * 3 for shape in SHAPES]


def start() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    return [torch.randn(SLOTS, *shape, generator=generator) for shape in SHAPES]


def alone(slot: int, turns: list[int], rate: float) -> list[torch.Tensor]:
    """What torch makes of this slot's gradients at these steps."""
    own = [nn.Parameter(value[slot].clone()) for value in start()]
    optimiser = torch.optim.AdamW(own, lr=rate, weight_decay=0.05)
    for step in turns:
        for parameter, gradient in zip(own, gradients(step, slot), strict=True):
            parameter.grad = gradient
        nn.utils.clip_grad_norm_(own, 1.0)
        optimiser.step()
    return [parameter.detach() for parameter in own]


@given(st.lists(st.sets(st.integers(0, SLOTS - 1), min_size=1), min_size=1, max_size=12))
@settings(max_examples=40)
def test_every_slot_is_as_torch_would_have_trained_it_alone(turns: list[set[int]]) -> None:
    parameters = [nn.Parameter(value) for value in start()]
    rates = torch.tensor([1e-3, 3e-3, 1e-2, 0.1])
    optimiser = SlotAdamW(parameters, clip=1.0, weight_decay=0.05)
    for step, active in enumerate(turns):
        for position, parameter in enumerate(parameters):
            # Slots that sit out have a gradient too: it must not count.
            parameter.grad = torch.stack([gradients(step, slot)[position] for slot in range(SLOTS)])
        optimiser.step(torch.tensor([slot in active for slot in range(SLOTS)]), rates)
    for slot in range(SLOTS):
        own = [step for step, active in enumerate(turns) if slot in active]
        for stacked, single in zip(parameters, alone(slot, own, float(rates[slot])), strict=True):
            assert torch.allclose(stacked.detach()[slot], single, atol=1e-5, rtol=1e-5)
        assert int(optimiser.steps[slot]) == len(own)


def test_a_slot_whose_gradient_is_not_a_number_is_left_alone_and_harms_nobody() -> None:
    parameters = [nn.Parameter(value) for value in start()]
    before = [parameter.detach().clone() for parameter in parameters]
    optimiser = SlotAdamW(parameters, clip=1.0)
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
        parameter.grad[2] = torch.nan
    optimiser.step(torch.ones(SLOTS, dtype=torch.bool), torch.full((SLOTS,), 0.01))
    for parameter, old in zip(parameters, before, strict=True):
        assert torch.equal(parameter[2], old[2])
        assert bool(parameter.isfinite().all())
        assert not torch.equal(parameter[1], old[1])
    assert optimiser.skipped.tolist() == [0, 0, 1, 0]


def test_reset_forgets_the_listener_who_was_there_before() -> None:
    used, fresh = ([nn.Parameter(value) for value in start()] for _ in range(2))
    optimisers = [SlotAdamW(parameters, clip=1.0) for parameters in (used, fresh)]
    everyone, rate = torch.ones(SLOTS, dtype=torch.bool), torch.full((SLOTS,), 0.01)
    for parameter in used:
        parameter.grad = torch.ones_like(parameter)
    optimisers[0].step(everyone, rate)
    with torch.no_grad():
        for parameter, value in zip(used, start(), strict=True):
            parameter.copy_(value)
    optimisers[0].reset(1)
    for optimiser, parameters in zip(optimisers, (used, fresh), strict=True):
        for parameter in parameters:
            parameter.grad = torch.full_like(parameter, -2.0)
        optimiser.step(everyone, rate)
    assert all(torch.equal(a[1], b[1]) for a, b in zip(used, fresh, strict=True))
    assert not all(torch.equal(a[2], b[2]) for a, b in zip(used, fresh, strict=True))
