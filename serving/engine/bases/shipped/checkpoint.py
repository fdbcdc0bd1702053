"""The shipped kind of base: how it is loaded, checked and saved.

Its denoiser takes frames that are even in number (patch size 2), and at most about 30 seconds are sensible.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import AceStepTransformer1DModel
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from serving.engine.bases.base import Base
from serving.engine.bases.manifest import Manifest, check_file, read_manifest, sha256_of, write_manifest
from serving.engine.bases.shipped.codec import Codec, CodecConfig
from serving.engine.bases.shipped.conditions import Conditions, ConditionsConfig
from serving.engine.bases.shipped.encoders import check_encoders, encoder_digests
from serving.engine.bases.shipped.sketch import read_sketch
from serving.engine.bases.shipped.text import TextEncoder
from serving.engine.errors import BaseError
from serving.engine.hearing.style import STYLE_SIZE, StyleEncoder
from serving.engine.music.plan import PLAN_CHANNELS
from serving.engine.sound.mel import MelConfig
from serving.engine.sound.vocoder import VocoderConfig

PARTS = ("codec", "transformer", "conditions", "style")
FILES = tuple(f"{part}.safetensors" for part in PARTS)
# Computed from the configuration, so never stored.
DERIVED = ("mel.", "vae.mel_converter.")


@dataclass(frozen=True)
class TransformerConfig:
    """Shape of the denoiser; `channels` are the codec's latent channels."""

    channels: int = 64
    hidden_size: int = 320
    layers: int = 8
    heads: int = 5
    head_dim: int = 64
    intermediate_size: int = 960
    patch_size: int = 2
    rope_theta: float = 10_000.0


@dataclass(frozen=True, eq=False)
class ShippedBase(Base):
    """The kind of base that this repository trains and ships."""

    codec: Codec
    conditions: Conditions
    text: TextEncoder
    style: StyleEncoder


class StyleStatistics(nn.Module):
    """Mean and deviation of the raw style features, stored with the base."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(STYLE_SIZE))
        self.register_buffer("std", torch.ones(STYLE_SIZE))


def build_transformer(config: TransformerConfig) -> AceStepTransformer1DModel:
    """A randomly initialised denoiser with full attention in every layer."""
    transformer = AceStepTransformer1DModel(
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.heads,
        head_dim=config.head_dim,
        in_channels=2 * config.channels + 1 + PLAN_CHANNELS,
        audio_acoustic_hidden_dim=config.channels,
        patch_size=config.patch_size,
        rope_theta=config.rope_theta,
        layer_types=["full_attention"] * config.layers,
    )
    transformer.proj_in_conv.register_forward_hook(_frame_by_frame)
    return transformer


def _frame_by_frame(_module: nn.Module, _inputs: tuple[Tensor], output: Tensor) -> Tensor:
    """The same numbers [batch, hidden, frames], laid out as the layers read them.

    All that follows keeps the layout of this first product; channel by channel, every product of a
    layer would be one for each row of the batch, which is slower.
    """
    return output.transpose(1, 2).contiguous().transpose(1, 2)


def shipped_denoiser(folder: Path, layers: int) -> AceStepTransformer1DModel:
    """A denoiser of the configuration in `folder` but for the number of layers, with random weights.

    Raises:
        BaseError: there is no configuration.
    """
    try:
        config = TransformerConfig(**_config(folder, "transformer"))
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        raise BaseError(f"{folder}: no configuration of a denoiser: {error}") from error
    return build_transformer(replace(config, layers=layers))


def load_shipped(
    folder: str | Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> ShippedBase:
    """The shipped base in `folder`, every file checked against its manifest.

    Args:
        folder: holds `base.json` and the weights it names.
        device: where the modules live.
        dtype: of denoiser and conditions; the codec always computes in float32.

    Raises:
        BaseError: a file, here or of an encoder's package, is absent or differs from its sha256; one holds a number
            that is not finite, or its tensors are not exactly those of the model; its sketch cannot be read.
    """
    folder = Path(folder)
    manifest = read_manifest(folder, FILES)
    for name, expected in manifest.files.items():
        check_file(folder / name, expected)
    check_encoders(manifest.encoders)
    codec = Codec(_codec_config(_config(folder, "codec")))
    transformer = build_transformer(TransformerConfig(**_config(folder, "transformer")))
    conditions = Conditions(ConditionsConfig(**_config(folder, "conditions")))
    statistics = StyleStatistics()
    modules = (codec, transformer, conditions, statistics)
    for part, module in zip(PARTS, modules, strict=True):
        _fill(module, folder / f"{part}.safetensors")
        module.eval().requires_grad_(False)
        # Not the model's own `to`: diffusers' warns about casts even where there are none.
        nn.Module.to(module, device)
    for module in (transformer, conditions):
        nn.Module.to(module, dtype)
    return ShippedBase(
        codec=codec,
        transformer=transformer,
        conditions=conditions,
        text=TextEncoder(device),
        style=StyleEncoder(statistics.mean, statistics.std, device),
        manifest=manifest,
        sketch=read_sketch(folder, codec, manifest.base_hash),
    )


def save_base(
    folder: str | Path,
    base: ShippedBase,
    transformer_config: TransformerConfig,
    dtype: torch.dtype = torch.float16,
) -> Manifest:
    """Writes the weights, each file with its configuration inside, then the manifest.

    The manifest comes last, so a folder that was only half written does not load.

    Returns:
        The manifest as written: the sampling defaults and scores of `base.manifest`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    statistics = StyleStatistics()
    statistics.mean, statistics.std = base.style.mean.cpu(), base.style.std.cpu()
    configs = (base.codec.config, transformer_config, base.conditions.config, None)
    modules = (base.codec, base.transformer, base.conditions, statistics)
    files = {}
    for name, module, config in zip(FILES, modules, configs, strict=True):
        path = folder / name
        stored = {name: _stored(value, dtype) for name, value in _own(module).items()}
        text = json.dumps({} if config is None else asdict(config), sort_keys=True)
        save_file(stored, path, metadata={"config": text})
        files[name] = sha256_of(path)
    manifest = Manifest(files, base.manifest.sampling, base.manifest.scores, encoder_digests())
    write_manifest(folder, manifest)
    return manifest


