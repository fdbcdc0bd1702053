"""The real promtool, fetched once into `.encore/tools` from Debian's package `prometheus`, which is not installed."""

import subprocess
import tempfile
from pathlib import Path

from infra.local.system import Tool, ensure
from tests.helm.binary import TOOLS

APT = Tool("apt-get and dpkg-deb", ("apt-get", "dpkg-deb"), "apt")


def promtool() -> Path:
    """The path of an executable promtool.

    Raises:
        MissingTool: this is no Debian.
    """
    target = TOOLS / "promtool"
    if not target.exists():
        ensure([APT])
        TOOLS.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=TOOLS) as folder:
            _run("apt-get", "-q", "download", "prometheus", folder=folder)
            (package,) = Path(folder).glob("*.deb")
            _run("dpkg-deb", "-x", package.name, "unpacked", folder=folder)
            (Path(folder) / "unpacked/usr/bin/promtool").rename(target)
    return target


def _run(*command: str, folder: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
