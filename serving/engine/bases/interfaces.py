"""What the engine, the songs, the tracks and the factory ask of a base, whichever kind it is.

Two kinds exist: the one that this repository ships (`shipped`) and ACE-Step checkpoints (`acestep`).
Zeros in a prompt's states or in a style mean "not given" for both.
"""

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from serving.engine.music.plan import Feel
from serving.engine.sound.mel import LogMel

# What the shipped denoiser makes at once; lengths are rounded and forwards are measured by it for every base.
WINDOW_S = 10.0


class Codec(Protocol):
    """Waveform to latents and back.

    Attributes:
        sample_rate: samples per second, in and out.
        samples_per_frame: samples of one latent frame.
        frames_per_second: latent frames per second.
        latent_channels: channels of a latent frame.
        window_s: what the denoiser of these latents makes at once, in seconds; longer tracks are made in windows.
        mel: spectrogram at `sample_rate`, for comparing stretches of audio.
    """

    sample_rate: int
    samples_per_frame: int
    frames_per_second: float
    latent_channels: int
    window_s: float
    mel: LogMel

    def frames_for(self, seconds: float) -> int:
        """Latent frames that cover `seconds`, even in number."""
        ...

    def encode(self, waveform: Tensor) -> Tensor:
        """Latents of a mono waveform [batch, samples] -> [batch, frames, latent_channels]."""
        ...

    def decode(self, latents: Tensor, before: Tensor | None = None) -> Tensor:
        """Mono waveform of latents [batch, frames, channels] -> [batch, samples]; not limited to 1.

        `before` [batch, samples] is what the first of them were made into already, for a codec whose sound does not
        follow from the latents alone; its result continues it.
        """
        ...


class Conditions(Protocol):
    """What the transformer is told of a track, as the tensors that it takes.

    Attributes:
        prompt_shape: tokens and size of a prompt's states.
        style_size: length of a style vector.
        plan_channels: of what runs along the latents; 0 = such a base has no plan.
    """

    prompt_shape: tuple[int, int]
    style_size: int
    plan_channels: int

    def __call__(self, prompt: Tensor, style: Tensor) -> Tensor:
        """`encoder_hidden_states` [batch, tokens, hidden] of prompts [batch, *prompt_shape] and styles
        [batch, style_size]; the number of tokens is the same for all."""
        ...

    def plan(self, prompt: str, frames: int, feel: Feel | None = None) -> Tensor:
        """What a prompt, or else the feel, says of the course of a track; zeros = nothing [frames, plan_channels]."""
        ...

    def plan_heard(self, stretch: Tensor, sample_rate: int, feel: Feel, frames: int) -> Tensor:
        """The plan that a stretch of a song which moves so could have been made by
        [samples] -> [frames, plan_channels]."""
        ...

    def context(self, source: Tensor, keep: Tensor, plan: Tensor) -> Tensor:
        """`context_latents` of given music and a plan.

        Args:
            source: latents; what stands outside `keep` is not read [batch, frames, channels].
            keep: 1 where the source is given and stays, 0 where music is wanted [batch, frames].
            plan: zeros = nothing said [batch, frames, plan_channels].

        Returns:
            [batch, frames, channels of the transformer's context], of the source's type.
        """
        ...


class TextEncoder(Protocol):
    """Prompts to token states."""

    def encode(self, prompts: list[str], seconds: float | None = None) -> Tensor:
        """States [len(prompts), *prompt_shape]; `seconds` is the track's length where it is known."""
        ...

    def check(self, prompt: str) -> None:
        """PromptError if the encoder cannot read the whole prompt."""
        ...


class StyleEncoder(Protocol):
    """Audio to style vectors."""

    def embed(self, waveform: Tensor, sample_rate: int) -> Tensor:
        """Styles of mono audio of at least 0.1 s [batch, samples] -> [batch, style_size]."""
        ...


class Sketch(Protocol):
    """About how latents would sound, without making their waveform."""

    def __call__(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Styles [rows, style_size] and sounds [rows, SOUND_SIZE] of latents [rows, frames, channels], on the CPU."""
        ...


# One job's guidance: velocity of its rows [1 or 2, frames, channels] to one velocity [1, frames, channels].
Guide = Callable[[Tensor], Tensor]