def random_base(seed: int) -> ShippedBase:
    """A tiny untrained base for tests: the same code path, no sense in its sound.

    The text and style encoders are the real ones and load at their first use.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        codec = Codec(CodecConfig(MelConfig(), 8, 32, vocoder=VocoderConfig(16, 2, (1, 1))))
        transformer = build_transformer(tiny_transformer())
        conditions = Conditions(ConditionsConfig(hidden_size=64, style_tokens=2))
    for module in (codec, transformer, conditions):
        module.eval().requires_grad_(False)
    digest = hashlib.sha256(f"random base {seed}".encode()).hexdigest()
    manifest = Manifest(dict.fromkeys(FILES, digest))
    return ShippedBase(codec, transformer, conditions, TextEncoder(), StyleEncoder(), manifest)


def tiny_transformer() -> TransformerConfig:
    """The shape of `random_base`'s denoiser."""
    return TransformerConfig(channels=8, hidden_size=64, layers=2, heads=2, head_dim=32, intermediate_size=128)


def _codec_config(raw: dict[str, Any]) -> CodecConfig:
    raw["mel"] = MelConfig(**raw["mel"])
    raw["vocoder"] = VocoderConfig(**raw["vocoder"] | {"blocks": tuple(raw["vocoder"]["blocks"])})
    raw["channel_multipliers"] = tuple(raw["channel_multipliers"])
    return CodecConfig(**raw)


def _config(folder: Path, part: str) -> dict[str, Any]:
    path = folder / f"{part}.safetensors"
    with safe_open(path, framework="pt") as file:
        config: dict[str, Any] = json.loads((file.metadata() or {}).get("config", "{}"))
    return config


def _fill(module: nn.Module, path: Path) -> None:
    """Copies a file's tensors into a module whose own tensors they must match one to one."""
    own = _own(module)
    try:
        with safe_open(path, framework="pt") as file:
            given = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise BaseError(f"{path}: not a safetensors file: {error}") from error
    _same_names(path, set(own), set(given))
    for name, target in own.items():
        value = given[name]
        if value.shape != target.shape:
            raise BaseError(f"{path}: {name} is {[*value.shape]}, expected {[*target.shape]}")
        if not value.isfinite().all():
            raise BaseError(f"{path}: {name} holds a number that is not finite")
        target.copy_(value)


def _same_names(path: Path, wanted: set[str], given: set[str]) -> None:
    for word, names in (("lacks", wanted - given), ("has unknown", given - wanted)):
        if names:
            raise BaseError(f"{path}: {word} {', '.join(sorted(names))}")


def _own(module: nn.Module) -> dict[str, Tensor]:
    return {n: v.detach() for n, v in module.state_dict().items() if not n.startswith(DERIVED)}


def _stored(value: Tensor, dtype: torch.dtype) -> Tensor:
    return value.to(device="cpu", dtype=dtype if value.ndim > 1 else torch.float32).contiguous()
