"""The second wall: a statement that forgot whose rows it asks for still sees nobody else's."""

import asyncio
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest

from services.errors import ServiceError
from services.gateway import store as module
from services.gateway.store import Reach, Store
from services.postgres import open_async_pool
from tests.services.gateway.conftest import SERVICE, Gateway
from tests.services.gateway.test_matrix import OTHER_SERVICE, Owned, owned

CLAUSE = re.compile(
    r"\(listener_id = %\(me\)s or (service = %\(service\)s"
    r"|%\(service\)s = \(select service from gateway\.listeners l where l\.listener_id = \w+\.listener_id\))\)"
)


def within(dsn: str, reach: Reach | None, ask: Callable[[Store], Any]) -> Any:
    """What a question to a store of this reach gives."""

    async def asked() -> Any:
        async with open_async_pool(dsn, size=1) as pool:
            return await ask(Store(pool).within(reach))

    return asyncio.run(asked())


def questions(owner: Owned) -> dict[str, Callable[[Store], Any]]:
    """Each statement that finds what a request names by id; of what is foreign it gives nothing."""
    listener, track, pair = UUID(owner.listener_id), UUID(owner.track_id), UUID(owner.pair_id)
    four = UUID(owner.four_id)

    async def known(store: Store) -> Any:
        return [row for rows in await store.known([listener], [track], [pair], [four]) for row in rows]

    async def planning(store: Store) -> Any:
        async with store.planning(listener) as found:
            return found

    return {
        "listener": lambda store: store.listener(listener),
        "track": lambda store: store.track(track),
        "pair": lambda store: store.pair(pair),
        "four": lambda store: store.four(four),
        "known": known,
        "planning": planning,
    }


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store's statements without their clause."""
    queries = {name: CLAUSE.sub("true", text) for name, text in module._queries().items()}
    assert sum(text != queries[name] for name, text in module._queries().items()) == 9
    assert not any("%(me)s" in text for text in queries.values())
    monkeypatch.setattr(module, "_queries", lambda: queries)


def test_the_first_wall_alone_is_enough(gateway: Gateway) -> None:
    mine, foreign, dsn = owned(gateway, SERVICE), owned(gateway, OTHER_SERVICE), gateway.settings.postgres_dsn
    with psycopg.connect(dsn) as connection:  # the second wall falls
        connection.execute("alter role encore_request bypassrls")
    try:
        assert_walled(dsn, mine, foreign)
    finally:
        with psycopg.connect(dsn) as connection:
            connection.execute("alter role encore_request nobypassrls")


@pytest.mark.usefixtures("forgetful")
def test_the_second_wall_alone_is_enough(gateway: Gateway) -> None:
    mine, foreign = owned(gateway, SERVICE), owned(gateway, OTHER_SERVICE)
    assert_walled(gateway.settings.postgres_dsn, mine, foreign)


def assert_walled(dsn: str, mine: Owned, foreign: Owned) -> None:
    for reach in (Reach(service=SERVICE), Reach(listener_id=UUID(mine.listener_id))):
        for name, ask in questions(mine).items():
            assert within(dsn, reach, ask), (name, reach)
        for name, ask in questions(foreign).items():
            assert not within(dsn, reach, ask), (name, reach)


def test_no_table_of_listeners_is_without_a_wall(postgres_dsn: str) -> None:
    with psycopg.connect(postgres_dsn) as connection:
        readable = connection.execute(
            "select c.oid::regclass::text, c.relrowsecurity, c.relkind from pg_class c"
            " join pg_namespace n on n.oid = c.relnamespace"
            " join pg_attribute a on a.attrelid = c.oid and a.attname = 'listener_id' and not a.attisdropped"
            " where n.nspname in ('gateway', 'feedback', 'rollout', 'training', 'analytics', 'audit')"
            " and has_table_privilege('encore_request', c.oid, 'select')"
        ).fetchall()
    assert len(readable) > 10
    assert [name for name, walled, kind in readable if not walled or kind not in ("r", "p")] == []


@pytest.mark.parametrize("reach", [Reach(service=SERVICE), Reach()])
def test_a_request_writes_nothing_of_anybody_else(gateway: Gateway, reach: Reach) -> None:
    foreign = owned(gateway, OTHER_SERVICE)
    dsn = gateway.settings.postgres_dsn

    async def changed(store: Store) -> Any:
        return await store.rows("update gateway.tracks set prompt = 'mine' returning track_id")

    async def added(store: Store) -> Any:
        return await store.rows(
            "insert into gateway.taste_corrections (listener_id, word, liking) values (%(whose)s, 'piano', 1)",
            {"whose": foreign.listener_id},
        )

    async def read_audit(store: Store) -> Any:
        return await store.rows("select * from audit.entries")

    assert within(dsn, reach, changed) == []
    with pytest.raises(ServiceError, match="No such listener"):
        within(dsn, reach, added)
    with psycopg.connect(dsn) as owner:
        assert owner.execute("select from gateway.taste_corrections").fetchall() == []
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        within(dsn, reach, read_audit)
