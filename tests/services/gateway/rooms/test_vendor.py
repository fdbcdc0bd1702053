"""What stands under `vendor/` is what its packages hold, to the byte, and nothing else."""

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[4]
FOLDERS = (ROOT / "services/gateway/static/vendor", Path(__file__).parent / "vendor")
PACKAGES = [(folder, package) for folder in FOLDERS for package in json.loads((folder / "packages.json").read_text())]


def place(folder: Path, package: dict[str, Any], name: str) -> Path:
    title: str = package["name"]
    return folder / title.rpartition("/")[2].removesuffix(".js") / Path(name).name


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_each_file_is_the_listed_one(folder: Path) -> None:
    listed = {
        place(folder, package, name): digest
        for where, package in PACKAGES
        if where == folder
        for name, digest in package["files"].items()
    }
    found = {file: sha256(file.read_bytes()) for file in folder.glob("*/**/*") if file.is_file()}
    assert found == listed


@pytest.mark.parametrize(("folder", "package"), PACKAGES, ids=[each["name"] for _, each in PACKAGES])
def test_each_file_is_the_packages(folder: Path, package: dict[str, Any], tmp_path: Path) -> None:
    archive = fetched(package, tmp_path)
    content = archive.read_bytes()
    assert "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode() == package["integrity"]
    with tarfile.open(archive) as opened:
        for name in package["files"]:
            member = opened.extractfile(f"package/{name}")
            assert member is not None
            assert member.read() == place(folder, package, name).read_bytes(), name


def fetched(package: dict[str, Any], folder: Path) -> Path:
    """The package's archive, by its ordinary client; where that is missing or far from its registry, no test."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm here")
    command = [npm, "pack", "--silent", f"{package['name']}@{package['version']}", "--pack-destination", str(folder)]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.skip("the registry does not answer")
    if done.returncode:
        pytest.skip(f"the package cannot be fetched: {done.stderr.strip()[-200:]}")
    return folder / done.stdout.split()[-1]
