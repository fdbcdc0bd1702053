"""The two encoders that stay in their packages: what of them a base was trained with, file by file.

Another release of a package would turn prompts and songs into other numbers, and nothing else would show it.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from serving.engine.bases.manifest import check_file, sha256_of
from serving.engine.bases.shipped import text
from serving.engine.errors import BaseError, PackageError
from serving.engine.hearing import tagger

# Package, then the file in it.
ENCODER_FILES = (
    f"{text.PACKAGE}/model/model.safetensors",
    f"{text.PACKAGE}/model/tokenizer.json",
    f"{tagger.PACKAGE}/{tagger.WEIGHTS}/.index",
    f"{tagger.PACKAGE}/{tagger.WEIGHTS}/.data-00000-of-00001",
)


def encoder_digests() -> dict[str, str]:
    """The sha256 of each file as it is installed here; PackageError if a package is absent."""
    return {name: sha256_of(_place(name)) for name in ENCODER_FILES}


def check_encoders(expected: Mapping[str, str]) -> None:
    """Passes if what is installed is what the base was trained with.

    Raises:
        BaseError: a file is absent or differs, or the manifest does not name exactly these files.
        PackageError: a package is not installed.
    """
    if set(expected) != set(ENCODER_FILES):
        raise BaseError(f"encoders: expected the sha256 of {', '.join(ENCODER_FILES)}, got {', '.join(expected)}")
    for name, digest in expected.items():
        check_file(_place(name), digest)


def _place(name: str) -> Path:
    package, _, path = name.partition("/")
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise PackageError(f"package {package} is not installed: it carries an encoder of the base")
    return Path(spec.origin).parent / path
