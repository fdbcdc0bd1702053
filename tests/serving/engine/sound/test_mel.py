"""The codec's spectrogram: whole length, and a floor."""

import torch

from serving.engine.sound.mel import FLOOR, LogMel, MelConfig


def test_a_frame_for_each_hop() -> None:
    config = MelConfig()
    assert LogMel(config)(torch.randn(2, 32 * config.hop)).shape == (2, config.bands, 32)


def test_silence_lies_on_the_floor() -> None:
    config = MelConfig()
    quiet = LogMel(config)(torch.zeros(1, 16 * config.hop))
    assert torch.equal(quiet, torch.full_like(quiet, FLOOR))
