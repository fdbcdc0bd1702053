"""First phases let tones go on from frame to frame."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from serving.engine.sound.phases import walked

SIZE, HOP, RATE = 2048, 512, 22_050
WINDOW = torch.hann_window(SIZE)


def spectrum(waveform: Tensor) -> Tensor:
    return torch.stft(waveform, SIZE, HOP, SIZE, WINDOW, return_complex=True)


def tones(*hertz: float) -> Tensor:
    time = torch.arange(40 * HOP) / RATE
    return sum((torch.sin(2 * math.pi * each * time) for each in hertz), torch.zeros(len(time)))[None]


def mismatch(magnitude: Tensor, phase: Tensor) -> float:
    """How far the magnitudes of the sound lie from those that were asked for, relative to these."""
    sound = torch.istft(magnitude * phase, SIZE, HOP, SIZE, WINDOW)
    inner = slice(4, -4)
    return float((spectrum(sound).abs() - magnitude)[..., inner].norm() / magnitude[..., inner].norm())


@given(hertz=st.floats(150, 5000))
def test_a_tone_comes_back_without_any_iteration(hertz: float) -> None:
    magnitude = spectrum(tones(hertz)).abs()
    assert mismatch(magnitude, walked(magnitude, HOP)) < 0.05


def test_the_tones_of_a_chord_go_on_each_at_its_own_frequency() -> None:
    magnitude = spectrum(tones(262.0, 330.0, 392.0)).abs()
    random = torch.polar(torch.ones_like(magnitude), torch.rand(magnitude.shape) * 2 * math.pi)
    assert mismatch(magnitude, walked(magnitude, HOP)) < 0.1 < mismatch(magnitude, random)


def test_known_phases_are_kept_and_go_on() -> None:
    given_spectrum = spectrum(tones(440.0))
    magnitude = given_spectrum.abs()
    phase = walked(magnitude, HOP, given_spectrum[..., 4:20])
    kept = (phase[..., :16] - given_spectrum[..., 4:20].sgn()).abs() * (magnitude[..., :16] > 1)
    assert kept.max() < 1e-3
    later = (phase * given_spectrum.conj())[..., 20:30].sum(1)
    assert (later.abs() / magnitude[..., 20:30].sum(1) > 0.95).all()


def test_silence_has_phases_too_and_rows_are_apart() -> None:
    sounds = torch.cat([tones(440.0), torch.zeros_like(tones(440.0))])
    magnitude = spectrum(sounds).abs()
    phase = walked(magnitude, HOP)
    assert phase.isfinite().all()
    torch.testing.assert_close(phase.abs(), torch.ones_like(magnitude))
    assert torch.equal(phase[:1], walked(magnitude[:1], HOP))
