"""`base.json`: which weights a base is made of, each by its sha256, and how it is best sampled."""

import hashlib
import json
import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from serving.engine.errors import BaseError

MANIFEST = "base.json"
# Of diffusers' pipelines; a folder that has one holds an ACE-Step checkpoint.
INDEX = "model_index.json"
# 1 had no plan, 2 no vocoder.
FORMAT = 3


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
    """What `base.json` says about the weights beside it.

    Attributes:
        files: sha256 of each file beside it.
        encoders: sha256 of files that stay in installed packages, by package and path.
    """

    files: Mapping[str, str]
    sampling: Sampling = Sampling()
    scores: Mapping[str, float] = field(default_factory=dict)
    encoders: Mapping[str, str] = field(default_factory=dict)

    @property
    def base_hash(self) -> str:
        """One name for the whole base: sha256 over the names and sha256 of its files."""
        lines = [f"{name} {digest}\n" for name, digest in sorted(self.files.items())]
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_manifest(folder: str | Path, needed: Collection[str]) -> Manifest:
    """The manifest in `folder`; BaseError if it is absent, of another format or lacks a needed file."""
    path = Path(folder) / MANIFEST
    try:
        raw = json.loads(path.read_text())
        if raw["format"] != FORMAT:
            raise BaseError(f"{path}: format {raw['format']}, this engine reads {FORMAT}")
        files = {str(name): str(digest) for name, digest in raw["files"].items()}
        encoders = {str(name): str(digest) for name, digest in raw["encoders"].items()}
        manifest = Manifest(files, Sampling(**raw["sampling"]), raw["scores"], encoders)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BaseError(f"{path}: not a readable manifest: {error!r}") from error
    if missing := set(needed) - set(files):
        raise BaseError(f"{path}: names no {', '.join(sorted(missing))}")
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes `base.json` beside the files that it names."""
    body = {"format": FORMAT, "base_hash": manifest.base_hash} | asdict(manifest)
    (folder / MANIFEST).write_text(json.dumps(body, indent=2, sort_keys=True) + "\n")


def check_file(path: Path, expected: str) -> None:
    """BaseError if the file is absent or differs from its sha256."""
    if not path.is_file():
        raise BaseError(f"{path}: absent, expected sha256 {expected}")
    got = sha256_of(path)
    if got != expected:
        raise BaseError(f"{path}: expected sha256 {expected}, got {got}")


def sha256_of(path: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
