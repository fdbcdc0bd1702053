"""What may not become a candidate."""

import math
from dataclasses import replace

import pytest
import torch

from training.gate import Scores, largest_update, refusal

GOOD = Scores(
    base_loss=1.0, adapter_loss=0.9, preference=0.0, drift=0.01, diversity=1.0, diversity_at_most=1.1, level=1.0,
    copied=0.0, largest_update=0.1, skipped_share=0.0,
)  # fmt: skip


def test_a_sound_adapter_that_helps_passes() -> None:
    assert refusal(GOOD) is None
    assert refusal(replace(GOOD, diversity=0.8, diversity_at_most=0.95)) is None, "not surely less varied"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"adapter_loss": 1.0}, "held-out loss"),
        ({"adapter_loss": math.nan}, "not finite"),
        ({"largest_update": math.inf}, "not finite"),
        ({"largest_update": 1.5}, "update is 1.50 times"),
        ({"drift": 0.4}, "velocity 40% away from the base's"),
        ({"diversity": 0.8, "diversity_at_most": 0.89}, "80% as varied as the base's, surely no more than 89%"),
        ({"level": 3.0}, "3.00 times the base's deviation"),
        ({"copied": 0.5}, "nearer to a song by 0.50"),
        ({"preference": -0.1}, "nearer to what was disliked"),
        ({"skipped_share": 0.5}, "gradient not finite in 50%"),
    ],
)
def test_anything_else_is_refused_with_its_reason(change: dict[str, float], reason: str) -> None:
    assert reason in str(refusal(replace(GOOD, **change)))


def test_size_of_an_update_is_that_of_the_full_product() -> None:
    down, up, weight = torch.randn(6, 2), torch.randn(2, 5), torch.randn(5, 6)
    expected = float((down @ up).norm() / weight.norm())
    assert largest_update({"a": (down, up)}, {"a": weight}) == pytest.approx(expected, rel=1e-4)


def test_a_number_that_is_not_finite_shows_in_the_size_and_not_in_what_is_stored() -> None:
    size = largest_update({"a": (torch.full((3, 2), math.nan), torch.ones(2, 3))}, {"a": torch.ones(3, 3)})
    assert math.isnan(size)
    assert replace(GOOD, largest_update=size).finite() == {
        name: value for name, value in vars(GOOD).items() if name != "largest_update"
    }
