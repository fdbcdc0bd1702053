"""Every wrong request is answered with a code, the field and what was expected there; nothing half-written stays."""

import http.client
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.generation import MAX_SONG_BYTES
from services.gateway.bodies import MAX_JSON_BYTES
from tests.services.gateway.conftest import Gateway
from tests.services.gateway.engine import WORDS

NOBODY = "019a0000-0000-7000-8000-000000000000"


def problem(answer: httpx.Response, status: int, code: str, field: str | None) -> dict[str, Any]:
    """The problem in an answer, which must be whole."""
    body = answer.json()
    assert (answer.status_code, body["code"], body["field"]) == (status, code, field), body
    assert body["message"]
    assert body["expected"]
    assert body["request_id"] == answer.headers["x-request-id"]
    return dict(body)


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic abc"}])
@pytest.mark.parametrize("path", ["/v1/listeners/x", "/v1/uplift", f"/v1/tracks/{NOBODY}/audio"])
def test_no_token_no_entry(gateway: Gateway, path: str, header: dict[str, str]) -> None:
    answer = httpx.get(gateway.url + path, headers=header, timeout=60)
    problem(answer, 401, "unauthorized", "Authorization")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"seconds": 121}, "out_of_range", "seconds"),
        ({"seconds": 1}, "out_of_range", "seconds"),
        ({"seconds": "long"}, "wrong_type", "seconds"),
        ({"seed": -1}, "out_of_range", "seed"),
        ({"prompt": "x" * 301}, "out_of_range", "prompt"),
        ({"prompt": "a\0b"}, "invalid_value", "prompt"),
        ({"prompt": "slow " * (WORDS + 1)}, "prompt_too_long", "prompt"),
        ({"listener_id": "me"}, "wrong_type", "listener_id"),
        ({"tempo": 3}, "unknown_field", "tempo"),
        ({"guidance": 99}, "unknown_field", "guidance"),
        ({"language": "xx"}, "unknown_field", "language"),
    ],
)
def test_a_wish_out_of_range(gateway: Gateway, listener_id: str, body: dict[str, Any], code: str, field: str) -> None:
    for path in ("/v1/tracks", "/v1/pairs"):
        problem(gateway.http.post(path, json={"listener_id": listener_id, **body}), 422, code, field)
    assert gateway.http.get(f"/v1/listeners/{listener_id}/tracks").json() == []


def test_a_prompt_of_which_the_engine_says_nothing_is_taken(gateway: Gateway, listener_id: str) -> None:
    gateway.engine.mute = True
    gateway.ask(listener_id, prompt="slow " * (WORDS + 1))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_length_that_is_no_number(gateway: Gateway, listener_id: str, number: str) -> None:
    body = f'{{"listener_id": "{listener_id}", "seconds": {number}}}'.encode()
    answer = gateway.http.post("/v1/tracks", content=body, headers={"Content-Type": "application/json"})
    problem(answer, 422, "out_of_range", "seconds")


def test_a_missing_field(gateway: Gateway) -> None:
    problem(gateway.http.post("/v1/tracks", json={}), 422, "missing_field", "listener_id")


def test_malformed_json(gateway: Gateway) -> None:
    for path in ("/v1/listeners", "/v1/tracks", "/v1/events", "/v1/rounds"):
        answer = gateway.http.post(path, content=b'{"a": ', headers={"Content-Type": "application/json"})
        problem(answer, 400, "malformed_json", "body")


def test_a_json_body_that_is_too_large(gateway: Gateway) -> None:
    body = b'["' + b"x" * MAX_JSON_BYTES + b'"]'
    problem(gateway.http.post("/v1/events", content=body), 413, "too_large", "body")


@pytest.mark.parametrize(
    ("path", "code", "field"),
    [
        (f"/v1/listeners/{NOBODY}", "unknown_listener", "listener_id"),
        (f"/v1/listeners/{NOBODY}/songs", "unknown_listener", "listener_id"),
        (f"/v1/listeners/{NOBODY}/tracks", "unknown_listener", "listener_id"),
        (f"/v1/tracks/{NOBODY}", "unknown_track", "track_id"),
        (f"/v1/tracks/{NOBODY}/audio", "unknown_track", "track_id"),
        (f"/v1/tracks/{NOBODY}/events", "unknown_track", "track_id"),
        (f"/v1/pairs/{NOBODY}", "unknown_pair", "pair_id"),
        (f"/v1/fours/{NOBODY}", "unknown_four", "four_id"),
        (f"/v1/rounds/{NOBODY}", "unknown_round", "round_id"),
        (f"/v1/releases/{NOBODY}", "unknown_release", "release_id"),
    ],
)
def test_things_that_are_not_there(gateway: Gateway, path: str, code: str, field: str) -> None:
    problem(gateway.http.get(path), 404, code, field)


