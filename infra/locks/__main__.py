"""`python -m infra.locks`: makes every pinned set anew from the dependency groups of `pyproject.toml`, with the hashes
of what may be installed. What is pinned already stays as it is, unless a group asks for another version.

A file as it is written names no registry: whoever installs says where from.
"""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
PROJECT = FOLDER.parents[1]
GROUPS = ("services", "serving", "training", "local", "dev")
"""A group of `pyproject.toml` each."""
WHEELS = ("weights", "judge")
"""Named by `<name>.in`: wheels that are installed without what they depend on."""
OPTIONS = ("--python-version", "3.11", "--no-annotate", "--no-header", "--no-emit-index-url", "--generate-hashes", "-q")


def main(uv: Path) -> None:
    """Writes the files; subprocess.CalledProcessError when a set cannot be resolved."""
    for group in GROUPS:
        _compile(uv, "pyproject.toml", "--group", group, to=group)
    for name in WHEELS:
        _compile(uv, f"infra/locks/{name}.in", "--no-deps", to=name)


def _compile(uv: Path, *source: str, to: str) -> None:
    command = [str(uv), "pip", "compile", *source, *OPTIONS, "-o", f"infra/locks/{to}.txt"]
    subprocess.run(command, cwd=PROJECT, check=True)
    print(f"written: infra/locks/{to}.txt")


if __name__ == "__main__":
    main(Path(sys.executable).with_name("uv"))
