"""Adapter files: PEFT- and diffusers-named LoRA tensors in safetensors, with a manifest.

Written with the prefix `transformer.`, as diffusers pipelines do; read with that prefix, PEFT's
or none. The manifest is JSON under the metadata key `encore`. Written adapters have the scale
folded in (alpha = rank), so a reader that knows no manifest computes the same.

Not for finding or caching files: bytes come in, bytes go out.
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from serving.engine.adapters import controls as control_files
from serving.engine.adapters import scorer as scorer_files
from serving.engine.adapters.controls import Controls, controls_in
from serving.engine.adapters.pool import Factors, Shape
from serving.engine.adapters.scorer import Scorer, scorer_in
from serving.engine.errors import EngineError

MANIFEST_KEY = "encore"
BESIDE = (scorer_files.PREFIX, control_files.PREFIX)
PREFIXES = ("base_model.model.", "transformer.")

Reason = Literal[
    "checksum",
    "unreadable",
    "wrong_base",
    "wrong_listener",
    "rank",
    "missing_tensors",
    "unknown_target",
    "shape",
    "nan",
]


class AdapterError(EngineError):
    """The bytes are not an adapter that this base and pool can take; `reason` names why."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(reason, message)
        self.reason, self.message = reason, message

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class AdapterManifest:
    """What an adapter says of itself; `alpha / rank` scales tensors that are not yet folded. Without a listener it is
    of nobody in particular."""

    base_hash: str
    rank: int
    alpha: float
    targets: tuple[str, ...]
    snapshot_sha256: str
    steps: int
    listener_id: str | None = None


@dataclass(frozen=True, eq=False)
class Adapter:
    """Verified factors, ready for `Pool.write`, none where a version holds no LoRA; what else was learned of its
    listener; no manifest where a foreign file had none."""

    factors: Factors
    manifest: AdapterManifest | None
    scorer: Scorer | None = None
    controls: Controls | None = None


def dump(
    factors: Factors,
    *,
    base_hash: str,
    snapshot_sha256: str,
    steps: int,
    listener_id: str | None = None,
    scorer: Scorer | None = None,
    controls: Controls | None = None,
) -> bytes:
    """An adapter file of folded factors; the same input gives the same bytes.

    Args:
        factors: as `Pool.read` gives them, one rank for all; none = only the rest was learned.
        base_hash: `Manifest.base_hash` of the base it was trained on.
        snapshot_sha256: of the snapshot it was trained on.
        steps: optimiser steps taken.
        listener_id: whose it is.
        scorer: of the listener.
        controls: of the listener.

    Raises:
        ValueError: nothing was learned, or the factors are not of one rank.
    """
    ranks = {down.shape[1] for down, _ in factors.values()}
    if len(ranks) > 1 or not (ranks or scorer or controls):
        raise ValueError(f"expected factors of one rank, a scorer or controls, got ranks {sorted(ranks)}")
    rank = ranks.pop() if ranks else 1
    targets = tuple(sorted(factors))
    manifest = AdapterManifest(base_hash, rank, float(rank), targets, snapshot_sha256, steps, listener_id)
    parts = [part.tensors() for part in (scorer, controls) if part is not None]
    tensors = {name: value for part in parts for name, value in part.items()}
    for name, (down, up) in factors.items():
        tensors[f"transformer.{name}.lora_A.weight"] = down.T.contiguous()
        tensors[f"transformer.{name}.lora_B.weight"] = up.T.contiguous()
    text = json.dumps(asdict(manifest), sort_keys=True)
    # One key only: safetensors writes several in an order that changes from run to run.
    return bytes(save(tensors, metadata={MANIFEST_KEY: text}))


def parse(
    data: bytes,
    shapes: Mapping[str, Shape],
    rank: int,
    *,
    base_hash: str | None = None,
    sha256: str | None = None,
    listener_id: str | None = None,
    alpha: float | None = None,
) -> Adapter:
    """Verifies an adapter file against the base and the pool it is meant for.

    Args:
        data: the file.
        shapes: the pool's targets; an adapter may leave some out, never add one.
        rank: the pool's; larger ranks are refused.
        base_hash: that the manifest must name; None also takes files without a manifest.
        sha256: that the bytes must have, where it is known.
        listener_id: whose the manifest must say that it is, if it says so and this is given.
        alpha: of a file without a manifest; default is its rank, as PEFT and diffusers assume.

    Raises:
        AdapterError: with the first thing that is wrong.
    """
    if sha256 is not None and (got := hashlib.sha256(data).hexdigest()) != sha256:
        raise AdapterError("checksum", f"expected sha256 {sha256}, got {got}")
    tensors, manifest = _read(data)
    if base_hash is not None and (manifest is None or manifest.base_hash != base_hash):
        got = "no manifest" if manifest is None else manifest.base_hash
        raise AdapterError("wrong_base", f"expected an adapter of base {base_hash}, got {got}")
    named = None if manifest is None else manifest.listener_id
    if listener_id is not None and named not in (None, listener_id):
        raise AdapterError("wrong_listener", f"expected an adapter of listener {listener_id}, got {named}")
    scorer, controls = _beside(tensors)
    lora = {key: value for key, value in tensors.items() if not key.startswith(BESIDE)}
    pairs = {} if (scorer or controls) and not lora else _pairs(lora, manifest, shapes)
    for name, (down, up) in pairs.items():
        _check(name, down, up, shapes[name], rank)
    _require_finite(pairs)
    return Adapter({name: _folded(*pair, manifest, alpha) for name, pair in pairs.items()}, manifest, scorer, controls)


