"""Keys are known before they sign, two are valid at once, and a file that cannot be read changes nothing."""

import os
import stat
import time
from pathlib import Path

import pytest

from services.principals import keys as module
from services.principals.__main__ import main
from services.principals.keys import (
    BETWEEN_S,
    SIGNS_AFTER_S,
    KeyFile,
    Keys,
    KeysError,
    first,
    load,
    made,
    parsed,
    rotated,
    save,
    written,
)


def ids(keys: Keys) -> list[str]:
    return [key.key_id for key in keys.keys]


def test_a_key_set_is_read_as_it_was_written() -> None:
    keys = Keys((made(1.0), made(2.0)))
    again = parsed(written(keys))
    assert ids(again) == ids(keys)
    assert [key.private.private_bytes_raw() for key in again.keys] == [
        key.private.private_bytes_raw() for key in keys.keys
    ]


def test_a_new_key_signs_once_everybody_knows_it() -> None:
    old = Keys((made(0.0),))
    both = rotated(old, 10_000.0)
    assert both.signing(10_000.0 + SIGNS_AFTER_S - 1) is both.keys[0]
    assert both.signing(10_000.0 + SIGNS_AFTER_S) is both.keys[1]
    assert both.find(ids(old)[0]) is not None


def test_the_second_rotation_ends_the_oldest_key_and_waits_for_its_tokens() -> None:
    both = rotated(Keys((made(0.0),)), 10_000.0)
    with pytest.raises(KeysError, match="wait"):
        rotated(both, 10_000.0 + BETWEEN_S - 1)
    after = rotated(both, 10_000.0 + BETWEEN_S)
    assert ids(after)[0] == ids(both)[1]
    assert after.find(ids(both)[0]) is None


def test_a_key_that_has_leaked_ends_at_once() -> None:
    keys = Keys((made(0.0),))
    alone = rotated(keys, 1.0, at_once=True)
    assert len(alone.keys) == 1
    assert alone.find(ids(keys)[0]) is None
    assert alone.signing(1.0) is alone.keys[0]


@pytest.mark.parametrize(
    "text", ["", "{}", '{"keys": []}', '{"keys": [{"kty": "RSA", "crv": "none", "kid": "a"}]}', "[1]"]
)
def test_what_is_no_key_set_is_refused(text: str) -> None:
    with pytest.raises(KeysError):
        parsed(text)


def test_only_its_owner_reads_the_file(tmp_path: Path) -> None:
    first(tmp_path / "keys.json")
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600


def test_what_a_killed_rotation_has_left_goes_with_the_next_and_what_is_another_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    first(path)
    left, young = tmp_path / "keys.json.4711", tmp_path / "keys.json.4712"
    stays = [tmp_path / "keys.json.backup", tmp_path / "keys.jsons.4711", young]
    for file in (left, *stays):
        file.write_text(path.read_text())
    for file in (left, *stays[:2]):
        os.utime(file, (1, 1))
    save(path, rotated(load(path), time.time()))
    assert set(tmp_path.iterdir()) == {path, *stays}


def test_a_running_process_follows_the_file_and_survives_its_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOOK_S", 0.0)
    path = tmp_path / "keys.json"
    first(path)
    file = KeyFile(path)
    newer = rotated(file.current(), time.time())
    save(path, newer)
    assert ids(file.current()) == ids(newer)
    path.write_text("half a fi")
    os.utime(path, (1, 1))
    assert ids(file.current()) == ids(newer)
    path.unlink()
    assert ids(file.current()) == ids(newer)


def test_the_command_makes_shows_and_rotates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "keys.json")
    assert main(["--keys", path, "list"]) == 1
    assert "cannot be read" in capsys.readouterr().err
    assert main(["--keys", path, "new"]) == 0
    assert main(["--keys", path, "new"]) == 1
    capsys.readouterr()
    assert main(["--keys", path, "rotate"]) == 0
    assert main(["--keys", path, "list"]) == 0
    shown = capsys.readouterr().out.splitlines()[-2:]
    assert [line.split()[0] for line in shown] == ids(load(Path(path)))
    assert "signs" in shown[0]
