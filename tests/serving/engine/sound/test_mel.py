"""The codec's spectrogram and its inversion keep what a listener would notice: pitch."""

import math

import pytest
import torch
from torch import Tensor

from serving.engine.sound.mel import FLOOR, LogMel, MelConfig


def sine(hertz: float, samples: int, rate: int) -> Tensor:
    return 0.3 * torch.sin(2 * math.pi * hertz * torch.arange(samples) / rate)[None]


def loudest(waveform: Tensor, rate: int) -> float:
    spectrum = torch.fft.rfft(waveform * torch.hann_window(waveform.numel())).abs()
    return float(spectrum.argmax()) * rate / waveform.numel()


@pytest.mark.parametrize("hertz", [110.0, 440.0, 1760.0])
def test_inversion_keeps_frequency(hertz: float) -> None:
    config = MelConfig()
    mel = LogMel(config)
    rebuilt = mel.invert(mel(sine(hertz, 64 * config.hop, config.sample_rate)))
    got = loudest(rebuilt[0], config.sample_rate)
    # Within a third of a semitone, or within the width of a mel band where those are wider.
    assert abs(got - hertz) < max(hertz * 0.02, 13.0)


def test_inversion_has_whole_length() -> None:
    config = MelConfig()
    mel = LogMel(config)
    waveform = sine(440, 32 * config.hop, config.sample_rate)
    assert mel(waveform).shape == (1, config.bands, 32)
    assert mel.invert(mel(waveform)).shape == waveform.shape


def test_rows_do_not_influence_each_other() -> None:
    config = MelConfig()
    mel = LogMel(config)
    tones = [sine(hertz, 16 * config.hop, config.sample_rate) for hertz in (220, 700)]
    both = mel.invert(mel(torch.cat(tones)))
    alone = mel.invert(mel(tones[1]))
    torch.testing.assert_close(both[1:], alone, atol=2e-3, rtol=0)


def test_silence_stays_silent() -> None:
    config = MelConfig()
    mel = LogMel(config)
    quiet = mel(torch.zeros(1, 16 * config.hop))
    assert quiet.min() == FLOOR
    assert mel.invert(quiet).abs().max() < 1e-3


@pytest.mark.parametrize("pair", [(196.0, 233.1), (220.0, 246.9)])
def test_neighbouring_notes_stay_two(pair: tuple[float, float]) -> None:
    config = MelConfig()
    mel = LogMel(config)
    chord = sum(sine(hertz, 64 * config.hop, config.sample_rate) for hertz in pair)
    rebuilt = mel.invert(mel(chord / 2))[0]
    spectrum = torch.fft.rfft(rebuilt * torch.hann_window(rebuilt.numel())).abs()

    def level(hertz: float) -> float:
        place = round(hertz * rebuilt.numel() / config.sample_rate)
        return float(spectrum[place - 4 : place + 5].max())

    between = level(sum(pair) / 2)
    assert min(level(hertz) for hertz in pair) > 3 * between
