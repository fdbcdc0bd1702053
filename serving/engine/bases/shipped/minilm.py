"""The sentence encoder MiniLM (Wang et al. 2020, arXiv 2002.10957), a small BERT (Devlin et al. 2019), in torch.

A replica reads prompts with it as soon as it starts, and the library that its weights were published for takes longer
to load than all else together. Inference only; texts of one length at a time, so there is no padding to mask.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

PARTS = ("query", "key", "value")


class MiniLM:
    """Tokens and weights of a folder in the published layout."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self._layers, self._heads = int(config["num_hidden_layers"]), int(config["num_attention_heads"])
        self._epsilon = float(config["layer_norm_eps"])
        self._device = device
        self._weights: Mapping[str, Tensor] = load_file(folder / "model.safetensors", device=str(device))
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        # The file asks for texts of one fixed length.
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def tokens(self, text: str) -> list[int]:
        """Numbers of a text's word pieces, between two marks."""
        return list(self._tokenizer.encode(text).ids)

    @torch.inference_mode()
    def states(self, tokens: Tensor) -> Tensor:
        """The last layer's states of texts of the same length [texts, tokens] -> [texts, tokens, size]."""
        tokens = tokens.to(self._device)
        places = self._weights["embeddings.position_embeddings.weight"][: tokens.shape[1]]
        words = functional.embedding(tokens, self._weights["embeddings.word_embeddings.weight"])
        kind = self._weights["embeddings.token_type_embeddings.weight"][0]
        states = self._norm(words + kind + places, "embeddings.LayerNorm")
        for layer in range(self._layers):
            states = self._layer(states, f"encoder.layer.{layer}")
        return states

    def _layer(self, states: Tensor, name: str) -> Tensor:
        query, key, value = (self._split(self._linear(states, f"{name}.attention.self.{part}")) for part in PARTS)
        heard = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        heard = self._linear(heard, f"{name}.attention.output.dense")
        states = self._norm(states + heard, f"{name}.attention.output.LayerNorm")
        wide = functional.gelu(self._linear(states, f"{name}.intermediate.dense"))
        return self._norm(states + self._linear(wide, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _split(self, states: Tensor) -> Tensor:
        return states.reshape(*states.shape[:2], self._heads, -1).transpose(1, 2)

    def _linear(self, states: Tensor, name: str) -> Tensor:
        return functional.linear(states, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _norm(self, states: Tensor, name: str) -> Tensor:
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return functional.layer_norm(states, weight.shape, weight, bias, self._epsilon)
