"""Log-mel spectrogram of the codec.

Not for analysis or tagging: the front end of the style encoder lives in `hearing.tagger`.
Back to a waveform: `vocoder`.
"""

from dataclasses import dataclass
from typing import cast

from diffusers.models.autoencoders.autoencoder_mmaudio import MMAudioMelSpectrogram
from torch import Tensor, nn

# About 68 dB under a loud partial at the reference level: nothing below it is heard.
FLOOR = -6.0


@dataclass(frozen=True)
class MelConfig:
    """Sizes of the spectrogram: samples per second, per window and per hop; number of bands."""

    sample_rate: int = 22_050
    window: int = 2048
    hop: int = 512
    bands: int = 256


class LogMel(nn.Module):
    """Waveform to floored log-mel; holds no trained weights."""

    def __init__(self, config: MelConfig) -> None:
        super().__init__()
        self.config = config
        self.spectrogram = MMAudioMelSpectrogram(config.sample_rate, config.window, config.bands, config.hop)

    def forward(self, waveform: Tensor) -> Tensor:
        """Log-mel of a waveform.

        Args:
            waveform: mono, within [-1, 1], a whole number of hops [batch, samples].

        Returns:
            Natural logarithms of mel magnitudes, at least `FLOOR` [batch, bands, samples / hop].
        """
        return cast("Tensor", self.spectrogram(waveform)).clamp_min(FLOOR)
