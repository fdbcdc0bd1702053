"""Run while an image is built: every module of the copied folders can be imported, and no library is there that this
image must do without. `python infra/docker/guard.py services schemas --without torch,ray`. Standard library only."""

import argparse
import importlib
import importlib.metadata
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path


def modules(root: Path, folders: Sequence[str]) -> Iterator[str]:
    """Names of all modules below the folders; `__main__` files are programs, not modules."""
    for folder in folders:
        for file in sorted((root / folder).rglob("*.py")):
            parts = file.relative_to(root).with_suffix("").parts
            if parts[-1] != "__main__":
                yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def unloadable(names: Iterator[str]) -> dict[str, str]:
    """The modules that cannot be imported, each with its reason."""
    reasons = {}
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 (whatever it is, the image is not whole)
            reasons[name] = f"{type(error).__name__}: {error}"
    return reasons


def present(distributions: Sequence[str]) -> list[str]:
    """Which of these distributions are installed."""
    installed = {entry.metadata["Name"].lower().replace("_", "-") for entry in importlib.metadata.distributions()}
    return [name for name in distributions if name.lower().replace("_", "-") in installed]


def main(arguments: Sequence[str]) -> int:
    """0 when the image is as it should be; every complaint is one line on stderr."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--root", type=Path, default=Path.cwd())
    parser.add_argument("--without", default="", metavar="NAME,NAME", help="distributions that may not be installed")
    chosen = parser.parse_args(arguments)
    sys.path.insert(0, str(chosen.root))
    complaints = [
        f"{name} cannot be imported: {why}" for name, why in unloadable(modules(chosen.root, chosen.folders)).items()
    ]
    complaints += [f"{name} does not belong into this image" for name in present(chosen.without.split(","))]
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
