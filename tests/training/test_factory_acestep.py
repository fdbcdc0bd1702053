"""The factory trains adapters of an ACE-Step checkpoint as it does those of the shipped base."""

from dataclasses import replace

import pytest
import torch

from serving.engine.adapters.pool import Factors
from serving.engine.bases.base import Base
from serving.engine.bases.load import load_base
from tests.serving.engine.miniature import HIDDEN, save
from tests.training.examples import listener, material
from training.factory import Factory, HeldOut
from training.gate import largest_update, target_weights
from training.material import Material
from training.snapshot import Recipe

RECIPE = Recipe(steps=12, crop_frames=32, rank=4, row_budget=4, rows=2, learning_rate=5e-3)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    folder = tmp_path_factory.mktemp("acestep")
    save(folder)
    return load_base(folder)


def own(base: Base, number: int) -> Material:
    """A listener's music under prompts of this base, with a style of its size."""
    prompts = base.text.encode(["slow piano", "a reel with fiddle and drums"])
    return replace(material(number), prompts=prompts, style=torch.full((HIDDEN,), 0.1))


def trained(base: Base, *numbers: int) -> tuple[Factors, list[float], HeldOut]:
    """The first listener's factors, losses of each step, and what was held out of base and adapter."""
    factory = Factory(base, RECIPE, len(numbers))
    jobs = [factory.join(listener(number), own(base, number)) for number in numbers]
    first = jobs[0]
    losses = []
    while not factory.is_finished(first):
        losses.append(factory.step()[first.listener_id])
    result = factory.pool.read(first.slot), losses, factory.held_out(first)
    assert factory.skipped(first) == 0
    factory.close()
    return result


def test_the_loss_falls_and_the_base_stays_what_it_was(base: Base) -> None:
    before = {name: value.clone() for name, value in base.transformer.state_dict().items()}
    factors, losses, found = trained(base, 5)
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])
    assert found.adapter_loss < 0.9 * found.base_loss
    assert 0 < largest_update(factors, target_weights(base.transformer, factors)) < 10
    assert all(torch.equal(value, before[name]) for name, value in base.transformer.state_dict().items())


def test_company_does_not_change_an_adapter(base: Base) -> None:
    alone, crowded = trained(base, 5)[0], trained(base, 5, 6)[0]
    for name, pair in alone.items():
        for first, second in zip(pair, crowded[name], strict=True):
            torch.testing.assert_close(first, second, rtol=0, atol=1e-4)
