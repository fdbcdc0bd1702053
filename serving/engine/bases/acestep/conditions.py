"""ACE-Step's condition encoder as the engine's conditions and style.

The transformer attends to the lyrics' tokens, one timbre token and the prompt's tokens. The lyrics
are always "instrumental", so their tokens are computed once. The timbre token is the style: the
encoder's reading of a listener's song, or of silence when there is none. Prompts differ in length;
tokens of zeros fill up to one length, and `hide_padding` keeps the transformer from seeing them, so
a track does not depend on whom it shares a batch with.
"""

import math
from typing import Any

import torch
from diffusers import AceStepTransformer1DModel
from diffusers.pipelines.ace_step import AceStepConditionEncoder
from torch import Tensor, nn

from serving.engine.bases.acestep.codec import OobleckCodec
from serving.engine.bases.acestep.text import TEXT_TOKENS
from serving.engine.hearing.style import resample
from serving.engine.music.plan import Feel

REFERENCE_S, STRETCHES = 30, 3


class AceStepConditions(nn.Module):
    """`interfaces.Conditions` of an ACE-Step checkpoint."""

    lyrics: Tensor
    silent_timbre: Tensor
    null: Tensor
    silence: Tensor

    def __init__(self, encoder: AceStepConditionEncoder, lyrics: Tensor, frames_per_second: float) -> None:
        """Takes what it needs of an encoder.

        Args:
            encoder: frozen, where it will run and of the type it will run in.
            lyrics: embedded tokens of the lyrics of every track [1, tokens, size].
            frames_per_second: of the latents.
        """
        super().__init__()
        self.prompt_shape = (TEXT_TOKENS, int(encoder.config.text_hidden_dim))
        self.style_size = int(encoder.config.hidden_size)
        self.plan_channels = 0
        self.text_projector = encoder.text_projector
        silence = encoder.silence_latent
        with torch.no_grad():
            everywhere = torch.ones(lyrics.shape[:2], dtype=torch.bool, device=lyrics.device)
            self.register_buffer("lyrics", encoder.lyric_encoder(lyrics.to(silence.dtype), everywhere))
            stretch = silence[:, : math.ceil(REFERENCE_S * frames_per_second)]
            self.register_buffer("silent_timbre", timbre(encoder.timbre_encoder, stretch)[:, None])
        self.register_buffer("null", encoder.null_condition_emb.detach())
        self.register_buffer("silence", silence)

    def forward(self, prompt: Tensor, style: Tensor) -> Tensor:
        """Tokens for the transformer's cross attention.

        Where neither prompt nor style is given, every token is the learned null of the checkpoint.

        Args:
            prompt: token states; tokens of zeros are none [batch, *prompt_shape].
            style: timbre, a row of zeros = silence [batch, style_size].

        Returns:
            `encoder_hidden_states`, tokens of zeros = padding [batch, tokens, hidden].
        """
        given = style.any(dim=1)[:, None, None]
        timbres = torch.where(given, style[:, None], self.silent_timbre)
        # The projector has no bias: what is not there stays zero.
        words = self.text_projector(prompt)
        tokens = torch.cat([self.lyrics.expand(len(prompt), -1, -1), timbres, words], dim=1)
        absent = ~(given | prompt.any(dim=2).any(dim=1)[:, None, None])
        return torch.where(absent, self.null, tokens)

    def plan(self, prompt: str, frames: int, feel: Feel | None = None) -> Tensor:  # noqa: ARG002 - they read words
        """Nothing [frames, 0]."""
        return torch.zeros(frames, self.plan_channels)

    def plan_heard(self, stretch: Tensor, sample_rate: int, feel: Feel, frames: int) -> Tensor:  # noqa: ARG002 - no plan
        """Nothing [frames, 0]."""
        return torch.zeros(frames, self.plan_channels)

    def context(self, source: Tensor, keep: Tensor, plan: Tensor) -> Tensor:  # noqa: ARG002 - as in `plan`
        """Given music for the transformer's input, in the pipeline's convention.

        Silence stands where music is wanted, and the mask is 1 there: the reverse of the shipped base's.

        Args:
            source: latents [batch, frames, channels].
            keep: 1 where the source stays, 0 where music is wanted [batch, frames].
            plan: not read.

        Returns:
            `context_latents` [batch, frames, 2 * channels].
        """
        frames = source.shape[1]
        silence = self.silence.repeat(1, math.ceil(frames / self.silence.shape[1]), 1)[:, :frames]
        wanted = 1 - keep[:, :, None].expand_as(source).to(source)
        return torch.cat([torch.where(wanted > 0, silence.to(source), source), wanted], dim=-1)


class AceStepStyle:
    """`interfaces.StyleEncoder`: a song's timbre, as the pipeline reads a reference recording."""

    def __init__(self, codec: OobleckCodec, encoder: nn.Module) -> None:
        """Takes over the checkpoint's timbre encoder."""
        self._codec, self._encoder = codec, encoder

    @torch.inference_mode()
    def embed(self, waveform: Tensor, sample_rate: int) -> Tensor:
        """Timbre of the beginning, the middle and the end, ten seconds each; what is shorter goes round.

        Args:
            waveform: mono, at least a tenth of a second [batch, samples].
            sample_rate: of the waveform.

        Returns:
            float32 timbres on the encoder's device [batch, style_size].

        Raises:
            ValueError: the waveform is not [batch, samples] or shorter than a tenth of a second.
        """
        if waveform.ndim != 2 or waveform.shape[1] < sample_rate / 10:
            raise ValueError(f"expected at least 0.1 s [batch, samples], got {tuple(waveform.shape)}")
        rate = int(self._codec.vae.config.sampling_rate)
        audio = resample(waveform.float(), sample_rate, rate)
        audio = audio.repeat(1, math.ceil(REFERENCE_S * rate / audio.shape[1]))
        size, length = REFERENCE_S // STRETCHES * rate, audio.shape[1]
        starts = (0, length // STRETCHES, length - size)
        reference = torch.cat([audio[:, start : start + size] for start in starts], dim=1)
        dtype = next(self._encoder.parameters()).dtype
        return timbre(self._encoder, self._codec.latents(reference).to(dtype)).float()


def timbre(encoder: nn.Module, latents: Tensor) -> Tensor:
    """One timbre token of each row of reference latents [batch, frames, channels] -> [batch, hidden]."""
    rows = torch.arange(len(latents), device=latents.device)
    tokens: Tensor = encoder(latents, rows)[0]
    return tokens[:, 0]


def hide_padding(transformer: AceStepTransformer1DModel) -> None:
    """Keeps the transformer's cross attention from tokens that are all zeros.

    Its forward takes no mask of them; hooks add it. The state dict keeps its names.
    """
    seen: dict[str, Tensor] = {}

    def note(_module: nn.Module, _args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        seen["attention_mask"] = kwargs["encoder_hidden_states"].any(dim=-1)[:, None, None]

    def hide(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return args, kwargs | seen

    transformer.register_forward_pre_hook(note, with_kwargs=True)
    for layer in transformer.layers:
        layer.cross_attn.register_forward_pre_hook(hide, with_kwargs=True)
