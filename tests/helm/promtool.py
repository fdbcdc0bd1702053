"""The real promtool, fetched once into `.encore/tools` from Debian's package `prometheus`, which is not installed."""

import tempfile
from pathlib import Path

from infra.local.system import Tool, ensure
from tests.fetching import fetch
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
            fetch(["apt-get", "-q", "download", "prometheus"], folder)
            (package,) = Path(folder).glob("*.deb")
            fetch(["dpkg-deb", "-x", package.name, "unpacked"], folder)
            (Path(folder) / "unpacked/usr/bin/promtool").rename(target)
    return target
