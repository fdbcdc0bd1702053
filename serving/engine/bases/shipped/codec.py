"""Waveform to normalised latents and back: the space in which the engine makes music.

Not for levels or files: loudness and encoding to FLAC or MP3 live around the engine.
"""

import math
from dataclasses import dataclass, field
from typing import cast

import torch
from diffusers import MMAudioVAE
from torch import Tensor, nn

from serving.engine.bases.interfaces import WINDOW_S
from serving.engine.sound.mel import FLOOR, LogMel, MelConfig
from serving.engine.sound.vocoder import Vocoder, VocoderConfig

# Root mean square of every training clip; sources that are much louder or softer decode worse.
REFERENCE_RMS = 0.1


@dataclass(frozen=True)
class CodecConfig:
    """Shape of the codec: front end, latent channels, width and blocks of the autoencoder, vocoder."""

    mel: MelConfig = field(default_factory=MelConfig)
    latent_channels: int = 64
    hidden_channels: int = 304
    channel_multipliers: tuple[int, ...] = (1, 1)
    layers_per_block: int = 1
    vocoder: VocoderConfig = field(default_factory=VocoderConfig)


class Codec(nn.Module):
    """A mel autoencoder (diffusers' `MMAudioVAE`) and a vocoder.

    Latents have mean 0 and deviation 1 per channel over the training music.

    Attributes:
        sample_rate: samples per second, in and out.
        frames_per_second: latent frames per second.
        latent_channels: channels of a latent frame.
    """

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        mel = config.mel
        self.vae = MMAudioVAE(
            mel_bins=mel.bands,
            latent_channels=config.latent_channels,
            hidden_channels=config.hidden_channels,
            channel_multipliers=config.channel_multipliers,
            layers_per_block=config.layers_per_block,
            sample_rate=mel.sample_rate,
            n_fft=mel.window,
            hop_length=mel.hop,
            scaling_factor=1.0,
        )
        self.mel = LogMel(mel)
        self.vocoder = Vocoder(config.vocoder, self.mel)
        self.register_buffer("latent_mean", torch.zeros(config.latent_channels))
        self.register_buffer("latent_std", torch.ones(config.latent_channels))
        self.sample_rate = mel.sample_rate
        self.samples_per_frame = 2 * mel.hop
        self.frames_per_second = mel.sample_rate / self.samples_per_frame
        self.latent_channels = config.latent_channels
        self.window_s = WINDOW_S

    def frames_for(self, seconds: float) -> int:
        """Latent frames that cover `seconds`: even, because the transformer's patches are pairs."""
        return max(2, 2 * math.ceil(seconds * self.frames_per_second / 2))

    @torch.inference_mode()
    def encode(self, waveform: Tensor) -> Tensor:
        """Latents of a waveform, zero-padded to a whole number of frame pairs.

        Args:
            waveform: mono at `sample_rate`, within [-1, 1] [batch, samples].

        Returns:
            Posterior means, normalised per channel [batch, frames, latent_channels].

        Raises:
            ValueError: the waveform is empty or not [batch, samples].
        """
        if waveform.ndim != 2 or waveform.shape[1] == 0:
            raise ValueError(f"expected a waveform [batch, samples], got {tuple(waveform.shape)}")
        frames = 2 * math.ceil(waveform.shape[1] / (2 * self.samples_per_frame))
        padding = frames * self.samples_per_frame - waveform.shape[1]
        padded = nn.functional.pad(waveform.to(self.latent_mean), (0, padding))
        return (self.posterior_mean(self.mel(padded)) - self.latent_mean) / self.latent_std

    @torch.inference_mode()
    def decode(self, latents: Tensor, before: Tensor | None = None) -> Tensor:
        """Waveform of latents.

        Args:
            latents: normalised [batch, frames, latent_channels].
            before: what the first of them were made into already; the rest continues it [batch, samples].

        Returns:
            Mono waveform at `sample_rate` [batch, frames * samples_per_frame]; not limited to 1.
        """
        known = None if before is None else before.to(self.latent_mean)
        waveform: Tensor = self.vocoder(self.decode_mel(latents), known)
        return waveform

    def decode_mel(self, latents: Tensor) -> Tensor:
        """Log-mel of normalised latents [batch, frames, channels] -> [batch, bands, 2 * frames]."""
        raw = latents.to(self.latent_mean) * self.latent_std + self.latent_mean
        mel = cast("Tensor", self.vae.vae.decode(raw.transpose(1, 2)))
        return mel.clamp_min(FLOOR)

    def posterior_mean(self, mel: Tensor) -> Tensor:
        """Latents before normalisation [batch, bands, frames] -> [batch, frames / 2, channels]."""
        moments = cast("Tensor", self.vae.vae.encode(mel))
        return moments[:, : self.latent_channels].transpose(1, 2)
