"""Base models: what one is; and the shipped kind: how it is loaded, checked and saved.

Conventions that training and engine share:

* Rectified flow: `x_t = (1 - t) * x0 + t * eps`, target `v = eps - x0`, `t` in (0, 1],
  1 = noise. A step towards music is `x += (t_next - t) * v`.
* `transformer(hidden_states=x_t, timestep=t, timestep_r=t, encoder_hidden_states=...,
  context_latents=..., return_dict=False)[0]` is the velocity; `timestep` has shape (batch,).
* `context_latents` [batch, frames, channels + 1 + plan channels] = `conditions.context(source, keep,
  plan)` in the shipped base: source latents, a mask that is 1 where the source is given and must be
  kept and 0 elsewhere, and the plan (see `plan`). The source is zero where the mask is; all zeros =
  nothing given and nothing said.
* `encoder_hidden_states` = `conditions(prompt, style)`; zeros = not given. Guidance compares
  with zeros for prompt, style and plan.
* Frames are even in number (patch size 2) and at most about 30 seconds are sensible.

Not for sampling: the step loop, schedules and adapters live in the engine. The other kind of base
is in `acestep`.
"""

import hashlib
import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import AceStepTransformer1DModel
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from serving.engine import interfaces
from serving.engine.codec import Codec, CodecConfig
from serving.engine.conditions import Conditions, ConditionsConfig
from serving.engine.errors import BaseError
from serving.engine.guidance import ClassifierFree
from serving.engine.mel import MelConfig
from serving.engine.plan import PLAN_CHANNELS
from serving.engine.style import STYLE_SIZE, StyleEncoder
from serving.engine.text import TextEncoder

MANIFEST = "base.json"
# Of diffusers' pipelines; a folder that has one holds a base of the other kind.
INDEX = "model_index.json"
PARTS = ("codec", "transformer", "conditions", "style")
FILES = tuple(f"{part}.safetensors" for part in PARTS)
# 1 had no plan.
FORMAT = 2
# Computed from the configuration, so never stored.
DERIVED = ("mel.", "vae.mel_converter.")


@dataclass(frozen=True)
class TransformerConfig:
    """Shape of the denoiser; `channels` are the codec's latent channels."""

    channels: int = 40
    hidden_size: int = 320
    layers: int = 8
    heads: int = 5
    head_dim: int = 64
    intermediate_size: int = 960
    patch_size: int = 2
    rope_theta: float = 10_000.0


@dataclass(frozen=True)
class Sampling:
    """Defaults that were found to work best with these weights; ValueError names one out of range."""

    steps: int = 8
    shift: float = 3.0
    guidance: float = 4.0

    def __post_init__(self) -> None:
        for name, right, expected in (
            ("steps", self.steps >= 1, ">= 1"),
            ("shift", 0 < self.shift < math.inf, "> 0"),
            ("guidance", 0 <= self.guidance < math.inf, ">= 0"),
        ):
            if not right:
                raise ValueError(f"{name}: expected a number {expected}, got {getattr(self, name)}")


@dataclass(frozen=True)
class Manifest:
    """What `base.json` says about the weights beside it."""

    files: Mapping[str, str]
    sampling: Sampling = Sampling()
    scores: Mapping[str, float] = field(default_factory=dict)

    @property
    def base_hash(self) -> str:
        """One name for the whole base: sha256 over the names and sha256 of its files."""
        lines = [f"{name} {digest}\n" for name, digest in sorted(self.files.items())]
        return hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Base:
    """A codec, a denoiser and the encoders that condition it.

    Attributes:
        guide: makes the guidance of one job from its scale.
    """

    codec: interfaces.Codec
    transformer: AceStepTransformer1DModel
    conditions: interfaces.Conditions
    text: interfaces.TextEncoder
    style: interfaces.StyleEncoder
    manifest: Manifest
    guide: Callable[[float], interfaces.Guide] = ClassifierFree


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


def nothing_given(conditions: interfaces.Conditions, latents: Tensor) -> Tensor:
    """`context_latents` of latents [batch, frames, channels] with no music given and no plan."""
    rows, frames, _ = latents.shape
    plan = conditions.plan("", frames).to(latents)
    nothing = torch.zeros_like(latents)
    return conditions.context(nothing, nothing[..., 0], plan.expand(rows, -1, -1))


def load_base(folder: str | Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> Base:
    """The base in `folder`: an ACE-Step checkpoint where diffusers' index of one is, else a shipped one.

    Args:
        folder: of `model_index.json` or of `base.json`.
        device: where the modules live.
        dtype: of denoiser and conditions; codecs always compute in float32.

    Raises:
        BaseError: something in the folder is absent, changed or not a number.
    """
    if (Path(folder) / INDEX).exists():
        # Here and not above: the pipeline's modules are heavy, and the shipped base needs none of them.
        from serving.engine import acestep

        return acestep.load(Path(folder), torch.device(device), dtype)
    return load_shipped(folder, device, dtype)


def load_shipped(
    folder: str | Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> ShippedBase:
    """The shipped base in `folder`, every file checked against its manifest.

    Args:
        folder: holds `base.json` and the weights it names.
        device: where the modules live.
        dtype: of denoiser and conditions; the codec always computes in float32.

    Raises:
        BaseError: a file is absent, differs from its sha256, holds a number that is not finite,
            or its tensors are not exactly those of the model.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    for name, expected in manifest.files.items():
        check_file(folder / name, expected)
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
    )


def read_manifest(folder: str | Path, needed: Collection[str] = FILES) -> Manifest:
    """The manifest in `folder`; BaseError if it is absent, of another format or lacks a needed file."""
    path = Path(folder) / MANIFEST
    try:
        raw = json.loads(path.read_text())
        if raw["format"] != FORMAT:
            raise BaseError(f"{path}: format {raw['format']}, this engine reads {FORMAT}")
        files = {str(name): str(digest) for name, digest in raw["files"].items()}
        manifest = Manifest(files, Sampling(**raw["sampling"]), raw["scores"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BaseError(f"{path}: not a readable manifest: {error!r}") from error
    if missing := set(needed) - set(files):
        raise BaseError(f"{path}: names no {', '.join(sorted(missing))}")
    return manifest


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
    manifest = Manifest(files, base.manifest.sampling, base.manifest.scores)
    write_manifest(folder, manifest)
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes `base.json` beside the files that it names."""
    body = {"format": FORMAT, "base_hash": manifest.base_hash} | asdict(manifest)
    (folder / MANIFEST).write_text(json.dumps(body, indent=2, sort_keys=True) + "\n")


def random_base(seed: int) -> ShippedBase:
    """A tiny untrained base for tests: the same code path, no sense in its sound.

    The text and style encoders are the real ones and load at their first use.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        codec = Codec(CodecConfig(mel=MelConfig(), latent_channels=8, hidden_channels=32))
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
    raw["channel_multipliers"] = tuple(raw["channel_multipliers"])
    return CodecConfig(**raw)


def _config(folder: Path, part: str) -> dict[str, Any]:
    path = folder / f"{part}.safetensors"
    with safe_open(path, framework="pt") as file:
        config: dict[str, Any] = json.loads((file.metadata() or {}).get("config", "{}"))
    return config


def check_file(path: Path, expected: str) -> None:
    """BaseError if the file is absent or differs from its sha256."""
    if not path.is_file():
        raise BaseError(f"{path}: absent, expected sha256 {expected}")
    got = sha256_of(path)
    if got != expected:
        raise BaseError(f"{path}: expected sha256 {expected}, got {got}")


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


def sha256_of(path: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
