"""A base loads exactly as it was saved, or says what is wrong with it."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from serving.engine.bases.base import Base, nothing_given
from serving.engine.bases.load import load_base
from serving.engine.bases.manifest import MANIFEST, read_manifest
from serving.engine.bases.shipped.checkpoint import FILES, load_shipped, random_base, save_base, tiny_transformer
from serving.engine.errors import BaseError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_base(tmp_path, random_base(1), tiny_transformer(), dtype=torch.float32)
    return tmp_path


def velocity(base: Base) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    channels = base.codec.latent_channels
    tokens = base.conditions(torch.zeros(2, 24, 384), torch.zeros(2, 200))
    latents = torch.randn(2, 8, channels, generator=generator)
    out: torch.Tensor = base.transformer(
        hidden_states=latents,
        timestep=torch.full((2,), 0.5),
        timestep_r=torch.full((2,), 0.5),
        encoder_hidden_states=tokens,
        context_latents=nothing_given(base.conditions, latents),
        return_dict=False,
    )[0]
    return out


def rewrite(folder: Path, part: str, change: dict[str, torch.Tensor | None]) -> None:
    """Changes tensors of one file and repairs its sha256 in the manifest."""
    path = folder / f"{part}.safetensors"
    tensors = load_file(path)
    for name, value in change.items():
        if value is None:
            del tensors[name]
        else:
            tensors[name] = value
    config = {"config": json.dumps({})}
    save_file(tensors, path, metadata=config)
    raw = json.loads((folder / MANIFEST).read_text())
    import hashlib

    raw["files"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(raw))


def test_round_trip_is_exact(folder: Path) -> None:
    assert torch.equal(velocity(load_base(folder)), velocity(random_base(1)))


def test_same_seed_same_base() -> None:
    assert torch.equal(velocity(random_base(3)), velocity(random_base(3)))
    assert not torch.equal(velocity(random_base(3)), velocity(random_base(4)))


def test_layers_read_whole_frames_so_that_a_batch_is_one_product() -> None:
    base, seen = random_base(0), list[bool]()
    weight = base.transformer.layers[1].self_attn.to_q
    weight.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].is_contiguous()))
    tokens = base.conditions(torch.zeros(2, *base.conditions.prompt_shape), torch.zeros(2, base.conditions.style_size))
    latents, times = torch.zeros(2, 16, 8), torch.ones(2)
    base.transformer(latents, times, times, tokens, nothing_given(base.conditions, latents))
    assert seen == [True]


def test_nothing_is_trainable(folder: Path) -> None:
    base = load_shipped(folder)
    modules = (base.codec, base.transformer, base.conditions)
    assert not any(p.requires_grad for module in modules for p in module.parameters())


def test_hash_names_the_weights(folder: Path, tmp_path: Path) -> None:
    other = save_base(tmp_path / "other", random_base(2), tiny_transformer())
    assert read_manifest(folder, FILES).base_hash != other.base_hash
    assert read_manifest(folder, FILES).base_hash == load_base(folder).manifest.base_hash


def test_tampered_file_is_refused(folder: Path) -> None:
    path = folder / "transformer.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(BaseError, match=r"transformer\.safetensors: expected sha256 .*, got "):
        load_base(folder)


def test_an_encoder_of_another_release_is_refused_by_name(folder: Path) -> None:
    raw = json.loads((folder / MANIFEST).read_text())
    name = "musicnn/MTT_musicnn/.index"
    raw["encoders"][name] = "0" * 64
    (folder / MANIFEST).write_text(json.dumps(raw))
    with pytest.raises(BaseError, match=r"MTT_musicnn/\.index: expected sha256 0000"):
        load_base(folder)
    del raw["encoders"][name]
    (folder / MANIFEST).write_text(json.dumps(raw))
    with pytest.raises(BaseError, match=r"encoders: expected the sha256 of .*musicnn/MTT_musicnn/\.index"):
        load_base(folder)


def test_absent_file_is_refused(folder: Path) -> None:
    (folder / "codec.safetensors").unlink()
    with pytest.raises(BaseError, match=r"codec\.safetensors: absent"):
        load_base(folder)


def test_not_a_number_is_refused_by_name(folder: Path) -> None:
    bad = torch.full((200,), float("nan"))
    rewrite(folder, "style", {"mean": bad})
    with pytest.raises(BaseError, match="mean holds a number that is not finite"):
        load_base(folder)


def test_missing_and_unknown_tensors_are_refused_by_name(folder: Path) -> None:
    rewrite(folder, "style", {"mean": None})
    with pytest.raises(BaseError, match="lacks mean"):
        load_base(folder)
    rewrite(folder, "style", {"mean": torch.zeros(200), "extra": torch.zeros(1)})
    with pytest.raises(BaseError, match="has unknown extra"):
        load_base(folder)


def test_wrong_shape_is_refused(folder: Path) -> None:
    rewrite(folder, "style", {"mean": torch.zeros(3)})
    with pytest.raises(BaseError, match=r"mean is \[3\], expected \[200\]"):
        load_base(folder)


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"format": 99}'])
def test_unreadable_manifest_is_refused(tmp_path: Path, body: str) -> None:
    (tmp_path / MANIFEST).write_text(body)
    with pytest.raises(BaseError):
        load_base(tmp_path)


@pytest.mark.parametrize(
    ("field", "value", "expected"), [("steps", 0, ">= 1"), ("shift", 0.0, "> 0"), ("guidance", float("nan"), ">= 0")]
)
def test_sampling_out_of_range_is_refused_by_name(folder: Path, field: str, value: float, expected: str) -> None:
    raw = json.loads((folder / MANIFEST).read_text())
    raw["sampling"][field] = value
    (folder / MANIFEST).write_text(json.dumps(raw))
    with pytest.raises(BaseError, match=f"{field}: expected a number {expected}, got {value}"):
        load_base(folder)
