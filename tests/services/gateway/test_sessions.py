"""Logins let in once, tokens of listeners end, and a rotation under load refuses nothing."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg

from services.principals import keys as module
from services.principals.keys import SIGNS_AFTER_S, Key, Keys, load, rotated, save
from services.principals.tokens import minted
from tests.services.gateway.conftest import SERVICE, Gateway, token_of


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def login(gateway: Gateway, **wish: Any) -> str:
    answer = gateway.http.post("/v1/logins", json={"kind": "listener", **wish})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["code"])


def exchanged(gateway: Gateway, code: str, **attributes: str) -> httpx.Response:
    return httpx.post(f"{gateway.url}/v1/sessions", json={"code": code, "attributes": attributes}, timeout=60)


def test_a_login_makes_a_listener_and_lets_in_once(gateway: Gateway) -> None:
    code = login(gateway)
    given = exchanged(gateway, code, home="folk").json()
    me = gateway.http.get(f"/v1/listeners/{given['listener_id']}", headers=bearer(given["token"]))
    assert me.json()["attributes"] == {"home": "folk"}
    again = exchanged(gateway, code)
    assert (again.status_code, again.json()["code"]) == (401, "unknown_login")


def test_of_many_who_bring_one_code_one_is_let_in(gateway: Gateway) -> None:
    code = login(gateway)
    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(lambda _: exchanged(gateway, code).status_code, range(8)))
    assert sorted(statuses) == [201] + [401] * 7


def test_a_login_of_a_listener_is_theirs(gateway: Gateway, listener_id: str) -> None:
    given = exchanged(gateway, login(gateway, listener_id=listener_id)).json()
    assert given["listener_id"] == listener_id
    foreign = bearer(gateway.token("service", "another-product"))
    wish = {"kind": "listener", "listener_id": listener_id}
    assert gateway.http.post("/v1/logins", json=wish, headers=foreign).status_code == 404


def test_a_code_that_is_old_lets_nobody_in(gateway: Gateway) -> None:
    code = login(gateway)
    with psycopg.connect(gateway.settings.postgres_dsn) as connection:
        connection.execute("update gateway.logins set expires_at = now()")
    assert exchanged(gateway, code).status_code == 401


def test_no_code_is_stored(gateway: Gateway) -> None:
    code = login(gateway)
    with psycopg.connect(gateway.settings.postgres_dsn) as connection:
        rows = connection.execute("select l::text from gateway.logins l").fetchall()
        audit = connection.execute("select e::text from audit.entries e").fetchall()
    assert rows
    assert not any(code in text for (text,) in [*rows, *audit])


def test_a_session_is_renewed_until_it_ends_and_a_minted_token_is_not(gateway: Gateway, listener_id: str) -> None:
    given = exchanged(gateway, login(gateway, listener_id=listener_id)).json()
    renewed = gateway.http.post("/v1/sessions/renewals", headers=bearer(given["token"])).json()
    assert renewed["renewable_until"] == given["renewable_until"][:19] + "Z"
    assert gateway.http.get(f"/v1/listeners/{listener_id}", headers=bearer(renewed["token"])).status_code == 200
    now = datetime.now(UTC)
    keys = load(gateway.settings.keys_file)
    ended = minted(keys, "listener", listener_id, timedelta(hours=1), now, renewable_until=now - timedelta(seconds=1))
    answer = gateway.http.post("/v1/sessions/renewals", headers=bearer(ended))
    assert (answer.status_code, answer.json()["code"]) == (401, "session_ended")
    made = gateway.http.post(f"/v1/listeners/{listener_id}/tokens", json={"seconds": 60}).json()
    assert gateway.http.post("/v1/sessions/renewals", headers=bearer(made["token"])).status_code == 403


def test_what_was_done_is_in_the_audit_with_who_and_why(gateway: Gateway, listener_id: str) -> None:
    gateway.http.post(f"/v1/listeners/{listener_id}/tokens", json={}).raise_for_status()
    asked = gateway.http.post("/v1/rounds", json={"listeners": [listener_id], "reason": "a look"}).json()
    entries = gateway.http.get("/v1/audit").json()
    assert [(each["action"], each["kind"], each["name"]) for each in entries] == [
        ("round.asked", "operator", "anna"),
        ("token.minted", "service", SERVICE),
    ]
    assert (entries[0]["subject"], entries[0]["reason"]) == (asked["round_id"], "a look")
    assert entries[1]["subject"] == listener_id
    assert all(each["key_id"] == load(gateway.settings.keys_file).keys[0].key_id for each in entries)
    assert gateway.http.get("/v1/audit", params={"subject": listener_id}).json() == entries[1:]


def test_a_rotation_under_load_refuses_nothing(gateway: Gateway, listener_id: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "_LOOK_S", 0.0)
    file, stop, statuses = gateway.settings.keys_file, threading.Event(), []

    def ask() -> None:
        with httpx.Client(base_url=gateway.url, timeout=60) as http:
            while not stop.is_set():
                token = token_of(file, "service", SERVICE)
                made = http.post(f"/v1/listeners/{listener_id}/tokens", json={}, headers=bearer(token))
                got = http.get(f"/v1/listeners/{listener_id}", headers=bearer(made.json()["token"]))
                statuses.extend([made.status_code, got.status_code])

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    try:
        for _ in range(4):
            seen = len(statuses)
            save(file, aged(rotated(load(file), load(file).keys[-1].made_at + 4000.0)))
            while len(statuses) < seen + 12:
                stop.wait(0.01)
    finally:
        stop.set()
        for asker in askers:
            asker.join()
    assert set(statuses) == {201, 200}


def aged(keys: Keys) -> Keys:
    """The same an hour later: the newest key signs."""
    newest = keys.keys[-1]
    shift = newest.made_at + SIGNS_AFTER_S - datetime.now(UTC).timestamp()
    return Keys(tuple(Key(key.key_id, key.private, key.made_at - shift) for key in keys.keys))
