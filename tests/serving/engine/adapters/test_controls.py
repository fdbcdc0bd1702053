"""Controls in a version file: drawn with the chances that they state, and refused if they are not whole."""

from collections import Counter

import pytest
import torch
from safetensors.torch import load, save

from serving.engine.adapters.controls import Controls
from serving.engine.adapters.files import AdapterError, dump, parse
from serving.engine.adapters.pool import Shape

BASE, SNAPSHOT = "b" * 64, "c" * 64
SHAPES = {"layer": Shape(6, 4)}
CONTROLS = Controls(torch.arange(12.0).reshape(3, 4), torch.tensor([0.5, 0.3, 0.2]))


def test_actions_are_drawn_by_their_chances_and_say_which() -> None:
    drawn = [CONTROLS.draw(seed) for seed in range(4000)]
    counts = Counter(action.number for action in drawn)
    for number, chance in enumerate((0.5, 0.3, 0.2)):
        assert counts[number] / 4000 == pytest.approx(chance, abs=0.03)
        assert {round(a.propensity, 5) for a in drawn if a.number == number} == {chance}
    assert all(torch.equal(action.style, CONTROLS.styles[action.number]) for action in drawn)
    assert CONTROLS.draw(7).number == CONTROLS.draw(7).number


def test_controls_come_back_from_a_version_file() -> None:
    version = parse(dump({}, base_hash=BASE, snapshot_sha256=SNAPSHOT, steps=0, controls=CONTROLS), SHAPES, 2)
    assert version.controls is not None
    assert torch.equal(version.controls.styles, CONTROLS.styles)
    assert torch.equal(version.controls.chances, CONTROLS.chances)


@pytest.mark.parametrize(
    "chances", [torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.9, 0.9, 0.9])]
)
def test_chances_that_are_none_are_refused(chances: torch.Tensor) -> None:
    tensors = load(dump({}, base_hash=BASE, snapshot_sha256=SNAPSHOT, steps=0, controls=CONTROLS))
    with pytest.raises(AdapterError) as caught:
        parse(save(tensors | {"controls.chances": chances}), SHAPES, 2)
    assert caught.value.reason == "unreadable"
