"""Loudness is BS.1770's, by the published meter, also of what a gain makes of a song that was measured without it."""

import math

import numpy as np
import pyloudnorm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.loudness import block_powers, integrated
from tests.serving.sounds import melody

RATE = 22_050


def published(waveform: np.ndarray) -> float:
    return float(pyloudnorm.Meter(RATE).integrated_loudness(waveform))


@settings(deadline=None, max_examples=30)
@given(st.floats(0.45, 6), st.floats(-45, 0), st.integers(0, 2**16))
def test_the_published_meter_says_the_same(seconds: float, quieter_db: float, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)
    half = len(noise) // 2
    noise[:half] *= np.float32(10 ** (quieter_db / 20))
    assert integrated(block_powers(noise, RATE)) == pytest.approx(published(noise), abs=0.01)


@settings(deadline=None, max_examples=30)
@given(st.floats(-50, 20))
def test_a_gain_needs_no_second_pass(gain_db: float) -> None:
    # Half of it is so quiet that the absolute gate closes on it at some gains.
    wave = np.concatenate([melody(3), 1e-3 * melody(3)])
    factor = 10 ** (gain_db / 20)
    expected = published((wave * factor).astype(np.float32))
    assert integrated(block_powers(wave, RATE) * factor**2) == pytest.approx(expected, abs=0.01)


def test_silence_has_no_loudness() -> None:
    assert integrated(block_powers(np.zeros(RATE, np.float32), RATE)) == -math.inf
