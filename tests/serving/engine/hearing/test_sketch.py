"""What is read of a spectrogram alone: neither level nor length is part of it, and it answers as the sound does."""

import torch
from torch import Tensor

from serving.engine.hearing.sketch import NAMES, sketched
from serving.engine.sound.mel import LogMel, MelConfig
from tests.serving.engine.hearing.test_sound import chord, clicks, time

MEL = MelConfig()
RATE = MEL.sample_rate / MEL.hop


def hertz() -> Tensor:
    basis = LogMel(MEL).spectrogram.mel_basis
    found: Tensor = basis @ torch.linspace(0, MEL.sample_rate / 2, basis.shape[1]) / basis.sum(1)
    return found


def read(sound: Tensor) -> Tensor:
    whole = sound[: len(sound) // MEL.hop * MEL.hop]
    return sketched(LogMel(MEL)(0.3 * whole[None]), hertz(), RATE)[0]


def number(name: str, sound: Tensor) -> float:
    return float(read(sound)[NAMES.index(name)])


def noise(seconds: float = 8.0) -> Tensor:
    return 0.3 * torch.randn(len(time(seconds)), generator=torch.Generator().manual_seed(0))


def test_neither_level_nor_repetition_changes_what_is_read() -> None:
    mel = LogMel(MEL)(noise(4)[None, : 172 * MEL.hop])
    found = sketched(mel, hertz(), RATE)
    torch.testing.assert_close(sketched(mel - 1.0, hertz(), RATE), found, atol=1e-3, rtol=1e-3)
    first = sketched(mel[..., :86], hertz(), RATE)
    torch.testing.assert_close(sketched(mel[..., :86].repeat(1, 1, 2), hertz(), RATE), first)


def test_rows_do_not_hear_each_other() -> None:
    mels = torch.cat([LogMel(MEL)(each[None, : 172 * MEL.hop]) for each in (noise(4), clicks(120, 4.0))])
    alone = torch.cat([sketched(mel[None], hertz(), RATE) for mel in mels])
    torch.testing.assert_close(sketched(mels, hertz(), RATE), alone, atol=1e-4, rtol=1e-4)


def test_silence_and_the_shortest_are_read_all_the_same() -> None:
    for frames in (2, 400):
        found = sketched(torch.full((1, MEL.bands, frames), -6.0), hertz(), RATE)
        assert found.shape == (1, len(NAMES))
        assert bool(found.isfinite().all())


def test_numbers_answer_to_what_they_are_named_after() -> None:
    assert number("beat_1000", clicks(120)) > number("beat_1000", noise()) + 0.3
    assert number("mode", chord(0, 4, 7)) > number("mode", chord(0, 3, 7)) + 0.1
    assert number("contrast_200", chord(0, 4, 7)) > number("contrast_200", noise()) + 10
    assert number("struck", clicks(120)) > number("struck", chord(0, 4, 7)) + 1
    assert number("centroid", noise()) > number("centroid", chord(0, 4, 7)) + 2
    assert number("low", chord(-24)) > number("low", noise()) + 2
    assert number("fullness", noise()) > number("fullness", chord(0)) + 1
