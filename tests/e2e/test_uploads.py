"""Files as strangers bring them, through the real gateway and the real engine."""

import httpx
import pytest

from tests.cases import REFUSED, RIGHT, case
from tests.serving.sounds import coded, encoded, melody
from tests.stacks import RunningStack

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def http(stack: RunningStack) -> httpx.Client:
    headers = {"Authorization": f"Bearer {stack.token('service')}"}
    return httpx.Client(base_url=stack.gateway_url, headers=headers, timeout=180)


def brought(http: httpx.Client, data: bytes) -> httpx.Response:
    """The answer to a new listener's only song, which says nothing of what it is."""
    listener_id = http.post("/v1/listeners", json={}).raise_for_status().json()["listener_id"]
    return http.post(f"/v1/listeners/{listener_id}/songs", files={"file": ("song", data, "application/octet-stream")})


@pytest.mark.parametrize(("name", "seconds"), RIGHT.items())
def test_a_file_has_its_right_length(http: httpx.Client, name: str, seconds: float) -> None:
    answer = brought(http, case(name))
    assert answer.status_code == 201, answer.text
    assert answer.json()["seconds"] == pytest.approx(seconds, abs=0.1)


@pytest.mark.parametrize("kind", ["opus", "m4a"])
def test_what_phones_record_is_a_song(http: httpx.Client, kind: str) -> None:
    assert brought(http, coded(melody(3, 48_000), kind)).json()["seconds"] == pytest.approx(3, abs=0.1)


def test_what_is_no_song_is_refused_by_name(http: httpx.Client) -> None:
    files = {name: case(name) for name in REFUSED} | {
        "words": b"these are words " * 99,
        "flac": encoded(melody(5), kind="FLAC")[:30],
        "rate": encoded(melody(5), 7_000),
    }
    codes = REFUSED | {"words": "not_audio", "flac": "truncated", "rate": "unsupported_rate"}
    for name, data in files.items():
        answer = brought(http, data)
        assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, codes[name], "file")
