"""ACE-Step 1.5 checkpoints as bases: `ENCORE_BASE_FOLDER` names what diffusers' `save_pretrained` wrote.

    python -m serving.engine.bases.acestep.checkpoint FOLDER [--steps N] [--shift S] [--guidance G]

seals a checkpoint: writes the sha256 of its files and the sampling defaults beside them as
`base.json`. A sealed checkpoint loads only as it was; one without a seal is known by what it holds.
Settings, differences and memory: docs/checkpoints.md.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from diffusers import AceStepTransformer1DModel, AutoencoderOobleck
from diffusers.pipelines.ace_step import AceStepConditionEncoder
from safetensors import SafetensorError
from torch import nn

from serving.engine.bases.acestep.codec import OobleckCodec
from serving.engine.bases.acestep.conditions import AceStepConditions, AceStepStyle, hide_padding
from serving.engine.bases.acestep.text import AceStepText
from serving.engine.bases.base import Base
from serving.engine.bases.guidance import Projected
from serving.engine.bases.manifest import (
    INDEX,
    MANIFEST,
    Manifest,
    Sampling,
    check_file,
    read_manifest,
    sha256_of,
    write_manifest,
)
from serving.engine.errors import BaseError

PIPELINE = "AceStepPipeline"
# The tokenizers of audio are for covers, which Encore does not make.
COMPONENTS = ("transformer", "condition_encoder", "vae", "text_encoder", "tokenizer")
# Guidance is distilled into turbo weights; the others need it, and more steps (diffusers' documentation).
TURBO = Sampling(steps=8, shift=3.0, guidance=1.0)
GUIDED = Sampling(steps=32, shift=3.0, guidance=7.0)


def load(folder: Path, device: torch.device, dtype: torch.dtype) -> Base:
    """The checkpoint in `folder` as a base.

    Args:
        folder: of `model_index.json` and the components it names.
        device: where the modules live.
        dtype: of all but the audio autoencoder, which computes in float32.

    Raises:
        BaseError: a component is absent, of another model, differs from the seal, or its weights are
            not exactly the model's or not finite.
    """
    manifest = _manifest(folder)
    transformer = _model(AceStepTransformer1DModel, folder / "transformer", device, dtype)
    encoder = _model(AceStepConditionEncoder, folder / "condition_encoder", device, dtype)
    codec = OobleckCodec(_model(AutoencoderOobleck, folder / "vae", device, torch.float32))
    codec.mel.to(device)
    text = _text(folder, device, dtype)
    conditions = AceStepConditions(encoder, text.instrumental(), codec.frames_per_second)
    _fit(folder, transformer, codec, conditions)
    hide_padding(transformer)
    return Base(
        codec=codec,
        transformer=transformer,
        conditions=conditions,
        text=text,
        style=AceStepStyle(codec, encoder.timbre_encoder),
        manifest=manifest,
        guide=Projected,
    )


def untrained_denoiser(folder: Path, layers: int) -> AceStepTransformer1DModel:
    """A denoiser of the configuration in `folder` but for the number of layers, with random weights; else BaseError."""
    config = _json(folder / "transformer" / "config.json")
    kinds = config.get("layer_types")
    shorter = {"num_hidden_layers": layers} | ({"layer_types": kinds[:layers]} if kinds else {})
    made: AceStepTransformer1DModel = AceStepTransformer1DModel.from_config(config | shorter)
    return made


def seal(folder: Path, **sampling: float) -> Manifest:
    """Writes `base.json`: every file's sha256, and the variant's sampling defaults with these changes."""
    manifest = Manifest(_digests(folder), replace(_sampling(folder), **sampling))  # type: ignore[arg-type]
    write_manifest(folder, manifest)
    return manifest


def _manifest(folder: Path) -> Manifest:
    index = _json(folder / INDEX)
    if index.get("_class_name") != PIPELINE:
        raise BaseError(f"{folder / INDEX}: _class_name {index.get('_class_name')!r}, expected {PIPELINE!r}")
    if not (folder / MANIFEST).exists():
        return Manifest(_digests(folder), _sampling(folder))
    manifest = read_manifest(folder, needed=_names(folder))
    for name, expected in manifest.files.items():
        check_file(folder / name, expected)
    return manifest


def _names(folder: Path) -> list[str]:
    """Every file that loading may read."""
    for component in COMPONENTS:
        if not (folder / component).is_dir():
            raise BaseError(f"{folder / component}: absent, expected a component of {PIPELINE}")
    found = [path for component in COMPONENTS for path in (folder / component).iterdir()]
    return sorted(f"{p.parent.name}/{p.name}" for p in found if p.is_file() and not p.name.startswith("."))


def _digests(folder: Path) -> dict[str, str]:
    return {name: sha256_of(folder / name) for name in _names(folder)}


def _sampling(folder: Path) -> Sampling:
    config = _json(folder / "transformer" / "config.json")
    return TURBO if config.get("is_turbo") or config.get("model_version") == "turbo" else GUIDED


def _json(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BaseError(f"{path}: not readable: {error!r}") from error
    if not isinstance(raw, dict):
        raise BaseError(f"{path}: expected an object, got {type(raw).__name__}")
    return raw


def _text(folder: Path, device: torch.device, dtype: torch.dtype) -> AceStepText:
    from transformers import AutoModel, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
    except (OSError, ValueError) as error:
        raise BaseError(f"{folder / 'tokenizer'}: {error}") from error
    return AceStepText(tokenizer, _model(AutoModel, folder / "text_encoder", device, dtype))


def _model(kind: Any, path: Path, device: torch.device, dtype: torch.dtype) -> Any:
    """A frozen module; every tensor of it comes from the files, and is finite."""
    try:
        module, found = kind.from_pretrained(
            path, torch_dtype=dtype, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise BaseError(f"{path}: {error}") from error
    # What a file has too much is another head of the text encoder, and is not read.
    for word, names in (("lacks", found["missing_keys"]), ("has the wrong shape of", found["mismatched_keys"])):
        if names:
            raise BaseError(f"{path}: {word} {', '.join(sorted(map(str, names)))}")
    for name, value in module.state_dict().items():
        if not value.isfinite().all():
            raise BaseError(f"{path}: {name} holds a number that is not finite")
    module.eval().requires_grad_(False)
    # Not the model's own `to`: diffusers' warns about casts even where there are none.
    return nn.Module.to(module, device)


def _fit(
    folder: Path, transformer: AceStepTransformer1DModel, codec: OobleckCodec, conditions: AceStepConditions
) -> None:
    """BaseError where components of different checkpoints were put together."""
    config = transformer.config
    wanted = {
        "audio_acoustic_hidden_dim": (config.audio_acoustic_hidden_dim, codec.latent_channels, "vae"),
        "in_channels": (config.in_channels, 3 * codec.latent_channels, "vae"),
        "encoder_hidden_size": (
            config.encoder_hidden_size or config.hidden_size, conditions.style_size, "condition_encoder",
        ),
    }  # fmt: skip
    for name, (got, expected, other) in wanted.items():
        if got != expected:
            raise BaseError(f"{folder / 'transformer'}: {name} {got}, expected {expected} with this {other}")


def main() -> None:
    """Seals the checkpoint that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m serving.engine.bases.acestep.checkpoint")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--shift", type=float)
    parser.add_argument("--guidance", type=float)
    options = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    folder = options.pop("folder")
    try:
        manifest = seal(folder, **options)
    except (BaseError, ValueError) as error:
        parser.error(str(error))
    print(f"{folder / MANIFEST}: {len(manifest.files)} files, base_hash {manifest.base_hash}, {manifest.sampling}")


if __name__ == "__main__":
    main()
