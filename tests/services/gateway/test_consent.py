"""A listener's consent: what holds, what was answered when, and what is refused."""

from typing import Any

import psycopg
import pytest

from tests.services.gateway.conftest import Gateway


def view(gateway: Gateway, listener_id: str) -> dict[str, Any]:
    answer = gateway.http.get(f"/v1/listeners/{listener_id}/consent")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def holds(gateway: Gateway, listener_id: str) -> tuple[bool, bool]:
    told = view(gateway, listener_id)
    return told["training"], told["analysis"]


def test_each_answer_is_kept_with_its_text_and_the_last_one_holds(gateway: Gateway, listener_id: str) -> None:
    url = f"/v1/listeners/{listener_id}/consent"
    assert holds(gateway, listener_id) == (False, False)
    gateway.http.put(url, json={"training": True, "analysis": True, "text_version": "2026-01"}).raise_for_status()
    told = gateway.http.put(url, json={"analysis": False, "text_version": "2026-02"}).raise_for_status().json()
    assert (told["training"], told["analysis"]) == (True, False)
    assert told == view(gateway, listener_id)
    assert [(each["purpose"], each["given"], each["text_version"], each["said_by"]) for each in told["history"]] == [
        ("analysis", False, "2026-02", "service"),
        ("analysis", True, "2026-01", "service"),
        ("training", True, "2026-01", "service"),
        ("analysis", False, "default", "process"),
        ("training", False, "default", "process"),
    ]


def test_a_product_hands_on_what_was_answered_at_sign_up(gateway: Gateway) -> None:
    consent = {"training": True, "text_version": "7"}
    made = gateway.http.post("/v1/listeners", json={"consent": consent}).raise_for_status().json()
    assert holds(gateway, made["listener_id"]) == (True, False)


def test_who_comes_by_a_login_answers_for_themselves(gateway: Gateway) -> None:
    code = gateway.http.post("/v1/logins", json={"kind": "listener"}).raise_for_status().json()["code"]
    body = {"code": code, "consent": {"analysis": True, "text_version": "7"}}
    listener_id = gateway.http.post("/v1/sessions", json=body).raise_for_status().json()["listener_id"]
    token = gateway.token("listener", listener_id)
    answer = gateway.http.get(
        f"/v1/listeners/{listener_id}/consent", headers={"Authorization": f"Bearer {token}"}
    ).json()
    assert (answer["training"], answer["analysis"]) == (False, True)
    assert answer["history"][0]["said_by"] == "listener"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text_version": "1"}, ""),
        ({"training": True}, "text_version"),
        ({"training": "perhaps", "text_version": "1"}, "training"),
        ({"training": True, "text_version": "a text with spaces"}, "text_version"),
    ],
)
def test_an_answer_that_says_nothing_is_refused(
    gateway: Gateway, listener_id: str, body: dict[str, Any], field: str
) -> None:
    before = view(gateway, listener_id)
    answer = gateway.http.put(f"/v1/listeners/{listener_id}/consent", json=body)
    assert answer.status_code == 422
    assert field in (answer.json()["field"] or "")
    assert view(gateway, listener_id) == before


def test_an_answer_is_never_changed(gateway: Gateway, listener_id: str) -> None:
    assert view(gateway, listener_id)["history"]
    with (
        psycopg.connect(gateway.settings.postgres_dsn) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("update gateway.consents set given = true")
