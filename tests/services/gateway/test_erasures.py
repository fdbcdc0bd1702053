"""A listener is erased: at once nobody finds them, and each store says when nothing of them is left in it."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, LiteralString
from uuid import UUID

import httpx
import psycopg
import pytest
from psycopg import sql
from psycopg.rows import scalar_row

from services.gateway.blobs import Blobs
from services.gateway.erasing import keep_erasing
from services.gateway.erasures import STORES, Erasure, erase, go_on
from services.gateway.executes import Execute, Row
from services.gateway.store import Store
from services.identifiers import uuid7
from services.postgres import Limits, open_async_pool
from services.principals.keys import load
from services.principals.principal import SCOPES, Principal
from services.principals.tokens import minted
from tests.services.gateway.conftest import SERVICE, Gateway, until
from tests.services.gateway.engine import wav
from tests.services.gateway.test_matrix import Owned, owned, rating
from tests.threads import ended

OPERATOR: Final = Principal("operator", "anna", "k", SCOPES["operator"])
OWN: Final = {"gateway", "blobs"}
"""What the gateway alone confirms."""
TEXTS: Final = """
select quote_ident(n.nspname) || '.' || quote_ident(c.relname) from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname in ('gateway', 'audit', 'secrets')
"""


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """An erasure that could go on is not left for seconds."""
    monkeypatch.setattr("services.gateway.app.keep_erasing", partial(keep_erasing, every_s=0.1))


def traces(dsn: str, ids: Sequence[str]) -> list[str]:
    """Tables of the gateway and of the audit that have one of these ids in any column, found by the catalogue."""
    with psycopg.connect(dsn, row_factory=scalar_row) as connection:
        found = []
        for name in connection.execute(TEXTS).fetchall():
            asked = sql.SQL("select 1 from {} t where t::text ~ %s limit 1").format(sql.SQL(name))
            row = connection.execute(asked, ("|".join(ids),)).fetchone()
            found += [str(name)] if row else []
    return found


def files(gateway: Gateway, ids: Sequence[str]) -> list[Path]:
    root = Path(gateway.settings.store_url.removeprefix("file://"))
    found = (Path(folder, name) for folder, _, names in os.walk(root) for name in names)  # some go while one looks
    return [path for path in found if any(each in str(path) for each in ids)]


def ask(gateway: Gateway, listener_id: str, kind: str = "service", name: str = SERVICE, **query: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {gateway.token(kind, name)}"}  # type: ignore[arg-type]
    return gateway.http.delete(f"/v1/listeners/{listener_id}", params=query, headers=headers)


def confirmed(answer: Mapping[str, Any]) -> set[str]:
    return {step["store"] for step in answer["steps"] if step["confirmed_at"]}


def job(gateway: Gateway, erasure_id: str) -> dict[str, Any]:
    return dict(gateway.http.get(f"/v1/erasures/{erasure_id}").raise_for_status().json())


def settled(gateway: Gateway) -> None:
    """As if five minutes had passed."""
    with psycopg.connect(gateway.settings.postgres_dsn) as connection:
        connection.execute("update gateway.erasures set settles_at = now() - interval '1 second'")


def ids_of(gateway: Gateway, who: Owned) -> list[str]:
    tracks = gateway.http.get(f"/v1/listeners/{who.listener_id}/tracks").json()
    return [who.listener_id, who.song_id, who.pair_id, *(track["track_id"] for track in tracks)]


def test_from_then_on_nobody_finds_them_and_nothing_of_theirs_is_taken(gateway: Gateway) -> None:
    who, other = owned(gateway, SERVICE), owned(gateway, SERVICE)
    ids, own = ids_of(gateway, who), gateway.token("listener", who.listener_id)
    answer = ask(gateway, who.listener_id)
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/erasures/{answer.json()['erasure_id']}"
    for token in (own, gateway.token("service", SERVICE)):
        headers = {"Authorization": f"Bearer {token}"}
        for path in ("", "/songs", "/tracks", "/ratings", "/consent", "/taste", "/export"):
            assert gateway.http.get(f"/v1/listeners/{who.listener_id}{path}", headers=headers).status_code == 404, path
        assert gateway.http.get(f"/v1/tracks/{who.track_id}", headers=headers).status_code == 404
        wish = {"listener_id": who.listener_id, "seconds": 2}
        assert gateway.http.post("/v1/tracks", json=wish, headers=headers).status_code == 404
        told = gateway.http.post("/v1/events", json=[rating(who)], headers=headers)
        assert (told.status_code, told.json()["accepted"]) == (422, 0)
        song = {"file": ("song.wav", wav(), "audio/wav")}
        sent = gateway.http.post(f"/v1/listeners/{who.listener_id}/songs", files=song, headers=headers)
        assert sent.status_code == 404
    hour, now = timedelta(hours=1), datetime.now(UTC)
    keys = load(gateway.settings.keys_file)
    session = minted(keys, "listener", who.listener_id, hour, now, renewable_until=now + hour)
    renewed = gateway.http.post("/v1/sessions/renewals", headers={"Authorization": f"Bearer {session}"})
    assert (renewed.status_code, renewed.json()["code"]) == (401, "session_ended")
    asked = gateway.http.post("/v1/rounds", json={"listeners": [who.listener_id], "reason": "one more"})
    assert asked.status_code == 404
    assert gateway.http.get(f"/v1/tracks/{other.track_id}").status_code == 200
    until(lambda: not files(gateway, ids))
    assert len(files(gateway, [other.song_id, other.track_id])) > 0


def test_the_gateway_and_the_audit_hold_their_ids_no_more(gateway: Gateway) -> None:
    who, dsn = owned(gateway, SERVICE), gateway.settings.postgres_dsn
    ids = ids_of(gateway, who)
    signed = {"reason": f"for {who.listener_id}"}
    gateway.http.post("/v1/switches", json={"listener_id": who.listener_id, **signed}).raise_for_status()
    gateway.http.post("/v1/orders", json={"action": "opt_out", "listener_id": who.listener_id, **signed})
    gateway.http.post("/v1/rounds", json={"listeners": [who.listener_id], **signed}).raise_for_status()
    other = gateway.listener()
    two = gateway.http.post("/v1/rounds", json={"listeners": [who.listener_id, other], **signed}).json()
    gateway.http.post("/v1/logins", json={"kind": "listener", "listener_id": who.listener_id}).raise_for_status()
    assert len(traces(dsn, ids)) > 8
    answer = ask(gateway, who.listener_id, "listener", who.listener_id).json()
    settled(gateway)
    until(lambda: confirmed(job(gateway, answer["erasure_id"])) >= OWN)
    assert traces(dsn, ids) == ["gateway.erasures"]  # what the other stores are still searched for
    with psycopg.connect(dsn) as connection:
        asked = "select listeners from gateway.round_requests where request_id = %s"
        assert connection.execute(asked, (two["round_id"],)).fetchone() == ([UUID(other)],)
        said = "select action, name from audit.entries where subject = %s or action = 'round.asked'"
        deeds = connection.execute(said, (answer["erasure_id"],)).fetchall()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("update audit.entries set name = ''")
    assert {action for action, _ in deeds} == {"round.asked", "listener.erased"}
    [name] = [name for action, name in deeds if action == "listener.erased"]
    assert name.startswith("erased-")


def test_what_is_not_confirmed_is_said_to_be_open(gateway: Gateway, listener_id: str) -> None:
    answer = ask(gateway, listener_id).json()
    assert {step["store"] for step in answer["steps"]} == set(STORES)
    until(lambda: confirmed(job(gateway, answer["erasure_id"])) == OWN)
    assert job(gateway, answer["erasure_id"])["done_at"] is None


def test_the_step_of_the_log_alone_knows_when_they_were_made(gateway: Gateway) -> None:
    made = gateway.http.post("/v1/listeners", json={}).raise_for_status().json()
    erasure_id = ask(gateway, made["listener_id"]).json()["erasure_id"]
    with psycopg.connect(gateway.settings.postgres_dsn) as connection:
        query = "select store, made_at from gateway.erasure_steps where erasure_id = %s and made_at is not null"
        found = connection.execute(query, (erasure_id,)).fetchall()
    assert found == [("kafka", datetime.fromisoformat(made["created_at"]))]


def others_confirm(gateway: Gateway, erasure_id: str, *stores: str) -> None:
    """As the owners of these stores do."""
    with psycopg.connect(gateway.settings.postgres_dsn) as connection:
        connection.execute(
            "update gateway.erasure_steps set confirmed_at = now() where erasure_id = %s and store = any(%s)",
            (erasure_id, list(stores)),
        )


def test_the_engine_forgets_once_nobody_names_them_to_it_any_more(gateway: Gateway, listener_id: str) -> None:
    erasure_id = ask(gateway, listener_id).json()["erasure_id"]
    others_confirm(gateway, erasure_id, "rollout")
    until(lambda: confirmed(job(gateway, erasure_id)) == OWN | {"rollout"})
    assert gateway.engine.forgotten == []
    others_confirm(gateway, erasure_id, "training")
    until(lambda: confirmed(job(gateway, erasure_id)) >= {"engine", "audit"})
    assert gateway.engine.forgotten == [listener_id]


def test_their_token_leaves_nothing_of_them_when_the_erasure_is_done(gateway: Gateway, listener_id: str) -> None:
    """A phone goes on asking for as long as its token lasts."""
    erasure_id = ask(gateway, listener_id).json()["erasure_id"]
    others_confirm(gateway, erasure_id, *set(STORES) - {"gateway", "blobs", "audit", "engine"})
    until(lambda: job(gateway, erasure_id)["done_at"] is not None)
    until(lambda: traces(gateway.settings.postgres_dsn, [listener_id]) == [])
    headers = {"Authorization": f"Bearer {gateway.token('listener', listener_id)}"}
    for _ in range(2):
        assert gateway.http.get(f"/v1/listeners/{listener_id}/songs", headers=headers).status_code == 404
    assert gateway.http.get(f"/v1/erasures/{erasure_id}", headers=headers).status_code == 200
    assert traces(gateway.settings.postgres_dsn, [listener_id]) == []


@pytest.mark.parametrize("path", ["/v1/switches", "/v1/orders", "/v1/rounds"])
def test_what_an_operator_says_of_them_meanwhile_is_not_kept(gateway: Gateway, path: str) -> None:
    """A row that was written after the erasure had looked would name them for ever."""
    listener_id, dsn = gateway.http.post("/v1/listeners", json={}).json()["listener_id"], gateway.settings.postgres_dsn
    wish: dict[str, Any] = {"listener_id": listener_id, "reason": "one more"}
    wish |= {"/v1/orders": {"action": "opt_out"}}.get(path, {})
    if path == "/v1/rounds":
        wish = {"listeners": [listener_id]}
    said: list[int] = []
    with psycopg.connect(dsn) as erasing:  # one that has not ended yet
        erasing.execute("delete from gateway.consents where listener_id = %s", (listener_id,))
        erasing.execute("delete from gateway.listeners where listener_id = %s", (listener_id,))
        saying = threading.Thread(
            target=lambda: said.append(gateway.http.post(path, json=wish).status_code), daemon=True
        )
        saying.start()
        until(lambda: bool(said) or waits(dsn))
    ended(saying)
    assert said == [404]
    assert traces(dsn, [listener_id]) == []


def test_an_engine_that_is_away_is_asked_again(gateway: Gateway, listener_id: str) -> None:
    gateway.engine.away = True
    erasure_id = ask(gateway, listener_id).json()["erasure_id"]
    others_confirm(gateway, erasure_id, "rollout", "training")
    until(lambda: "audit" in confirmed(job(gateway, erasure_id)))
    assert "engine" not in confirmed(job(gateway, erasure_id))
    gateway.engine.away = False
    until(lambda: "engine" in confirmed(job(gateway, erasure_id)))


def test_who_may(gateway: Gateway) -> None:
    who, sibling = owned(gateway, SERVICE), owned(gateway, SERVICE)
    for kind, name in (("service", "another-product"), ("listener", sibling.listener_id)):
        assert ask(gateway, who.listener_id, kind, name).status_code == 404
    assert ask(gateway, who.listener_id, "analyst", "anna").status_code == 403
    unsaid = ask(gateway, who.listener_id, "operator", "anna")
    assert (unsaid.status_code, unsaid.json()["field"]) == (422, "reason")
    assert ask(gateway, str(uuid7()), "operator", "anna", reason="nobody").status_code == 404
    assert gateway.http.get(f"/v1/listeners/{who.listener_id}").status_code == 200
    said = ask(gateway, who.listener_id, "operator", "anna", reason="they wrote to us")
    assert (said.status_code, said.json()["reason"]) == (202, "they wrote to us")
    path = f"/v1/erasures/{said.json()['erasure_id']}"
    may = {}
    for kind, name in (
        ("service", SERVICE), ("service", "another-product"), ("listener", who.listener_id),
        ("listener", sibling.listener_id), ("operator", "ben"), ("analyst", "ben"),
    ):  # fmt: skip
        headers = {"Authorization": f"Bearer {gateway.token(kind, name)}"}  # type: ignore[arg-type]
        may[kind, name] = gateway.http.get(path, headers=headers).status_code
    assert list(may.values()) == [200, 404, 200, 404, 200, 403]


def test_asked_again_it_is_the_same_job(gateway: Gateway, listener_id: str) -> None:
    first, second = ask(gateway, listener_id), ask(gateway, listener_id, "listener", listener_id)
    assert second.status_code == 202
    assert second.json()["erasure_id"] == first.json()["erasure_id"]


def test_a_track_in_the_making_leaves_nothing(gateway: Gateway, listener_id: str) -> None:
    gateway.engine.paused = True
    track_id = gateway.ask(listener_id, seconds=2)["track_id"]
    until(lambda: bool(gateway.engine.asked))
    answer = ask(gateway, listener_id).json()
    gateway.engine.paused = False
    settled(gateway)
    until(lambda: confirmed(job(gateway, answer["erasure_id"])) >= OWN)
    assert traces(gateway.settings.postgres_dsn, [track_id]) == []


def test_who_follows_a_track_of_theirs_is_told_its_end(gateway: Gateway, listener_id: str) -> None:
    gateway.engine.paused = True
    track_id = gateway.ask(listener_id, seconds=2)["track_id"]
    with gateway.http.stream("GET", f"/v1/tracks/{track_id}/events") as followed:
        news = followed.iter_lines()
        assert next(news) == "event: queued"
        assert ask(gateway, listener_id).status_code == 202
        assert "event: ready" not in list(news)  # a stream that broke off would raise


def test_a_song_that_is_taken_back_meanwhile_and_the_erasure_do_not_wait_for_each_other(
    gateway: Gateway, listener_id: str
) -> None:
    dsn = gateway.settings.postgres_dsn

    async def begin() -> None:
        async with open_async_pool(dsn, size=1, limits=Limits(statement_s=120, lock_s=60)) as pool:
            assert await erase(Store(pool), OPERATOR, UUID(listener_id), "a test") is not None

    erasing = threading.Thread(target=lambda: asyncio.run(begin()), daemon=True)
    with psycopg.connect(dsn) as withdrawing:  # its statements, in their order
        withdrawing.execute("select from gateway.listeners where listener_id = %s for update", (listener_id,))
        erasing.start()
        until(lambda: waits(dsn))
        withdrawing.execute("set local lock_timeout = '30s'")
        withdrawing.execute("select gateway.lock_withdrawals()")
    ended(erasing)
    assert gateway.http.get(f"/v1/listeners/{listener_id}").status_code == 404


def waits(dsn: str) -> bool:
    """Whether somebody waits for a row that another holds."""
    with psycopg.connect(dsn, row_factory=scalar_row) as connection:
        row = connection.execute(
            "select exists (select from pg_locks l join pg_stat_activity a using (pid) where not l.granted"
            " and l.locktype in ('transactionid', 'tuple') and a.datname = current_database())"
        ).fetchone()
    return bool(row)


class Killed(BaseException):
    """The process is no more."""


class Fuse:
    """Kills before or after the chosen step."""

    def __init__(self, blows_at: int) -> None:
        self.left = blows_at

    def burn(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed

    async def around(self, call: Callable[[], Awaitable[Any]]) -> Any:
        self.burn()
        answer = await call()
        self.burn()
        return answer


class FusedStore(Store):
    fuse = Fuse(0)

    @asynccontextmanager
    async def transaction(self, *, at_one_moment: bool = False) -> AsyncIterator[Execute]:
        async with super().transaction(at_one_moment=at_one_moment) as execute:

            async def fused(sql: LiteralString, parameters: Mapping[str, Any]) -> Sequence[Row]:
                return list(await self.fuse.around(lambda: execute(sql, parameters)))

            yield fused
        self.fuse.burn()


class FusedBlobs(Blobs):
    fuse = Fuse(0)

    async def drop_all(self, songs: Sequence[UUID], tracks: Sequence[UUID]) -> None:
        await self.fuse.around(lambda: super(FusedBlobs, self).drop_all(songs, tracks))


async def erased_in_spite_of(gateway: Gateway, who: Owned, at: int) -> tuple[bool, Erasure]:
    """Whether it was killed at that step, and the erasure, asked and gone on with until it ends."""
    fuse, killed = Fuse(at), False
    async with open_async_pool(gateway.settings.postgres_dsn, size=1) as pool:
        store, blobs = FusedStore(pool), FusedBlobs(gateway.settings.store_url)
        store.fuse = blobs.fuse = fuse
        while True:
            try:
                erasure = await erase(store, OPERATOR, UUID(who.listener_id), "a test", settle_s=0)
                assert erasure is not None
                await go_on(store, blobs)
            except Killed:
                killed = True
            else:
                return killed, erasure


def test_killed_at_any_step_it_goes_on_to_the_same_end(gateway: Gateway) -> None:
    at, killed = 0, True
    while killed:
        at += 5
        who = owned(gateway, SERVICE)
        ids = ids_of(gateway, who)
        killed, erasure = asyncio.run(erased_in_spite_of(gateway, who, at))
        assert confirmed(job(gateway, str(erasure.erasure_id))) == OWN, at
        assert traces(gateway.settings.postgres_dsn, ids) == ["gateway.erasures"], at
        assert files(gateway, ids) == [], at
    assert at > 40
