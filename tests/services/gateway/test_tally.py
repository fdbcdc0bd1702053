"""What the gateway acknowledged is in Postgres: each event once, whatever became of an addition's answer."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, LiteralString

import psycopg

from services.errors import BackendAway
from services.gateway.executes import Row
from services.gateway.settings import GatewaySettings
from services.gateway.store import Store
from services.gateway.tally import Bookkeeper, Tallies
from services.postgres import open_async_pool
from services.streams import Outgoing, Receipt
from services.streams_memory import MemoryBroker
from tests.services.gateway.conftest import running
from tests.services.gateway.engine import ToneEngine
from tests.services.gateway.test_events import event

MESSAGE = Outgoing("t", b"k", b"v", "encore.rating.given")
TEN = datetime(2026, 3, 1, 10, tzinfo=UTC)
TEN_MS = int(TEN.timestamp() * 1000)


def acknowledged(dsn: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute("select * from gateway.acknowledged order by 1, 2, 3, 4").fetchall()


class Forgetful(Store):
    """Loses the answer to every second question, after it had its effect."""

    asked = 0

    async def rows(self, sql: LiteralString, parameters: Mapping[str, Any] | None = None) -> Sequence[Row]:
        found = await super().rows(sql, parameters)
        self.asked += 1
        if self.asked % 2:
            raise BackendAway("postgres", "the answer was lost")
        return found


def test_an_addition_that_is_repeated_counts_once_and_two_gateways_add_up(postgres_dsn: str) -> None:
    async def work() -> None:
        async with open_async_pool(postgres_dsn, size=2) as pool:
            store = Forgetful(pool)
            keepers = [(Bookkeeper(store, tallies), tallies) for tallies in (Tallies(), Tallies())]
            for number in range(6):
                keeper, tallies = keepers[number % 2]
                tallies.note([MESSAGE, MESSAGE], [Receipt("t", 3, 10 * number + at, TEN_MS + at) for at in (0, 1)])
                with suppress(BackendAway):
                    await keeper.add()
            for keeper, _ in keepers:
                for _ in range(3):
                    with suppress(BackendAway):
                        await keeper.add()

    asyncio.run(work())
    assert acknowledged(postgres_dsn) == [("t", 3, TEN, "encore.rating.given", 12, 0, 51)]


def test_what_is_answered_202_is_told_by_the_end_and_what_is_refused_is_not(
    settings: GatewaySettings, engine: ToneEngine, broker: MemoryBroker
) -> None:
    with running(settings, engine, broker) as gateway:
        listener_id = gateway.listener()
        track_id = gateway.http.post("/v1/tracks", json={"listener_id": listener_id, "seconds": 2}).json()["track_id"]
        gateway.finished(track_id)
        good = [event(listener_id, "rating.given", track_id=track_id, stars=4) for _ in range(5)]
        bad = event(listener_id, "rating.given", track_id=track_id, stars=9)
        assert gateway.http.post("/v1/events", json=[*good, bad]).json()["accepted"] == 5
        broker.away = True
        assert gateway.http.post("/v1/events", json=good).status_code == 503
        broker.away = False
    rows = acknowledged(settings.postgres_dsn)
    assert {row[3]: row[4] for row in rows} == {"encore.rating.given": 5, "encore.track.made": 1}
    with psycopg.connect(settings.postgres_dsn) as connection:
        assert connection.execute("select closed_at is not null from gateway.writers").fetchall() == [(True,)]
