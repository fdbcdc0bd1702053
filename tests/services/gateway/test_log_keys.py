"""Each listener has one key for the log, whoever makes it; who is erased gets none, and what was sealed is closed."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import scalar_row

from services.gateway.log_keys import LogKeys
from services.gateway.store import Store
from services.grants import GATEWAY
from services.postgres import Limits, open_async_pool
from services.seals import KeyThrownAway, LogKey, Sealed, opened
from services.streams import Message, Outgoing
from services.streams_memory import Clock
from tests.services.gateway.conftest import until
from tests.services.gateway.test_erasures import waits
from tests.services.logs import keys_in
from tests.services.roles import play
from tests.threads import ended

HERE = [UUID(int=number) for number in range(1, 30)]


@pytest.fixture
def owner(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres_dsn, autocommit=True, row_factory=scalar_row) as connection:
        connection.cursor().executemany(
            "insert into gateway.listeners (listener_id) values (%s)", [(each,) for each in HERE]
        )
        play(monkeypatch, GATEWAY)
        yield connection


def message(listener_id: UUID) -> Outgoing:
    return Outgoing("t", str(listener_id).encode(), b"said", "encore.rating.given")


async def _asked(dsn: str, clock: Clock, *asked: list[UUID], gateways: int = 1) -> list[dict[UUID, LogKey]]:
    async with open_async_pool(dsn, 4, Limits(statement_s=60, lock_s=60)) as pool:
        makers = [LogKeys(Store(pool), lambda: clock.now) for _ in range(gateways)]
        return await asyncio.gather(*(maker.of(listeners) for listeners in asked for maker in makers))


@pytest.mark.usefixtures("owner")
def test_several_gateways_at_once_make_one_key_for_each(postgres_dsn: str) -> None:
    answers = asyncio.run(_asked(postgres_dsn, Clock(), HERE[:20], HERE[10:], gateways=4))
    kept = keys_in(postgres_dsn)
    assert set(kept) == set(HERE)
    assert len({key.log for key in kept.values()}) == len({key.key for key in kept.values()}) == len(HERE)
    assert all(answer == {each: kept[each] for each in answer} for answer in answers)
    assert {len(answer) for answer in answers} == {20, 19}


@pytest.mark.usefixtures("owner")
def test_who_is_being_erased_gets_no_key(postgres_dsn: str) -> None:
    answers: list[dict[UUID, LogKey]] = []
    asking = threading.Thread(
        target=lambda: answers.extend(asyncio.run(_asked(postgres_dsn, Clock(), HERE[:2]))), daemon=True
    )
    with psycopg.connect(postgres_dsn) as erasing:
        erasing.execute("select from gateway.listeners where listener_id = %s for update", (HERE[0],))
        asking.start()
        until(lambda: waits(postgres_dsn))
        erasing.execute("delete from gateway.listeners where listener_id = %s", (HERE[0],))
    ended(asking)
    assert [set(answer) for answer in answers] == [{HERE[1]}]
    assert set(keys_in(postgres_dsn)) == {HERE[1]}


def test_a_key_that_goes_with_its_listener_is_known_to_be_thrown_away(
    owner: psycopg.Connection[Any], postgres_dsn: str
) -> None:
    asyncio.run(_asked(postgres_dsn, Clock(), HERE[:2]))
    gone = keys_in(postgres_dsn)[HERE[0]]
    owner.execute("delete from gateway.listeners where listener_id = %s", (HERE[0],))
    assert owner.execute("select log from gateway.thrown_logs").fetchall() == [gone.log]
    assert HERE[0] not in keys_in(postgres_dsn)


def test_of_nobody_nothing_is_sealed_and_what_a_gateway_remembers_opens_nothing(
    owner: psycopg.Connection[Any], postgres_dsn: str
) -> None:
    clock = Clock()

    async def run() -> list[list[Sealed]]:
        async with open_async_pool(postgres_dsn, 2) as pool:
            keys = LogKeys(Store(pool), lambda: clock.now)
            both = [message(HERE[0]), message(uuid4())]
            before = await keys.sealed(both)
            owner.execute("delete from gateway.listeners where listener_id = %s", (HERE[0],))
            remembered = await keys.sealed(both)
            clock.advance(60)
            return [before, remembered, await keys.sealed(both)]

    before, remembered, after = asyncio.run(run())
    assert (len(before), len(remembered), len(after)) == (1, 1, 0)
    lying = Message("t", 0, 0, remembered[0].key, remembered[0].value, 0)
    log = UUID(remembered[0].key.decode())
    assert owner.execute("select log from gateway.thrown_logs").fetchall() == [log]
    with pytest.raises(KeyThrownAway):
        opened(lying, {log: None})


def test_a_request_in_a_listeners_name_reads_no_key(owner: psycopg.Connection[Any]) -> None:
    owner.execute("set role encore_request")
    for table in ("log_keys", "thrown_logs"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute(f"select from gateway.{table}".encode())