def test_wishes_of_nobody(gateway: Gateway) -> None:
    for path in ("/v1/tracks", "/v1/pairs", "/v1/fours"):
        problem(gateway.http.post(path, json={"listener_id": NOBODY}), 404, "unknown_listener", "listener_id")
    problem(gateway.upload(NOBODY), 404, "unknown_listener", "listener_id")
    problem(gateway.http.post("/v1/rounds", json={"listeners": [NOBODY]}), 404, "unknown_listener", "listener_id")


@pytest.mark.parametrize("attributes", [{"Home": "folk"}, {"home": ""}, {"home": "a\nb"}])
def test_wrong_attributes(gateway: Gateway, attributes: dict[str, str]) -> None:
    answer = gateway.http.post("/v1/listeners", json={"attributes": attributes})
    assert answer.status_code == 422
    assert answer.json()["field"].startswith("attributes")


def test_uploads_that_are_no_songs(gateway: Gateway, listener_id: str) -> None:
    problem(gateway.upload(listener_id, b"x", "text/plain"), 422, "not_audio", "file")
    problem(gateway.upload(listener_id, b""), 422, "empty_file", "file")
    problem(gateway.upload(listener_id, b"this is no audio"), 422, "not_audio", "file")
    path = f"/v1/listeners/{listener_id}/songs"
    problem(
        gateway.http.post(path, content=b"RIFF", headers={"Content-Type": "audio/wav"}),
        415,
        "wrong_content_type",
        "file",
    )
    problem(gateway.http.post(path, files={"other": ("a.wav", b"x", "audio/wav")}), 422, "missing_field", "file")
    broken = {"Content-Type": "multipart/form-data; boundary=b"}
    problem(gateway.http.post(path, content=b"no parts", headers=broken), 400, "malformed_body", "body")
    assert gateway.http.get(path).json() == []
    assert not any(Path(gateway.settings.store_url.removeprefix("file://"), "songs").glob("*"))


def test_an_upload_above_the_limit_is_refused_before_it_is_sent(gateway: Gateway, listener_id: str) -> None:
    connection = http.client.HTTPConnection(gateway.url.removeprefix("http://"), timeout=60)
    connection.putrequest("POST", f"/v1/listeners/{listener_id}/songs")
    connection.putheader("Authorization", f"Bearer {gateway.token('service')}")
    connection.putheader("Content-Type", "multipart/form-data; boundary=b")
    connection.putheader("Content-Length", str(MAX_SONG_BYTES * 2))
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, json.load(answer)["code"]) == (413, "too_large")
    connection.close()


def test_an_upload_of_undeclared_length_is_refused_at_the_limit(gateway: Gateway, listener_id: str) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'
    pieces = (head, *(bytes(1024 * 1024) for _ in range(51)))
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = gateway.http.post(f"/v1/listeners/{listener_id}/songs", content=iter(pieces), headers=headers)
    problem(answer, 413, "too_large", "file")


def test_enough_is_enough(gateway: Gateway, listener_id: str) -> None:
    gateway.engine.paused = True
    for _ in range(gateway.settings.open_tracks_per_listener):
        gateway.ask(listener_id)
    answer = gateway.http.post("/v1/tracks", json={"listener_id": listener_id})
    problem(answer, 429, "too_many_open_tracks", "listener_id")
    assert int(answer.headers["retry-after"]) > 0
    gateway.engine.paused = False


def test_audio_that_is_not_ready(gateway: Gateway, listener_id: str) -> None:
    gateway.engine.paused = True
    track_id = gateway.ask(listener_id)["track_id"]
    problem(gateway.http.get(f"/v1/tracks/{track_id}/audio"), 409, "track_not_ready", "track_id")
    gateway.engine.paused = False


def test_the_document_names_every_route(gateway: Gateway) -> None:
    document = httpx.get(f"{gateway.url}/openapi.json", timeout=60).json()
    assert {"/v1/events", "/v1/tracks/{track_id}/audio", "/v1/uplift", "/health"} <= set(document["paths"])
    assert "PlayEvent" in document["components"]["schemas"]


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_there_is_no_page_whose_scripts_come_from_elsewhere(gateway: Gateway, path: str) -> None:
    assert gateway.http.get(path).status_code == 404
