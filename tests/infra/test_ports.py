"""A stack keeps its ports while it can, and gives way when others have them or are about to."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.home import PROJECT
from infra.local.ports import LOOPBACK, USUAL, Claim, choose, claims, is_free

OTHER_LAUNCHER = (
    "import pathlib, sys\n"
    "from infra.local.ports import choose, claims\n"
    "with claims() as claim:\n"
    "    choose(pathlib.Path(sys.argv[1]), claim, usual=False)\n"
    "    print('chosen', flush=True)\n"
    "    sys.stdin.read()\n"
)


@pytest.fixture
def claim() -> Iterator[Claim]:
    with claims() as claim:
        yield claim


def test_ports_are_distinct_and_free(tmp_path: Path, claim: Claim) -> None:
    ports = choose(tmp_path / "ports.json", claim, usual=False)
    assert ports.keys() == USUAL.keys()
    assert len(set(ports.values())) == len(ports)
    assert all(is_free(port) for port in ports.values())


def test_ports_are_remembered(tmp_path: Path, claim: Claim) -> None:
    file = tmp_path / "ports.json"
    assert choose(file, claim, usual=False) == choose(file, claim, usual=False) == json.loads(file.read_text())


def test_a_taken_port_is_left_to_its_owner_and_the_others_stay(tmp_path: Path, claim: Claim) -> None:
    file = tmp_path / "ports.json"
    before = choose(file, claim, usual=False)
    with socket.create_server((LOOPBACK, before["kafka"])):
        assert not is_free(before["kafka"])
        after = choose(file, claim, usual=False)
    assert after["kafka"] != before["kafka"]
    assert {name for name in before if before[name] != after[name]} == {"kafka"}


def test_ports_that_another_launcher_has_chosen_are_left_to_it_until_it_ends(tmp_path: Path) -> None:
    """Nothing listens on them yet: only the claim says that they are taken."""
    with claims() as claim:
        wished = choose(tmp_path / "wished.json", claim, usual=False)
    files = [tmp_path / name for name in ("theirs.json", "ours.json")]
    for file in files:
        file.write_text(json.dumps(wished))
    command = [sys.executable, "-c", OTHER_LAUNCHER, str(files[0])]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "chosen\n"
        theirs = json.loads(files[0].read_text())
        with claims() as claim:
            assert not set(choose(files[1], claim, usual=False).values()) & set(theirs.values())
        other.kill()
    with claims() as claim:
        assert all(claim(port) for port in theirs.values())


def test_usual_ports_are_taken_when_they_are_free(tmp_path: Path, claim: Claim) -> None:
    free = {name for name, port in USUAL.items() if claim(port) and is_free(port)}
    ports = choose(tmp_path / "ports.json", claim)
    assert {name for name in free if is_free(USUAL[name]) and ports[name] != USUAL[name]} == set()


def test_a_damaged_file_is_no_obstacle(tmp_path: Path, claim: Claim) -> None:
    file = tmp_path / "ports.json"
    file.write_text('{"kafka": "x", ')
    assert choose(file, claim, usual=False).keys() == USUAL.keys()
