"""The vocoder keeps what a listener would notice: pitch, length, and a tone that goes on in phase."""

import math
from pathlib import Path

import pytest
import soundfile
import torch
from torch import Tensor

from serving.engine.bases.shipped.checkpoint import ShippedBase, load_shipped
from serving.engine.bases.shipped.codec import REFERENCE_RMS
from serving.engine.hearing.style import resample
from serving.engine.sound.mel import LogMel, MelConfig
from serving.engine.sound.vocoder import Vocoder, VocoderConfig, _told

ROOT = Path(__file__).parents[4]
SONGS = ROOT / "training" / "study" / "songs"
UNTRAINED = VocoderConfig(8, 2, (1, 1))


@pytest.fixture(scope="module")
def base() -> ShippedBase:
    return load_shipped(ROOT / "serving" / "base")


def sounding(mel: LogMel, waveform: Tensor, before: Tensor | None = None) -> Tensor:
    """The waveform from its spectrogram, by a vocoder that has learned nothing: Griffin-Lim."""
    with torch.inference_mode():
        made: Tensor = Vocoder(UNTRAINED, mel)(mel(waveform), before)
    return made


def sine(hertz: float, samples: int, rate: int) -> Tensor:
    return 0.3 * torch.sin(2 * math.pi * hertz * torch.arange(samples) / rate)[None]


def loudest(waveform: Tensor, rate: int) -> float:
    spectrum = torch.fft.rfft(waveform * torch.hann_window(waveform.numel())).abs()
    return float(spectrum.argmax()) * rate / waveform.numel()


@pytest.mark.parametrize("hertz", [110.0, 440.0, 1760.0])
def test_inversion_keeps_frequency(hertz: float) -> None:
    config = MelConfig()
    mel = LogMel(config)
    rebuilt = sounding(mel, sine(hertz, 64 * config.hop, config.sample_rate))
    got = loudest(rebuilt[0], config.sample_rate)
    # Within a third of a semitone, or within the width of a mel band where those are wider.
    assert abs(got - hertz) < max(hertz * 0.02, 13.0)


def test_inversion_has_whole_length() -> None:
    config = MelConfig()
    mel = LogMel(config)
    waveform = sine(440, 32 * config.hop, config.sample_rate)
    assert sounding(mel, waveform).shape == waveform.shape


def test_rows_do_not_influence_each_other() -> None:
    config = MelConfig()
    mel = LogMel(config)
    tones = [sine(hertz, 16 * config.hop, config.sample_rate) for hertz in (220, 700)]
    both = sounding(mel, torch.cat(tones))
    alone = sounding(mel, tones[1])
    torch.testing.assert_close(both[1:], alone, atol=2e-3, rtol=0)


def test_silence_stays_silent() -> None:
    config = MelConfig()
    mel = LogMel(config)
    assert sounding(mel, torch.zeros(1, 16 * config.hop)).abs().max() < 1e-3


@pytest.mark.parametrize("pair", [(196.0, 233.1), (220.0, 246.9)])
def test_neighbouring_notes_stay_two(pair: tuple[float, float]) -> None:
    config = MelConfig()
    mel = LogMel(config)
    low, high = (sine(hertz, 64 * config.hop, config.sample_rate) for hertz in pair)
    rebuilt = sounding(mel, (low + high) / 2)[0]
    spectrum = torch.fft.rfft(rebuilt * torch.hann_window(rebuilt.numel())).abs()

    def level(hertz: float) -> float:
        place = round(hertz * rebuilt.numel() / config.sample_rate)
        return float(spectrum[place - 4 : place + 5].max())

    between = level(sum(pair) / 2)
    assert min(level(hertz) for hertz in pair) > 3 * between


@pytest.mark.parametrize("hertz", [262.0, 440.0, 1000.0])
def test_a_tone_goes_on_in_phase(hertz: float) -> None:
    """Half of a tone is known; what follows is the other half, not just any sound of its pitch."""
    config = MelConfig()
    tone = sine(hertz, 64 * config.hop, config.sample_rate)
    half = 32 * config.hop
    continued = sounding(LogMel(config), tone, before=tone[:, :half])
    assert torch.equal(continued[:, : half - config.hop], tone[:, : half - config.hop])
    after = slice(half, half + 4 * config.hop)
    assert torch.nn.functional.cosine_similarity(continued[:, after], tone[:, after]) > 0.9


def test_what_it_is_told_does_not_know_the_phase_a_tone_began_with() -> None:
    """Else it would have to learn every tone at every phase."""
    config = MelConfig()
    vocoder = Vocoder(UNTRAINED, LogMel(config))
    spectrum = vocoder._spectrum(sine(440, 32 * config.hop, config.sample_rate))
    turned = spectrum * torch.polar(torch.tensor(1.0), torch.tensor(1.3))
    first, second = (_told(each, each.abs() + 0.1, config.hop) for each in (spectrum, turned))
    loud = (spectrum.abs()[..., 1:-1] > 1).transpose(1, 2).repeat(1, 1, 5)
    torch.testing.assert_close(first[loud], second[loud], atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", ["calm-ambient-2", "fast-fiddle-reel-3", "hard-rock-4"])
def test_music_comes_closer_than_by_griffin_lim(base: ShippedBase, name: str) -> None:
    codec = base.codec
    audio, rate = soundfile.read(SONGS / f"{name}.ogg", dtype="float32", always_2d=True)
    passage = resample(torch.from_numpy(audio.mean(1))[None], rate, codec.sample_rate)[:, : 96 * codec.config.mel.hop]
    wanted = codec.mel(passage * REFERENCE_RMS / passage.square().mean().sqrt())

    def missed(vocoder: Vocoder) -> float:
        with torch.inference_mode():
            return float((codec.mel(vocoder(wanted)) - wanted).abs().mean())

    assert missed(codec.vocoder) < 0.95 * missed(Vocoder(UNTRAINED, codec.mel))
