"""What a song sounds like as 200 numbers, and 50 named tags: the frozen `musicnn` tagger.

Not for identity: two songs of the same style are meant to lie close together.
"""

import math

import torch
from torch import Tensor

from serving.engine.hearing.tagger import HOP, PATCH_FRAMES, SAMPLE_RATE, Musicnn, load_musicnn

STYLE_SIZE = 200
PATCHES_PER_PASS = 16
TAGS = (
    "guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast",
    "piano", "ambient", "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male",
    "singing", "vocals", "no vocals", "harpsichord", "loud", "quiet", "flute", "woman",
    "male vocal", "no vocal", "pop", "soft", "sitar", "solo", "man", "classic", "choir", "voice",
    "new age", "dance", "male voice", "female vocal", "beats", "harp", "cello", "no voice",
    "weird", "country", "metal", "female voice", "choral",
)  # fmt: skip


class StyleEncoder:
    """Style vectors and tags of audio; loads its weights at the first call.

    Attributes:
        mean: of each raw feature over the training music [200].
        std: of each raw feature over the training music [200].
    """

    def __init__(
        self,
        mean: Tensor | None = None,
        std: Tensor | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self._device = torch.device(device)
        self.mean = torch.zeros(STYLE_SIZE) if mean is None else mean.float()
        self.std = torch.ones(STYLE_SIZE) if std is None else std.float()
        self._network: Musicnn | None = None

    def embed(self, waveform: Tensor, sample_rate: int) -> Tensor:
        """Standardised style of each row, averaged over patches of three seconds.

        Args:
            waveform: mono, at least a tenth of a second [batch, samples].
            sample_rate: of the waveform.

        Returns:
            Style vectors on the encoder's device [batch, 200].
        """
        features, _ = self.features(waveform, sample_rate)
        return (features - self.mean.to(features)) / self.std.to(features)

    def tags(self, waveform: Tensor, sample_rate: int) -> Tensor:
        """Probability of each of `TAGS` [batch, samples] -> [batch, 50]."""
        return self.features(waveform, sample_rate)[1]

    @torch.inference_mode()
    def features(self, waveform: Tensor, sample_rate: int) -> tuple[Tensor, Tensor]:
        """Raw features [batch, 200] and tag probabilities [batch, 50], each a mean over patches.

        Raises:
            ValueError: the waveform is not [batch, samples] or shorter than a tenth of a second.
        """
        if waveform.ndim != 2 or waveform.shape[1] < sample_rate / 10:
            raise ValueError(f"expected at least 0.1 s [batch, samples], got {waveform.shape}")
        network = self._load()
        audio = resample(waveform.float().to(self._device), sample_rate, SAMPLE_RATE)
        patches = _patches(network.spectrogram(audio))
        rows, count = patches.shape[:2]
        passes = [network(part) for part in torch.split(patches.flatten(0, 1), PATCHES_PER_PASS)]
        hidden = torch.cat([part[0] for part in passes]).reshape(rows, count, -1)
        logits = torch.cat([part[1] for part in passes]).reshape(rows, count, -1)
        return hidden.mean(1), logits.sigmoid().mean(1)

    def _load(self) -> Musicnn:
        if self._network is None:
            self._network = load_musicnn().to(self._device)
        return self._network


def resample(waveform: Tensor, source: int, target: int) -> Tensor:
    """Band-limited change of sample rate by cutting or padding the spectrum.

    Args:
        waveform: [batch, samples].
        source: its sample rate.
        target: the rate wanted.

    Returns:
        Waveform [batch, round(samples * target / source)].
    """
    if source == target:
        return waveform
    size = max(1, round(waveform.shape[1] * target / source))
    spectrum = torch.fft.rfft(waveform)
    wanted = size // 2 + 1
    padding = max(0, wanted - spectrum.shape[1])
    spectrum = torch.nn.functional.pad(spectrum[:, :wanted], (0, padding))
    resampled: Tensor = torch.fft.irfft(spectrum, n=size) * (size / waveform.shape[1])
    return resampled


def _patches(frames: Tensor) -> Tensor:
    """Evenly spaced patches that cover all frames [batch, n, 96] -> [batch, patches, 187, 96]."""
    length = frames.shape[1]
    if length < PATCH_FRAMES:
        frames = frames.repeat(1, math.ceil(PATCH_FRAMES / length), 1)[:, :PATCH_FRAMES]
        length = PATCH_FRAMES
    # A remainder under a quarter of a patch is not worth a pass.
    count = max(1, math.ceil(length / PATCH_FRAMES - 0.25))
    starts = [round(i * (length - PATCH_FRAMES) / max(1, count - 1)) for i in range(count)]
    return torch.stack([frames[:, s : s + PATCH_FRAMES] for s in starts], dim=1)


def seconds_per_patch() -> float:
    """Length of the audio that one patch sees."""
    return PATCH_FRAMES * HOP / SAMPLE_RATE
