"""Who has no token of the engine is refused at every route that does anything, before the request is read."""

from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.engine_token import headers, is_known, tokens
from serving.app import Ingress, fingerprint
from serving.settings import Settings
from tests.serving.replicas import Replicas, settings

OPEN = {"/health", "/metrics"}
OLD, NEW = "the-token-of-before", "the-token-after-it"
TOKENS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=","), min_size=16)


def web(folder: Path, secret: str) -> TestClient:
    return TestClient(Ingress(Replicas([]), settings(folder, engine_token=secret), "mark").web())


def test_every_route_but_health_and_metrics_asks_for_the_token(tmp_path: Path) -> None:
    app = Ingress(Replicas([]), settings(tmp_path, engine_token=NEW), "mark").web()
    client, routes = TestClient(app), [route for route in app.routes if isinstance(route, APIRoute)]
    assert {route.path for route in routes} > OPEN
    for route in routes:
        for said in ({}, headers(OLD), {"Authorization": NEW}, {"Authorization": f"Basic {NEW}"}):
            method = next(iter(route.methods or ()))
            answer = client.request(method, route.path, headers=said, content=b"no JSON")
            assert (answer.status_code == 401) is (route.path not in OPEN), route.path
        known = client.request(method, route.path, headers=headers(NEW), content=b"no JSON")
        assert known.status_code != 401
    refused = client.post("/tracks", json={})
    assert refused.json()["code"] == "no_token"
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert client.get("/openapi.json").status_code == 401
    assert client.get("/health/../status").status_code == 401


def test_two_headers_are_none(tmp_path: Path) -> None:
    twice = [("Authorization", f"Bearer {OLD}"), ("Authorization", f"Bearer {NEW}")]
    assert web(tmp_path, NEW).get("/status", headers=twice).status_code == 401


def test_while_it_is_changed_the_engine_takes_both(tmp_path: Path) -> None:
    for secret in (f"{OLD},{NEW}", f"{NEW}, {OLD}"):
        client = web(tmp_path, secret)
        assert [client.get("/status", headers=headers(one)).status_code for one in (OLD, NEW)] == [200, 200]
        assert client.get("/status", headers=headers(secret)).status_code == 200
    assert web(tmp_path, NEW).get("/status", headers=headers(OLD)).status_code == 401


def test_an_engine_with_another_token_is_another_application(tmp_path: Path) -> None:
    marks = {fingerprint(settings(tmp_path, engine_token=secret)) for secret in (OLD, NEW, OLD)}
    assert len(marks) == 2


@pytest.mark.parametrize("secret", ["", "short", f"{NEW},", f"{NEW},short", "sixteen letters and a space", "ö" * 20])
def test_an_engine_without_a_fit_token_does_not_start(secret: str) -> None:
    with pytest.raises(ValidationError, match="engine_token"):
        Settings(store_url="memory://", engine_token=secret)


def test_an_https_engine_has_a_certificate_and_a_key_and_another_has_none(tmp_path: Path) -> None:
    files = {f"engine_{name}": tmp_path / name for name in ("certificate", "key")}
    for file in files.values():
        file.touch()
    served = settings(tmp_path, engine_url="https://127.0.0.1:8000", **files)
    assert served.tls == {"ssl_certfile": str(tmp_path / "certificate"), "ssl_keyfile": str(tmp_path / "key")}
    assert settings(tmp_path).tls == {}
    for changes in (files, {"engine_url": "https://127.0.0.1:8000"}, {"engine_key": tmp_path / "key"}):
        with pytest.raises(ValidationError, match="belong to an https engine_url"):
            settings(tmp_path, **changes)


@given(st.lists(TOKENS, min_size=1, max_size=3), st.binary())
def test_only_what_is_in_the_secret_is_known(taken: list[str], other: bytes) -> None:
    secret = ",".join(taken)
    assert tokens(secret) == taken
    assert all(is_known(secret, headers(one)["Authorization"].encode()) for one in taken)
    assert is_known(secret, other) is (other in {f"Bearer {one}".encode() for one in taken})
