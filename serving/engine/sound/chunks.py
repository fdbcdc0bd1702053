"""Latents to a waveform chunk by chunk, as they are made: the first seconds are heard while the rest is denoised.

A chunk is decoded with frames on both sides of it, so its borders have the neighbours that the
codec's convolutions expect, and it continues the waveform before it: there is no seam. Not for
levels or files.
"""

from typing import Protocol

import torch
from torch import Tensor

# Latent frames of neighbourhood on each side: the decoder's convolutions reach 12, the vocoder's 13, its windows 3.
MARGIN = 28


class Decoder(Protocol):
    """The half of a codec that makes sound; see `bases.interfaces.Codec`."""

    samples_per_frame: int
    latent_channels: int

    def decode(self, latents: Tensor, before: Tensor | None = None) -> Tensor:
        """Mono waveform of latents [batch, frames, channels] -> [batch, samples], continuing `before`."""
        ...


class Chunks:
    """The waveform of one track; give it the track's latents in order.

    Attributes:
        waveform: what was returned so far, and the last frame's samples, which may still change [samples].
    """

    def __init__(self, codec: Decoder) -> None:
        self._codec = codec
        self._latents = torch.zeros(0, codec.latent_channels)
        self.waveform = torch.zeros(0)
        self._done = 0

    def add(self, latents: Tensor, *, last: bool) -> Tensor:
        """Samples that became final.

        Args:
            latents: the frames after those given so far [frames, channels].
            last: whether the track ends with them; without, their end waits for what follows.

        Returns:
            The samples after those returned so far [samples]; all together they are
            `frames * samples_per_frame`.
        """
        self._latents = torch.cat([self._latents, latents.float().cpu()])
        per_frame, frames = self._codec.samples_per_frame, len(self._latents)
        stop = frames if last else frames - MARGIN
        start = max(0, self._done - MARGIN)
        if stop <= self._done:
            return self.waveform[:0]
        known = self.waveform[start * per_frame :]
        before = known[None] if len(known) else None
        decoded = self._codec.decode(self._latents[None, start:], before)[0].cpu()
        # The last frame is kept back: the next chunk fades from it into its own.
        told = max(0, (self._done - 1) * per_frame)
        self.waveform = torch.cat([self.waveform[: start * per_frame], decoded[: (stop - start) * per_frame]])
        self._done = stop
        return self.waveform[told : stop * per_frame if last else (stop - 1) * per_frame].clone()
