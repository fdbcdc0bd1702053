"""Every route, every kind of principal, their own and another's: the answers are those of the table in
docs/security.md, which is made from the OpenAPI document."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import httpx
import psycopg
import pytest
from fastapi import APIRouter

from infra.documents.matrix import Row, allowed, rows
from services.audit import Kind
from services.gateway.access import doors_of
from services.gateway.app import _ROUTERS
from services.gateway.assignment import STEADY, draw_arm
from services.gateway.store import Reach
from services.identifiers import uuid7
from services.principals.principal import KINDS
from tests.services.gateway.conftest import SERVICE, Gateway
from tests.services.gateway.engine import wav

OTHER_SERVICE: Final = "another-product"
# Answered before anything of the route is known: no token, a token that may not, something that is not theirs.
REFUSED: Final = {401, 403, 404}
ENDLESS: Final = {"/v1/operate/events"}


@dataclass(frozen=True)
class Owned:
    """What one listener has."""

    listener_id: str
    track_id: str
    pair_id: str
    four_id: str
    song_id: str


def owned(gateway: Gateway, service: str) -> Owned:
    """A new listener of this service with a song, a finished track, a pair and a four."""
    headers = {"Authorization": f"Bearer {gateway.token('service', service)}"}
    made = gateway.http.post("/v1/listeners", json={}, headers=headers).raise_for_status().json()
    songs = f"/v1/listeners/{made['listener_id']}/songs"
    sent = {"file": ("own.wav", wav(hertz=330), "audio/wav")}
    song = gateway.http.post(songs, files=sent, headers=headers).raise_for_status().json()
    wish = {"listener_id": made["listener_id"], "prompt": "a reel", "seconds": 2}
    track = gateway.http.post("/v1/tracks", json=wish, headers=headers).raise_for_status().json()
    pair = gateway.http.post("/v1/pairs", json=wish, headers=headers).raise_for_status().json()
    for track_id in (track["track_id"], pair["first"]["track_id"], pair["second"]["track_id"]):
        gateway.http.get(f"/v1/tracks/{track_id}/events", headers=headers).raise_for_status()
    four = gateway.http.post("/v1/fours", json=wish, headers=headers).raise_for_status().json()
    for track_id in (take["track_id"] for take in four["tracks"]):
        gateway.http.get(f"/v1/tracks/{track_id}/events", headers=headers).raise_for_status()
    return Owned(made["listener_id"], track["track_id"], pair["pair_id"], four["four_id"], song["song_id"])


def rating(owner: Owned) -> dict[str, Any]:
    now = "2026-01-01T12:00:00Z"
    return {
        "specversion": "1.0",
        "type": "encore.rating.given",
        "id": str(uuid7()),
        "source": "matrix",
        "subject": owner.listener_id,
        "time": now,
        "sentat": now,
        "data": {"track_id": owner.track_id, "stars": 4},
    }


def body(row: Row, kind: str, owner: Owned) -> dict[str, Any]:
    """What a right request to this route carries."""
    wish = {"listener_id": owner.listener_id, "seconds": 2}
    signed = {"reason": "the matrix"}
    bodies: dict[str, Callable[[], dict[str, Any]]] = {
        "POST /v1/listeners": lambda: {"json": {}},
        "POST /v1/listeners/{listener_id}/tokens": lambda: {"json": {}},
        "POST /v1/listeners/{listener_id}/songs": lambda: {"files": {"file": ("song.wav", wav(), "audio/wav")}},
        "PUT /v1/listeners/{listener_id}/consent": lambda: {"json": {"training": True, "text_version": "1"}},
        "PUT /v1/listeners/{listener_id}/playing": lambda: {"json": {"device_id": str(uuid7())}},
        "PUT /v1/listeners/{listener_id}/taste": lambda: {"json": {"corrections": {"piano": 1}}},
        "POST /v1/logins": lambda: {
            "json": {"kind": "listener"} if kind == "service" else {"kind": "analyst", "name": "ada"}
        },
        "POST /v1/sessions": lambda: {"json": {"code": "nobody's"}},
        "POST /v1/tracks": lambda: {"json": wish},
        "POST /v1/pairs": lambda: {"json": wish},
        "POST /v1/fours": lambda: {"json": wish},
        "POST /v1/events": lambda: {"json": [rating(owner)]},
        "POST /v1/rounds": lambda: {"json": {"reason": "the matrix"}},
        "POST /v1/switches": lambda: {"json": {"cohort": "home=folk", **signed}},
        "POST /v1/switches/{switch_id}/lift": lambda: {"json": signed},
        "POST /v1/orders": lambda: {"json": {"action": "stop", **signed}},
    }
    return bodies.get(f"{row.method} {row.path}", dict)()


def asked(gateway: Gateway, row: Row, kind: str, token: str, owner: Owned, others: dict[str, str]) -> httpx.Response:
    path = row.path.format(**others, **vars(owner))
    return answered(gateway.http, row, path, headers={"Authorization": f"Bearer {token}"}, **body(row, kind, owner))


def answered(http: httpx.Client, row: Row, path: str, **sent: Any) -> httpx.Response:
    """The answer; of a stream without an end that it begins."""
    with http.stream(row.method, path, **sent) as answer:
        if not (answer.is_success and row.path in ENDLESS):
            answer.read()
    return answer


def names_an_owner(row: Row) -> bool:
    return row.scope == "listen" or "{listener_id}" in row.path


def complaint(row: Row, kind: str, may: str, is_own: bool, answer: httpx.Response) -> str | None:
    """What is wrong with an answer, or None."""
    status = answer.status_code
    if row.scope is None:
        right = status == 401 and answer.json()["code"] == "unknown_login"
    elif not may:
        right = status == 403
    elif names_an_owner(row) and not is_own:
        right = status == 404 or (status == 422 and answer.json().get("accepted") == 0)
    elif row.scope == "tokens:renew":
        right = status == 403 and "renewed" in answer.text  # a service's token for a listener cannot be
    else:
        right = status not in REFUSED and status < 500
    whose = "own" if is_own else "another's"
    return None if right else f"{row.method} {row.path} by {kind}, {whose}: {status} {answer.text[:200]}"


def test_every_route_for_every_principal(gateway: Gateway) -> None:
    mine, sibling, foreign = owned(gateway, SERVICE), owned(gateway, SERVICE), owned(gateway, OTHER_SERVICE)
    wish = gateway.http.post("/v1/rounds", json={}).raise_for_status().json()
    signed = {"reason": "the matrix"}
    others = {
        "round_id": wish["round_id"],
        **release(gateway.settings.postgres_dsn),
        "switch_id": gateway.http.post("/v1/switches", json={"cohort": "home=folk", **signed}).json()["switch_id"],
        "order_id": gateway.http.post("/v1/orders", json={"action": "stop", **signed}).json()["order_id"],
        "erasure_id": str(uuid7()),
    }
    wrong: list[str | None] = []
    for row in rows():
        wrong.append(without_token(gateway, row, mine, others))
        if row.scope == "erase":
            continue  # below: nothing of theirs would be left for the rows that follow
        for kind in KINDS:
            name = {"service": SERVICE, "listener": mine.listener_id}.get(kind, "anna")
            token = gateway.token(kind, name)
            for owner in (mine, sibling, foreign) if kind == "listener" else (mine, foreign):
                answer = asked(gateway, row, kind, token, owner, others)
                wrong.append(complaint(row, kind, allowed(row, kind), owner is mine, answer))
    assert [each for each in wrong if each] == []


def test_who_may_erase_whom(gateway: Gateway) -> None:
    """The rows of the matrix that end a listener, with new ones for each principal."""
    wrong: list[str] = []
    for row in (row for row in rows() if row.scope == "erase"):
        for kind in KINDS:
            for is_own in (True, False):
                mine, foreign = bare(gateway, SERVICE), bare(gateway, OTHER_SERVICE)
                owner = mine if is_own else foreign
                token = gateway.token(kind, {"service": SERVICE, "listener": mine}.get(kind, "anna"))
                path = row.path.format(listener_id=owner, erasure_id=erasing(gateway, row, owner))
                headers = {"Authorization": f"Bearer {token}"}
                answer = gateway.http.request(row.method, path, params={"reason": "the matrix"}, headers=headers)
                reaches = allowed(row, kind) and (is_own or kind == "operator")
                status = {"GET": 200, "DELETE": 202}[row.method] if reaches else 404 if allowed(row, kind) else 403
                if answer.status_code != status:
                    wrong.append(f"{row.method} {row.path} by {kind}, own {is_own}: {answer.status_code}, not {status}")
    assert wrong == []


def bare(gateway: Gateway, service: str) -> str:
    """A new listener of this service."""
    headers = {"Authorization": f"Bearer {gateway.token('service', service)}"}
    made = gateway.http.post("/v1/listeners", json={}, headers=headers).raise_for_status().json()
    return str(made["listener_id"])


def erasing(gateway: Gateway, row: Row, listener_id: str) -> str:
    """The job that has begun, for a route that tells of it."""
    if "{erasure_id}" not in row.path:
        return ""
    headers = {"Authorization": f"Bearer {gateway.token('operator', 'ben')}"}
    begun = gateway.http.delete(f"/v1/listeners/{listener_id}", params={"reason": "the matrix"}, headers=headers)
    return str(begun.raise_for_status().json()["erasure_id"])


def without_token(gateway: Gateway, row: Row, owner: Owned, others: dict[str, str]) -> str | None:
    answer = asked(gateway, row, "nobody", "none", owner, others)
    right = answer.status_code == 401
    return None if right else f"{row.method} {row.path} by nobody: {answer.status_code}"


def release(dsn: str) -> dict[str, str]:
    """A canary that runs, and a decision about it."""
    release_id, decision_id = uuid7(), uuid7()
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "insert into rollout.releases (release_id, round_id, status, salt, plan)"
            " values (%s, %s, 'canary', 'x', '{}')",
            (release_id, uuid7()),
        )
        connection.execute(
            "insert into rollout.decisions (decision_id, release_id, look, verdict, reason, inputs)"
            " values (%s, %s, 1, 'hold', 'wait', '{}')",
            (decision_id, release_id),
        )
    return {"release_id": str(release_id), "decision_id": str(decision_id)}


@pytest.mark.parametrize("kind", ["service", "listener"])
def test_who_listens_is_told_no_arm(gateway: Gateway, kind: Kind) -> None:
    """Nothing that a listener or a service may read names an arm, or what would tell it."""
    mine = owned(gateway, SERVICE)
    token = gateway.token(kind, SERVICE if kind == "service" else mine.listener_id)
    for row in rows():
        if row.method == "GET" and row.scope != "erase" and allowed(row, kind):
            answer = asked(gateway, row, kind, token, mine, {})
            assert answer.status_code == 200, row
            told = answer.text if "audio" not in row.path else str(answer.headers)
            for word in ("candidate", "champion", '"cold"', '"base"', "propensity", "release_id", "salt", '"arm"'):
                assert word not in told, (row, word)


def test_an_arm_is_told_by_the_secret_only() -> None:
    """Who knows the ids but not the secret does no better than the shares."""
    subjects = [(uuid7(), uuid7()) for _ in range(2000)]
    arms = [draw_arm("the secret", *each, STEADY).arm for each in subjects]
    guesses = [draw_arm("a guess", *each, STEADY).arm for each in subjects]
    hits = sum(arm == guess for arm, guess in zip(arms, guesses, strict=True)) / len(subjects)
    by_chance = sum(share**2 for share in STEADY.values())
    assert hits == pytest.approx(by_chance, abs=0.06)


def test_a_reach_names_its_own_only() -> None:
    listener = UUID(int=7)
    assert Reach(listener_id=listener).parameters() == {"me": listener, "service": None}
    assert Reach(service="s").parameters() == {"me": None, "service": "s"}


def test_each_documented_route_has_a_door_and_nobody_passes_where_there_is_none(gateway: Gateway) -> None:
    known = {(method, door.path.pattern) for door in doors_of(_ROUTERS) for method in door.methods}
    for row in rows():
        assert any(method == row.method and re.match(pattern, row.path) for method, pattern in known), row
    for kind in KINDS:
        token = gateway.token(kind, str(uuid7()))
        for method, path, status in (("GET", "/v1/nothing", 404), ("DELETE", "/v1/rounds", 405), ("GET", "/v1/", 404)):
            answer = gateway.http.request(method, path, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == status, (kind, path)


def test_a_route_without_a_scope_does_not_start() -> None:
    router = APIRouter()
    router.add_api_route("/v1/forgotten", lambda: None)
    with pytest.raises(ValueError, match="/v1/forgotten"):
        doors_of([router])
