"""What every ledger keeps to: the one in memory and the one in Postgres, with two gateways on it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import psycopg
import pytest

from services.gateway.buckets import Charge, cost_of
from services.gateway.ledger import Ledger, PostgresLedger
from services.postgres import open_async_pool
from tests.services.gateway.ledgers import Clock, MemoryLedger

REFILL = timedelta(seconds=100)
Test = Callable[[Ledger, Ledger], Awaitable[None]]
Run = Callable[[Test], None]


def charge(amount: float, owner: str = "listener:a", budget: str = "events") -> Charge:
    """Of a capacity of 10."""
    return Charge(owner, budget, cost_of(amount, 10, REFILL))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "postgres"])
def run(request: pytest.FixtureRequest, clock: Clock) -> Run:
    """Runs a test with two gateways' views of the same buckets."""
    if request.param == "memory":
        both = MemoryLedger(clock)
        return lambda test: asyncio.run(test(both, both))  # type: ignore[arg-type]
    dsn = request.getfixturevalue("postgres_dsn")

    async def on_postgres(test: Test) -> None:
        async with open_async_pool(dsn, size=4) as one, open_async_pool(dsn, size=4) as other:
            await test(PostgresLedger(one, clock), PostgresLedger(other, clock))

    return lambda test: asyncio.run(on_postgres(test))


def test_what_is_taken_at_once_is_never_more_than_there_is(run: Run) -> None:
    async def test(one: Ledger, other: Ledger) -> None:
        answers = await asyncio.gather(*(ledger.take([charge(1)], REFILL) for ledger in [one, other] * 15))
        assert sum(short is None for short in answers) == 10

    run(test)


def test_it_is_told_what_is_left_and_served_after_the_wait(run: Run, clock: Clock) -> None:
    async def test(one: Ledger, other: Ledger) -> None:
        assert await one.take([charge(7)], REFILL) is None
        short = await other.take([charge(5)], REFILL)
        assert short is not None
        assert short.left == pytest.approx(0.3)
        assert short.wait == timedelta(seconds=20)
        clock.move(20)
        assert await other.take([charge(5)], REFILL) is None

    run(test)


def test_all_are_taken_or_none(run: Run) -> None:
    async def test(one: Ledger, other: Ledger) -> None:
        assert await one.take([charge(8, "listener:b")], REFILL) is None
        both = [charge(5), charge(5, "listener:b")]
        short = await other.take(both, REFILL)
        assert short is not None
        assert short.charge == both[1]
        assert await one.take([charge(10)], REFILL) is None, "the first was given back"

    run(test)


def test_owners_and_budgets_are_apart(run: Run) -> None:
    async def test(one: Ledger, other: Ledger) -> None:
        for taken in (charge(10), charge(10, "service:a"), charge(10, budget="requests")):
            assert await one.take([taken], REFILL) is None
            assert await other.take([taken], REFILL) is not None

    run(test)


def test_only_what_is_full_is_forgotten(run: Run, clock: Clock) -> None:
    async def test(one: Ledger, other: Ledger) -> None:
        assert await one.take([charge(2)], REFILL) is None
        assert await one.take([charge(10, "listener:b")], REFILL) is None
        clock.move(20)
        assert await one.drop_full() == 1
        short = await other.take([charge(10, "listener:b")], REFILL)
        assert short is not None
        assert short.wait == timedelta(seconds=80)

    run(test)


def test_without_a_clock_the_databases_time_counts(postgres_dsn: str) -> None:
    async def test() -> None:
        async with open_async_pool(postgres_dsn) as pool:
            ledger = PostgresLedger(pool)
            assert await ledger.take([charge(10)], REFILL) is None
            assert await ledger.take([charge(10)], REFILL) is not None

    asyncio.run(test())
    with psycopg.connect(postgres_dsn) as connection:
        row = connection.execute("select full_at - now() from gateway.budgets").fetchone()
    assert row is not None
    assert timedelta() < row[0] <= REFILL
