"""How much accelerator memory an ACE-Step checkpoint needs, computed from its configurations alone.

    python -m serving.engine.bases.acestep.memory FOLDER [--dtype D] [--slots 64] [--rank 8]
        [--rows 16] [--seconds 10] [--train]

Modules are built on torch's meta device, which holds shapes and no numbers, so weights need not be
there. What a forward needs is the most that its tensors hold at once, with fused attention; what a
kernel that is not fused holds beside it has a line of its own. An allocator's gaps and the libraries'
own memory come on top.
"""

import argparse
import math
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from diffusers import AceStepTransformer1DModel, AutoencoderOobleck
from diffusers.pipelines.ace_step import AceStepConditionEncoder
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from serving.engine.adapters.pool import attach
from serving.engine.bases.acestep.conditions import REFERENCE_S, hide_padding
from serving.engine.bases.acestep.text import INSTRUMENTAL, TEXT_TOKENS

GIB = 2**30


class Held(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the tensors made inside it; `peak` is the most that lived at once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = self._now = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Runs the operation and counts what it made."""
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if (
                isinstance(value, Tensor) and not value.is_sparse
            ):  # what a sparse one holds was counted when it was made
                self._count(value.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        # Views share a storage; a storage's own address names it as long as it lives.
        name = storage._cdata  # noqa: SLF001
        if name in self._known:
            return
        self._known.add(name)
        self._now += storage.nbytes()
        self.peak = max(self.peak, self._now)
        weakref.finalize(storage, self._forget, name, storage.nbytes())

    def _forget(self, name: int, size: int) -> None:
        self._known.discard(name)
        self._now -= size


def need(
    folder: Path, dtype: torch.dtype, *, slots: int, rank: int, rows: int, seconds: float, train: bool = False
) -> dict[str, int]:
    """Bytes by what they are for, in the engine or, with `train`, in the factory.

    Args:
        folder: of a checkpoint, or of its `config.json` files in their folders.
        dtype: of the base.
        slots: of the pool, the base included.
        rank: of the pool.
        rows: of the largest forward; a track with guidance takes two.
        seconds: of music in a row.
        train: a float32 pool and its two moments, and a step with its backward pass and the gradients of its rows.
    """
    with torch.device("meta"):
        transformer = AceStepTransformer1DModel.from_config(_config(AceStepTransformer1DModel, folder / "transformer"))
        encoder = AceStepConditionEncoder.from_config(_config(AceStepConditionEncoder, folder / "condition_encoder"))
        vae = AutoencoderOobleck.from_config(_config(AutoencoderOobleck, folder / "vae"))
        text = _text_encoder(folder / "text_encoder")
    for module in (transformer, encoder, text):
        nn.Module.to(module, dtype)
    found = {name: _size(module) for name, module in (
        ("transformer", transformer), ("condition encoder", encoder), ("text encoder", text),
        ("audio autoencoder, float32", vae),
    )}  # fmt: skip
    nn.Module.requires_grad_(transformer, requires_grad=False)
    with torch.device("meta"):
        pool = attach(transformer, slots, rank, torch.float32 if train else torch.bfloat16, trainable=train)
    hide_padding(transformer)
    frames = 2 * math.ceil(seconds * vae.config.sampling_rate / vae.hop_length / 2)
    scores = rows * transformer.config.num_attention_heads * (frames // 2) ** 2 * dtype.itemsize
    # Before and after the softmax; a backward pass reads the latter of every layer.
    found["attention scores, if not fused"] = scores * (len(transformer.layers) + 1 if train else 2)
    pool.select([1] * rows)
    if train:
        found[f"{slots} slots of rank {rank}, moments"] = 3 * _size(pool)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            step = _peak(lambda: torch.autograd.backward(_forward(transformer, encoder, rows, frames).float().sum()))
        found[f"a step of {rows} rows of {seconds:g} s"] = step
        return found
    found[f"pool of {slots} slots of rank {rank}"] = _size(pool)
    with torch.inference_mode():
        forward = _peak(lambda: _forward(transformer, encoder, rows, frames))
    found[f"a forward of {rows} rows of {seconds:g} s"] = forward
    channels, reference = vae.config.decoder_input_channels, REFERENCE_S * vae.config.sampling_rate
    with torch.inference_mode():
        decoding = _peak(lambda: vae.decoder(_meta(1, channels, min(frames, vae.tile_latent_min_length))))
        encoding = _peak(lambda: vae.encoder(_meta(1, vae.config.audio_channels, reference)))
    found["decoding a track or encoding a song"] = max(decoding, encoding)
    return found


def _forward(transformer: Any, encoder: Any, rows: int, frames: int) -> Tensor:
    config, dtype = transformer.config, next(transformer.parameters()).dtype
    channels = int(config.audio_acoustic_hidden_dim)
    tokens = TEXT_TOKENS + 1 + len(INSTRUMENTAL) // 4
    result: Tensor = transformer(
        hidden_states=_meta(rows, frames, channels, dtype=dtype),
        timestep=_meta(rows, dtype=dtype),
        timestep_r=_meta(rows, dtype=dtype),
        encoder_hidden_states=_meta(rows, tokens, int(encoder.config.hidden_size), dtype=dtype),
        context_latents=_meta(rows, frames, 2 * channels, dtype=dtype),
        return_dict=False,
    )[0]
    return result


def _peak(work: Callable[[], object]) -> int:
    with Held() as held:
        work()
    peak: int = held.peak
    return peak


def _meta(*sizes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty(sizes, dtype=dtype, device="meta")


def _size(module: nn.Module) -> int:
    tensors: Iterable[Tensor] = (*module.parameters(), *module.buffers())
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _config(kind: Any, path: Path) -> Any:
    return kind.load_config(path, local_files_only=True)


def _text_encoder(path: Path) -> nn.Module:
    from transformers import AutoConfig, AutoModel

    model: nn.Module = AutoModel.from_config(AutoConfig.from_pretrained(path, local_files_only=True))
    return model


def main() -> None:
    """Prints the table for the command line."""
    parser = argparse.ArgumentParser(prog="python -m serving.engine.bases.acestep.memory")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="bfloat16")
    for name, default in (("slots", 64), ("rank", 8), ("rows", 16)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--train", action="store_true")
    options = vars(parser.parse_args())
    found = need(options.pop("folder"), getattr(torch, options.pop("dtype")), **options)
    for name, size in (*found.items(), ("together", sum(found.values()))):
        print(f"{name:44}{size / GIB:9.2f} GiB")


if __name__ == "__main__":
    main()