def _beside(tensors: Mapping[str, Tensor]) -> tuple[Scorer | None, Controls | None]:
    try:
        return scorer_in(tensors), controls_in(tensors)
    except ValueError as error:
        raise AdapterError("unreadable", f"not a version file: {error}") from error


def _read(data: bytes) -> tuple[dict[str, Tensor], AdapterManifest | None]:
    try:
        tensors = load(data)
        size = struct.unpack("<Q", data[:8])[0]
        metadata: dict[str, str] = json.loads(data[8 : 8 + size]).get("__metadata__") or {}
        text = metadata.get(MANIFEST_KEY)
        return tensors, None if text is None else _manifest(json.loads(text))
    except (SafetensorError, ValueError, TypeError, KeyError, struct.error) as error:
        raise AdapterError("unreadable", f"not an adapter file: {error}") from error


def _manifest(raw: dict[str, Any]) -> AdapterManifest:
    manifest = AdapterManifest(**raw | {"targets": tuple(raw["targets"])})
    if manifest.rank < 1 or not manifest.alpha > 0:
        raise ValueError(f"rank {manifest.rank}, alpha {manifest.alpha}")
    return manifest


def _pairs(
    tensors: dict[str, Tensor], manifest: AdapterManifest | None, shapes: Mapping[str, Shape]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Down [rank, in] and up [out, rank] of each target as stored."""
    sides: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        name, side = _target(key)
        sides.setdefault(name, {})[side] = value
    if unknown := sorted(set(sides) - set(shapes)):
        raise AdapterError("unknown_target", f"no such target: {', '.join(unknown[:3])}")
    wanted = set(sides) if manifest is None else set(sides) | set(manifest.targets)
    missing = sorted(name for name in wanted if set(sides.get(name, {})) != {"A", "B"})
    if missing or not wanted:
        raise AdapterError("missing_tensors", f"lora_A or lora_B is missing: {', '.join(missing[:3]) or 'all'}")
    return {name: (side["A"], side["B"]) for name, side in sides.items()}


def _target(key: str) -> tuple[str, str]:
    for prefix in PREFIXES:
        key = key.removeprefix(prefix)
    for side in ("A", "B"):
        for ending in (f".lora_{side}.weight", f".lora_{side}.default.weight"):
            if key.endswith(ending):
                return key.removesuffix(ending), side
    raise AdapterError("unknown_target", f"not a LoRA tensor: {key}")


def _check(name: str, down: Tensor, up: Tensor, shape: Shape, rank: int) -> None:
    own = down.shape[0] if down.ndim == 2 else 0
    if (tuple(down.shape), tuple(up.shape)) != ((own, shape.features_in), (shape.features_out, own)):
        raise AdapterError("shape", f"{name}: lora_A {tuple(down.shape)}, lora_B {tuple(up.shape)} do not fit")
    if not 1 <= own <= rank:
        raise AdapterError("rank", f"{name}: rank {own}, the pool takes 1 to {rank}")


def _require_finite(pairs: Mapping[str, tuple[Tensor, Tensor]]) -> None:
    """Sums first: they show every number that is not finite, in a third of the time of looking at each."""
    if not pairs:
        return
    sums = torch.stack([side.sum(dtype=torch.float32) for pair in pairs.values() for side in pair])
    if sums.isfinite().all():
        return
    for name, pair in pairs.items():
        if not all(side.isfinite().all() for side in pair):
            raise AdapterError("nan", f"{name}: holds a number that is not finite")


def _folded(down: Tensor, up: Tensor, manifest: AdapterManifest | None, alpha: float | None) -> tuple[Tensor, Tensor]:
    rank = down.shape[0]
    if manifest is not None:
        alpha = manifest.alpha
    scale = 1.0 if alpha is None else alpha / rank
    up = up if scale == 1.0 else (up.to(torch.float32) * scale).to(up.dtype)
    return down.T.contiguous(), up.T.contiguous()
