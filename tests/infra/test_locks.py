"""Every pin carries hashes, and whoever installs asks for them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "infra/locks").glob("*.txt"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_pin_has_hashes_and_no_registry_is_named(lock: Path) -> None:
    text = lock.read_text()
    pins = re.findall(r"^(\S+==\S+)((?: ?\\\n +--hash=sha256:[0-9a-f]{64})*)", text, re.MULTILINE)
    assert pins
    assert [pin for pin, hashes in pins if not hashes] == []
    assert "://" not in text


def test_images_install_nothing_without_its_hash() -> None:
    for image in (ROOT / "infra/docker").glob("*.Dockerfile"):
        for line in re.findall(r"uv pip install .*", image.read_text()):
            assert "--require-hashes" in line, image.name
