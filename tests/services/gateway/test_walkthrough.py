"""The walk-through in docs/listening.md does what it says, block after block, against the whole stack."""

import os
import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.services.gateway.engine import wav
from tests.stacks import RunningStack

PAGE: Final = Path(__file__).parents[3] / "docs" / "listening.md"
MARK: Final = "--- end of block ---"


def blocks() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)


def outputs(url: str, service: str, operator: str, folder: Path) -> list[str]:
    """What each block prints; a block that fails ends the run with an error."""
    (folder / "song.wav").write_bytes(wav(4))
    script = "set -eu -o pipefail\n" + "".join(f"{block}\necho; echo '{MARK}'\n" for block in blocks())
    environment = os.environ | {"ENCORE_URL": url, "ENCORE_SERVICE_TOKEN": service, "ENCORE_OPERATOR_TOKEN": operator}
    ran = subprocess.run(
        ["bash", "-c", script], env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=900
    )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    return ran.stdout.split(MARK)[:-1]


def check(url: str, service: str, operator: str, folder: Path) -> None:
    printed = outputs(url, service, operator, folder)
    assert len(printed) == len(blocks())
    text = "\n".join(printed)
    assert '"home":"folk"' in text
    assert text.count("event: ready") == 3
    assert '{"accepted":3,"rejected":[]}' in text
    assert '"accepted":1,"rejected":[{"index":0' in text
    assert (folder / "track.flac").read_bytes()[:4] == b"fLaC" == (folder / "first-bytes").read_bytes()
    assert '"uplift":' in text
    assert '"code":"unauthorized"' in printed[-1]


@pytest.mark.e2e
def test_the_walkthrough_works_as_printed(stack: RunningStack, tmp_path: Path) -> None:
    check(stack.gateway_url, stack.token("service"), stack.token("operator"), tmp_path)
