"""A broken checkpoint is refused, and the refusal names what is wrong and where."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from serving.engine.bases.acestep.checkpoint import seal
from serving.engine.bases.load import load_base
from serving.engine.bases.manifest import INDEX, MANIFEST
from serving.engine.errors import BaseError
from tests.serving.engine.miniature import save

TRANSFORMER = "transformer/diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(tmp_path)
    return tmp_path


def change(path: Path, by: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(path)
    by(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def test_a_tampered_file_differs_from_the_seal(folder: Path) -> None:
    seal(folder)
    change(folder / TRANSFORMER, lambda tensors: tensors["proj_out_conv.bias"].add_(1e-3))
    with pytest.raises(BaseError, match=rf"{TRANSFORMER}: expected sha256 [0-9a-f]{{64}}, got [0-9a-f]{{64}}"):
        load_base(folder)


def test_a_file_that_the_seal_does_not_know_is_refused(folder: Path) -> None:
    seal(folder)
    (folder / "tokenizer" / "added_tokens.json").write_text("{}")
    with pytest.raises(BaseError, match=r"base\.json: names no tokenizer/added_tokens\.json"):
        load_base(folder)


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize(
    "name", [TRANSFORMER, "vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"]
)
def test_an_absent_file_is_named(folder: Path, name: str, *, sealed: bool) -> None:
    if sealed:
        seal(folder)
    (folder / name).unlink()
    with pytest.raises(BaseError, match=Path(name).parts[0]):
        load_base(folder)


def test_an_absent_component_is_named(folder: Path) -> None:
    (folder / "vae").rename(folder / "elsewhere")
    with pytest.raises(BaseError, match=r"vae: absent, expected a component of AceStepPipeline"):
        load_base(folder)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        (TRANSFORMER, "layers.0.mlp.up_proj.weight"),
        ("condition_encoder/diffusion_pytorch_model.safetensors", "null_condition_emb"),
        ("vae/diffusion_pytorch_model.safetensors", "decoder.conv1.bias"),
        ("text_encoder/model.safetensors", "norm.weight"),
    ],
)
def test_what_is_not_a_number_and_what_is_missing_is_named(folder: Path, name: str, tensor: str) -> None:
    change(folder / name, lambda tensors: tensors[tensor].fill_(torch.nan))
    with pytest.raises(BaseError, match=f"{tensor} holds a number that is not finite"):
        load_base(folder)
    change(folder / name, lambda tensors: tensors.pop(tensor))
    with pytest.raises(BaseError, match=f"lacks {tensor}"):
        load_base(folder)


def test_a_truncated_file_is_named(folder: Path) -> None:
    path = folder / TRANSFORMER
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BaseError, match="transformer"):
        load_base(folder)


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"_class_name": "StableAudioPipeline"}'])
def test_another_pipeline_is_refused(folder: Path, body: str) -> None:
    (folder / INDEX).write_text(body)
    with pytest.raises(BaseError, match=rf"{INDEX}: "):
        load_base(folder)


def edited(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_sample_rate_without_whole_frames_is_refused(folder: Path) -> None:
    edited(folder / "vae" / "config.json", sampling_rate=47_000)
    with pytest.raises(BaseError, match=r"vae/config\.json: sampling_rate 47000 .* expected a whole number"):
        load_base(folder)


def test_components_of_different_checkpoints_are_refused(folder: Path) -> None:
    config = json.loads((folder / "condition_encoder" / "config.json").read_text())
    assert config["hidden_size"] == 32
    edited(folder / "transformer" / "config.json", encoder_hidden_size=48)
    with pytest.raises(BaseError, match=r"transformer: .*condition_embedder\.weight"):
        load_base(folder)


def test_an_unreadable_seal_is_refused(folder: Path) -> None:
    (folder / MANIFEST).write_text("{}")
    with pytest.raises(BaseError, match=r"base\.json: not a readable manifest"):
        load_base(folder)
