"""The grid of times and its inverses."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.engine.schedule import inversion, sampling, shifted, sigmas, unshifted

steps = st.integers(1, 100)
shifts = st.floats(0.2, 8)


@given(st.floats(0, 1), shifts)
def test_unshifted_undoes_shifted(t: float, shift: float) -> None:
    assert unshifted(shifted(t, shift), shift) == pytest.approx(t, abs=1e-9)


@given(steps, shifts)
def test_the_grid_falls_from_1_to_0(count: int, shift: float) -> None:
    grid = sigmas(count, shift)
    assert (len(grid), grid[0], grid[-1]) == (count + 1, 1.0, 0.0)
    assert all(before > after for before, after in pairwise(grid))


@given(steps, shifts)
def test_a_path_covers_the_whole_way(count: int, shift: float) -> None:
    there, back = sampling(count, shift), inversion(count, shift)
    assert there.steps == back.steps == count
    assert sum(there.deltas) == pytest.approx(-1)
    assert sum(back.deltas) == pytest.approx(1)


@given(steps, shifts)
def test_inversion_retraces_sampling(count: int, shift: float) -> None:
    there, back = sampling(count, shift), inversion(count, shift)
    assert back.times == there.times[::-1]
    assert back.deltas == pytest.approx([-delta for delta in there.deltas[::-1]])
    assert all(0 < time <= 1 for time in there.times)


@given(steps, shifts, st.floats(-2, 2), st.floats(-2, 2))
def test_a_constant_velocity_is_inverted_exactly(count: int, shift: float, x: float, velocity: float) -> None:
    start = x
    for path in (sampling(count, shift), inversion(count, shift)):
        for delta in path.deltas:
            x += delta * velocity
    assert x == pytest.approx(start, abs=1e-9)


@pytest.mark.parametrize(("count", "shift"), [(0, 3.0), (-1, 3.0), (8, 0.0), (8, -1.0)])
def test_impossible_grids_are_refused(count: int, shift: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        sigmas(count, shift)
