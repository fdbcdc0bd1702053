"""Laws of the sphere, and what makes a start personal."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from serving.engine.music.noise import aggregate, fresh, mean_style, personal, slerp

seeds = st.integers(0, 2**63 - 1)
weights = st.floats(0, 1)


def near(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@given(seeds, seeds)
def test_slerp_meets_its_ends(first: int, second: int) -> None:
    a, b = fresh(first, 6, 4), fresh(second, 6, 4)
    near(slerp(a, b, 0.0), a)
    near(slerp(a, b, 1.0), b)


@given(seeds, seeds, weights)
def test_slerp_is_the_same_from_either_end(first: int, second: int, weight: float) -> None:
    a, b = fresh(first, 6, 4), fresh(second, 6, 4)
    near(slerp(a, b, weight), slerp(b, a, 1 - weight))


@given(seeds, seeds, weights)
def test_slerp_keeps_the_length(first: int, second: int, weight: float) -> None:
    a, b = fresh(first, 6, 4), fresh(second, 6, 4)
    b = b * (a.norm() / b.norm())
    assert float(slerp(a, b, weight).norm()) == pytest.approx(float(a.norm()), rel=1e-3)


@given(seeds, weights)
def test_slerp_of_a_point_with_itself_stays(seed: int, weight: float) -> None:
    a = fresh(seed, 6, 4)
    near(slerp(a, a, weight), a)


def test_slerp_of_opposites_is_finite() -> None:
    a = fresh(1, 6, 4)
    assert slerp(a, -a, 0.5).isfinite().all()


def test_an_aggregate_leans_to_each_of_its_noises_alike() -> None:
    noises = [fresh(seed, 64, 24) for seed in range(3)]
    mixed = aggregate(noises)
    assert float(mixed.std()) == pytest.approx(1, abs=1e-4)
    cosines = [float((mixed * noise).sum() / mixed.norm() / noise.norm()) for noise in noises]
    assert cosines == pytest.approx([3**-0.5] * 3, abs=0.1)


def test_a_start_without_songs_is_the_seed_alone() -> None:
    assert torch.equal(personal([], 5, 8, 4), fresh(5, 8, 4))


def test_two_seeds_of_one_listener_differ_but_share_a_direction() -> None:
    songs = [fresh(100, 60, 24), fresh(101, 60, 24)]
    one, two = personal(songs, 1, 60, 24), personal(songs, 2, 60, 24)
    other = personal([fresh(200, 60, 24)], 1, 60, 24)

    def alike(a: torch.Tensor, b: torch.Tensor) -> float:
        return float((a * b).sum() / a.norm() / b.norm())

    assert torch.equal(one, personal(songs, 1, 60, 24))
    assert 0.2 < alike(one, two) < 0.6
    assert alike(two, other) < 0.1
    assert float(one.std()) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("song_frames", [4, 40])
def test_songs_shorter_or_longer_than_the_track_fit(song_frames: int) -> None:
    start = personal([fresh(9, song_frames, 4)], 3, 20, 4)
    assert start.shape == (20, 4)
    assert start.isfinite().all()
    assert float(start.std()) == pytest.approx(1, abs=0.3)


def test_a_mean_style_is_the_mean() -> None:
    assert torch.equal(mean_style([torch.zeros(3), torch.full((3,), 4.0)]), torch.full((3,), 2.0))
    with pytest.raises(ValueError, match="at least one"):
        mean_style([])
