"""Adapter files go to peft and diffusers and back, and every kind of wrong file is refused by name."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load, save

from serving.engine.adapters.files import AdapterError, dump, parse
from serving.engine.adapters.pool import Factors, attach, targets
from serving.engine.bases.base import Base
from serving.engine.bases.shipped.checkpoint import random_base
from tests.serving.engine.adapters.test_pool import ROWS, forward
from tests.serving.engine.parts import RANK, adapter

BASE_HASH, SNAPSHOT = "b" * 64, "c" * 64
LEAVES = ["to_q", "to_k", "to_v", "to_out.0", "gate_proj", "up_proj"]


@pytest.fixture
def base() -> Base:
    return random_base(0)


def file(base: Base, factors: Factors | None = None) -> bytes:
    return dump(factors or adapter(base, 1), base_hash=BASE_HASH, snapshot_sha256=SNAPSHOT, steps=7)


def ours(base: Base, data: bytes, **known: Any) -> torch.Tensor:
    """Velocities with an adapter file through our pool."""
    pool = attach(base.transformer, slots=2, rank=RANK, dtype=torch.float32)
    pool.write(1, parse(data, pool.shapes, RANK, **known).factors)
    pool.select([1] * ROWS)
    velocity = forward(base)
    pool.detach()
    return velocity


def test_what_is_written_is_read_back(base: Base) -> None:
    factors = adapter(base, 1)
    data = file(base, factors)
    assert data == file(base, factors)
    read = parse(data, targets(base.transformer), RANK, base_hash=BASE_HASH, sha256=hashlib.sha256(data).hexdigest())
    assert read.manifest is not None
    assert (read.manifest.rank, read.manifest.alpha, read.manifest.steps) == (RANK, RANK, 7)
    for name, (down, up) in factors.items():
        assert torch.equal(read.factors[name][0], down)
        assert torch.equal(read.factors[name][1], up)


def test_diffusers_loads_ours_and_computes_the_same(base: Base, tmp_path: Path) -> None:
    data = file(base)
    expected = ours(base, data)
    path = tmp_path / "adapter.safetensors"
    path.write_bytes(data)
    base.transformer.load_lora_adapter(str(path), prefix="transformer")
    torch.testing.assert_close(forward(base), expected, atol=1e-5, rtol=0)


def test_peft_loads_ours_and_computes_the_same(base: Base) -> None:
    data = file(base)
    expected = ours(base, data)
    wrapped = get_peft_model(base.transformer, LoraConfig(r=RANK, lora_alpha=RANK, target_modules=LEAVES))
    state = {f"base_model.model.{name.removeprefix('transformer.')}": value for name, value in load(data).items()}
    problems = set_peft_model_state_dict(wrapped, state)
    assert not problems.unexpected_keys
    torch.testing.assert_close(forward(base), expected, atol=1e-5, rtol=0)


def test_ours_loads_what_peft_and_diffusers_save(base: Base, tmp_path: Path) -> None:
    alpha = 3.0 * RANK
    wrapped = get_peft_model(
        base.transformer, LoraConfig(r=RANK, lora_alpha=alpha, target_modules=LEAVES, init_lora_weights=False)
    )
    expected = forward(base)
    from_peft = save(get_peft_model_state_dict(wrapped))
    base = random_base(0)
    torch.testing.assert_close(ours(base, from_peft, alpha=alpha), expected, atol=1e-5, rtol=0)

    base.transformer.add_adapter(LoraConfig(r=RANK, lora_alpha=alpha, target_modules=LEAVES, init_lora_weights=False))
    expected = forward(base)
    base.transformer.save_lora_adapter(tmp_path)
    from_diffusers = (tmp_path / "pytorch_lora_weights.safetensors").read_bytes()
    torch.testing.assert_close(ours(random_base(0), from_diffusers, alpha=alpha), expected, atol=1e-5, rtol=0)


def refusal(base: Base, data: bytes, **known: Any) -> str:
    with pytest.raises(AdapterError) as caught:
        parse(data, targets(base.transformer), RANK, **{"base_hash": BASE_HASH, **known})
    return caught.value.reason


def changed(base: Base, **metadata: str) -> bytes:
    """A good file's tensors under other metadata."""
    return bytes(save(load(file(base)), metadata=metadata))


def test_wrong_bytes_are_refused(base: Base) -> None:
    good = file(base)
    digest = hashlib.sha256(good).hexdigest()
    tampered = good[:-1] + bytes([good[-1] ^ 1])
    assert refusal(base, tampered, sha256=digest) == "checksum"
    for data in (b"", b"no adapter", good[:-100], good[:4]):
        assert refusal(base, data) == "unreadable"
    assert refusal(base, changed(base, encore="{")) == "unreadable"
    assert refusal(base, changed(base, encore=json.dumps({"rank": 4}))) == "unreadable"


def test_wrong_bases_are_refused(base: Base) -> None:
    assert refusal(base, file(base), base_hash="d" * 64) == "wrong_base"
    assert refusal(base, changed(base)) == "wrong_base"


def test_wrong_tensors_are_refused(base: Base) -> None:
    assert refusal(base, file(base, adapter(base, 1, rank=RANK + 1))) == "rank"
    tensors, manifest = load(file(base)), manifest_of(base)
    first, second = "transformer.layers.0.mlp.up_proj.lora_A.weight", "transformer.layers.0.mlp.up_proj.lora_B.weight"

    def without(*names: str) -> bytes:
        return bytes(save({n: v for n, v in tensors.items() if n not in names}, metadata=manifest))

    assert refusal(base, without(first)) == "missing_tensors"
    assert refusal(base, without(first, second)) == "missing_tensors"
    assert refusal(base, bytes(save({}, metadata=manifest))) == "missing_tensors"
    for name, value, reason in (
        (first, tensors[first] * torch.nan, "nan"),
        (second, tensors[second] / 0, "nan"),
        (first, tensors[first].T.contiguous(), "shape"),
        ("transformer.layers.9.mlp.up_proj.lora_A.weight", tensors[first].clone(), "unknown_target"),
        ("transformer.norm_out.weight", torch.zeros(3), "unknown_target"),
    ):
        assert refusal(base, bytes(save({**tensors, name: value}, metadata=manifest))) == reason


def manifest_of(base: Base) -> dict[str, str]:
    size = int.from_bytes(file(base)[:8], "little")
    metadata: dict[str, str] = json.loads(file(base)[8 : 8 + size])["__metadata__"]
    return metadata
