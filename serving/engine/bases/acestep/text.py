"""Prompts in ACE-Step's template to token states of its text encoder.

The template names the length of the track, so the same words give other states for another length.
There are no lyrics here: Encore's tracks are instrumental (see `conditions`).
"""

from typing import Any

import torch
from diffusers.pipelines.ace_step.pipeline_ace_step import DEFAULT_DIT_INSTRUCTION, SFT_GEN_PROMPT
from torch import Tensor

from serving.engine.errors import PromptError

# What the pipeline reads at most, the template included.
TEXT_TOKENS = 256
# What the pipeline writes into the template where no length is known.
UNKNOWN_SECONDS = 30
METAS = "- bpm: N/A\n- timesignature: N/A\n- keyscale: N/A\n- duration: {} seconds\n"
INSTRUMENTAL = "# Languages\nunknown\n\n# Lyric\n[Instrumental]<|endoftext|>"


class AceStepText:
    """`interfaces.TextEncoder` over the checkpoint's own text encoder (Qwen3-Embedding-0.6B)."""

    def __init__(self, tokenizer: Any, model: Any) -> None:
        """Takes over a transformers tokenizer and the model it belongs to."""
        self._tokenizer, self._model = tokenizer, model

    @torch.inference_mode()
    def encode(self, prompts: list[str], seconds: float | None = None) -> Tensor:
        """Token states of each prompt in the template, zeros after its last token.

        Args:
            prompts: one text a row, in any language; what is longer than `TEXT_TOKENS` is cut.
            seconds: length of the track where it is known.

        Returns:
            float32 states [len(prompts), TEXT_TOKENS, size].
        """
        states = torch.zeros(len(prompts), TEXT_TOKENS, self._model.config.hidden_size)
        # One at a time: a prompt's states must not depend on whom it is padded with.
        for row, prompt in enumerate(prompts):
            tokens = self._tokens(_templated(prompt, seconds))[:, :TEXT_TOKENS]
            states[row, : tokens.shape[1]] = self._model(input_ids=tokens).last_hidden_state[0].float().cpu()
        return states

    def check(self, prompt: str) -> None:
        """PromptError if the prompt and the template are longer than what is read."""
        # Two minutes and more have three digits; no length has more.
        count, empty = (self._tokens(_templated(text, 999)).shape[1] for text in (prompt, ""))
        if count > TEXT_TOKENS:
            message, expected = f"{count - empty} tokens", f"<= {TEXT_TOKENS - empty} tokens"
            raise PromptError("prompt_too_long", message, expected)

    @torch.inference_mode()
    def instrumental(self) -> Tensor:
        """Embedded tokens of the lyrics of every track, "instrumental" [1, tokens, size]."""
        embedded: Tensor = self._model.get_input_embeddings()(self._tokens(INSTRUMENTAL))
        return embedded

    def _tokens(self, text: str) -> Tensor:
        tokens: Tensor = self._tokenizer(text, return_tensors="pt").input_ids
        return tokens.to(self._model.device)


def _templated(prompt: str, seconds: float | None) -> str:
    length = UNKNOWN_SECONDS if seconds is None else int(seconds)
    text: str = SFT_GEN_PROMPT.format(DEFAULT_DIT_INSTRUCTION, prompt, METAS.format(length))
    return text
