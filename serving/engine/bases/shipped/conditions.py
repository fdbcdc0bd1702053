"""Prompt states and style vector to the token sequence that the transformer attends to.

Not for computing them: see `text` and `hearing.style`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from serving.engine.bases.shipped.text import PROMPT_SIZE, PROMPT_TOKENS
from serving.engine.hearing.feel import metre_heard
from serving.engine.hearing.style import STYLE_SIZE
from serving.engine.music.plan import PLAN_CHANNELS, Feel, plan_of, written


@dataclass(frozen=True)
class ConditionsConfig:
    """Width of the tokens and how many of them carry the style."""

    hidden_size: int = 320
    style_tokens: int = 4
    # Of the latents that the plan runs along.
    frames_per_second: float = 22_050 / 1024


class Conditions(nn.Module):
    """Projects what is known about a track; zeros mean "not given" and become a learned null."""

    def __init__(self, config: ConditionsConfig) -> None:
        super().__init__()
        self.config = config
        hidden, count = config.hidden_size, config.style_tokens
        self.tokens = PROMPT_TOKENS + count
        self.prompt_shape, self.style_size = (PROMPT_TOKENS, PROMPT_SIZE), STYLE_SIZE
        self.plan_channels = PLAN_CHANNELS
        self.prompt = nn.Linear(PROMPT_SIZE, hidden)
        self.style = nn.Linear(STYLE_SIZE, count * hidden)
        self.positions = nn.Parameter(torch.randn(PROMPT_TOKENS, hidden) * 0.02)
        self.null_prompt = nn.Parameter(torch.randn(PROMPT_TOKENS, hidden) * 0.02)
        self.null_style = nn.Parameter(torch.randn(count, hidden) * 0.02)

    def forward(self, prompt: Tensor, style: Tensor) -> Tensor:
        """Tokens for the transformer's cross attention.

        Args:
            prompt: token states, a row of zeros = no prompt [batch, 24, 384].
            style: style vector, a row of zeros = no style [batch, 200].

        Returns:
            `encoder_hidden_states` [batch, 24 + style tokens, hidden].
        """
        words = self.prompt(prompt) + self.positions
        words = torch.where(_absent(prompt), self.null_prompt, words)
        styles = self.style(style).unflatten(1, (self.config.style_tokens, -1))
        styles = torch.where(_absent(style), self.null_style, styles)
        return torch.cat([words, styles], dim=1)

    def plan(self, prompt: str, frames: int, feel: Feel | None = None) -> Tensor:
        """Tempo and key of a prompt, or else of the feel, along a track [frames, plan_channels]."""
        return plan_of(prompt, frames, self.config.frames_per_second, feel)

    def plan_heard(self, stretch: Tensor, sample_rate: int, feel: Feel, frames: int) -> Tensor:
        """Tempo and key along a stretch of a song that moves so [samples] -> [frames, plan_channels]."""
        metre = metre_heard(stretch, sample_rate, feel.bpm)
        return written(metre, feel.key, frames, self.config.frames_per_second)

    def context(self, source: Tensor, keep: Tensor, plan: Tensor) -> Tensor:
        """Given music and the plan for the transformer's input: the kept source, where it is kept, the plan.

        Args:
            source: latents [batch, frames, channels].
            keep: 1 where the source stays, 0 where music is wanted [batch, frames].
            plan: zeros = not said [batch, frames, plan_channels].

        Returns:
            `context_latents` [batch, frames, channels + 1 + plan_channels].
        """
        mask = keep[:, :, None].to(source)
        return torch.cat([source * mask, mask, plan.to(source)], dim=-1)


def _absent(given: Tensor) -> Tensor:
    return (given.flatten(1) == 0).all(dim=1)[:, None, None]
