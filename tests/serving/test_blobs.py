"""Files are whole or absent, and nothing outside the store is touched."""

from pathlib import Path

import pytest

from schemas.blobs import features_name
from serving.blobs import Blobs
from serving.errors import Refused


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs((tmp_path / "store").as_uri())


def code(caught: pytest.ExceptionInfo[Refused]) -> tuple[int, str, str | None]:
    return caught.value.status, caught.value.problem.code, caught.value.problem.field


def test_what_is_written_is_read(blobs: Blobs, tmp_path: Path) -> None:
    url = (tmp_path / "store/tracks/a/audio.flac").as_uri()
    assert blobs.write(url, b"first") == b"first"
    assert blobs.write(url, b"second") == b"first"
    assert blobs.read(url, field="songs") == b"first"
    assert [path.name for path in (tmp_path / "store/tracks/a").iterdir()] == ["audio.flac"]


@pytest.mark.parametrize("outside", ["elsewhere/x", "store", "store/../elsewhere/x", "store-too/x"])
def test_outside_the_store_is_refused(blobs: Blobs, tmp_path: Path, outside: str) -> None:
    for url in ((tmp_path).as_uri() + f"/{outside}", f"memory://{tmp_path}/store/x"):
        with pytest.raises(Refused) as caught:
            blobs.read(url, field="file")
        assert code(caught) == (422, "outside_store", "file")
        with pytest.raises(Refused):
            blobs.write(url, b"x")


def test_absent_and_too_large_are_told_apart(blobs: Blobs, tmp_path: Path) -> None:
    url = (tmp_path / "store/incoming/a").as_uri()
    with pytest.raises(Refused) as caught:
        blobs.read(url, field="file", most=3)
    assert code(caught) == (404, "not_found", "file")
    blobs.write(url, b"four")
    with pytest.raises(Refused) as caught:
        blobs.read(url, field="file", most=3)
    assert code(caught) == (413, "too_large", "file")


def test_a_file_that_is_not_what_its_name_says_is_refused(blobs: Blobs, tmp_path: Path) -> None:
    url = (tmp_path / "store/songs/a" / features_name(b"these")).as_uri()
    blobs.write(url, b"those")
    with pytest.raises(Refused) as caught:
        blobs.read(url, field="songs")
    assert code(caught) == (422, "damaged", "songs")


def test_only_a_replaced_file_changes(blobs: Blobs) -> None:
    for text in (b"first", b"second"):
        blobs.replace("engine/list.json", text)
        assert blobs.read(blobs.url("engine/list.json"), field="published") == text


def test_a_store_that_is_away_is_a_503(blobs: Blobs, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where the folder should be")
    with pytest.raises(Refused) as caught:
        blobs.write((tmp_path / "store/tracks/a").as_uri(), b"x")
    assert code(caught)[:2] == (503, "store_away")
