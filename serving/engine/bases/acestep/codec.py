"""ACE-Step's audio autoencoder as the engine's codec.

The autoencoder is stereo at 48,000 samples a second; the product's audio is mono at 22,050. So a
song goes in on both channels, and a track comes out as the mean of the two. Latents are the
autoencoder's own, not normalised, as the pipeline gives them to the transformer.
"""

import math

import torch
from diffusers import AutoencoderOobleck
from torch import Tensor, nn

from serving.engine.errors import BaseError
from serving.engine.hearing.style import resample
from serving.engine.sound.mel import LogMel, MelConfig

# ACE-Step makes ten minutes at once; this is as long as a track may be, and bounds the memory of a batch.
WINDOW_S = 120.0


class OobleckCodec(nn.Module):
    """`interfaces.Codec` over diffusers' `AutoencoderOobleck`."""

    def __init__(self, vae: AutoencoderOobleck) -> None:
        """Takes the autoencoder over.

        Raises:
            BaseError: its frames are not a whole number of the product's samples.
        """
        super().__init__()
        self.vae = vae
        # Bounds the memory of a long track; only what lasts more than 20 s is cut into tiles.
        vae.enable_tiling()
        self.mel = LogMel(MelConfig())
        self.sample_rate = self.mel.config.sample_rate
        self.latent_channels = int(vae.config.decoder_input_channels)
        self.window_s = WINDOW_S
        self.frames_per_second: float = vae.config.sampling_rate / vae.hop_length
        exact = self.sample_rate / self.frames_per_second
        self.samples_per_frame = round(exact)
        if self.samples_per_frame != exact:
            raise BaseError(
                f"vae/config.json: sampling_rate {vae.config.sampling_rate} over downsampling_ratios of "
                f"{vae.hop_length} in all makes frames of {exact:g} samples, expected a whole number"
            )

    def frames_for(self, seconds: float) -> int:
        """Latent frames that cover `seconds`: even, because the transformer's patches are pairs."""
        return max(2, 2 * math.ceil(seconds * self.frames_per_second / 2))

    @torch.inference_mode()
    def encode(self, waveform: Tensor) -> Tensor:
        """Latents of a waveform, zero-padded to a whole number of frame pairs.

        Args:
            waveform: mono at `sample_rate`, within [-1, 1] [batch, samples].

        Returns:
            Posterior means [batch, frames, latent_channels].

        Raises:
            ValueError: the waveform is empty or not [batch, samples].
        """
        if waveform.ndim != 2 or waveform.shape[1] == 0:
            raise ValueError(f"expected a waveform [batch, samples], got {tuple(waveform.shape)}")
        frames = 2 * math.ceil(waveform.shape[1] / (2 * self.samples_per_frame))
        padded = nn.functional.pad(waveform, (0, frames * self.samples_per_frame - waveform.shape[1]))
        return self.latents(resample(padded, self.sample_rate, self.vae.config.sampling_rate))

    def latents(self, waveform: Tensor) -> Tensor:
        """Posterior means [batch, frames, channels] of mono audio at the autoencoder's own rate [batch, samples]."""
        channels = waveform[:, None].expand(-1, self.vae.config.audio_channels, -1)
        means: Tensor = self.vae.encode(channels.to(self.vae.device, torch.float32)).latent_dist.mode()
        return means.transpose(1, 2)

    @torch.inference_mode()
    def decode(self, latents: Tensor, before: Tensor | None = None) -> Tensor:  # noqa: ARG002 - see `interfaces`
        """Waveform of latents.

        Args:
            latents: [batch, frames, latent_channels].
            before: not needed: the sound follows from the latents.

        Returns:
            Mono waveform at `sample_rate` [batch, frames * samples_per_frame]; not limited to 1.
        """
        stereo: Tensor = self.vae.decode(latents.to(self.vae.device, torch.float32).transpose(1, 2)).sample
        return resample(stereo.mean(1), self.vae.config.sampling_rate, self.sample_rate)
