"""What every ledger keeps to: the one in memory and the one in Postgres, with two gateways on it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import BackendAway
from services.gateway.buckets import Charge, cost_of
from services.gateway.ledger import Ledger, PostgresLedger
from services.gateway.shortages import Shortages
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


def test_what_is_spent_is_refused_again_without_asking_postgres(postgres_dsn: str, clock: Clock) -> None:
    async def test() -> None:
        async with open_async_pool(postgres_dsn, size=1) as pool:
            ledger = PostgresLedger(pool, clock)
            assert await ledger.take([charge(10)], REFILL) is None
            first = await ledger.take([charge(1)], REFILL)
        clock.move(0.5)
        again = await ledger.take([charge(1), charge(1, "listener:b")], REFILL)
        assert first is not None
        assert again is not None
        assert (again.charge, again.wait) == (charge(1), first.wait - timedelta(seconds=0.5))
        assert again.left == pytest.approx(0.005)
        for asked in (charge(1, "listener:b"), charge(1, budget="requests")):
            with pytest.raises(BackendAway):  # of others nothing is known
                await ledger.take([asked], REFILL)
        clock.move(0.5)
        with pytest.raises(BackendAway):
            await ledger.take([charge(1)], REFILL)

    asyncio.run(test())


AMOUNTS = st.lists(st.tuples(st.floats(0.1, 10), st.sampled_from("ab"), st.floats(0, 3)), max_size=30)


@given(AMOUNTS)
def test_who_is_remembered_to_be_short_would_be_refused_by_the_bucket(asked: list[tuple[float, str, float]]) -> None:
    clock = Clock()
    ledger, shortages = MemoryLedger(clock), Shortages(clock)

    async def test() -> None:
        for amount, owner, seconds in asked:
            charges = [charge(amount, owner)]
            known, short = shortages.of(charges, REFILL), await ledger.take(charges, REFILL)
            if known is not None:
                assert short is not None
                assert short.wait >= known.wait - timedelta(microseconds=2)
            if short is not None and known is None:
                shortages.note(short)
            clock.move(seconds)

    asyncio.run(test())
