"""The buckets in Postgres, where all gateways take from the same: one statement for all that a step costs."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, LiteralString, Protocol
from uuid import UUID

from services.gateway.buckets import Charge, Short, shortage
from services.gateway.shortages import Shortages
from services.postgres import AsyncPool, reaching

Now = Callable[[], datetime]


class Ledger(Protocol):
    """Where buckets are kept."""

    async def take(self, charges: Sequence[Charge], refill: timedelta) -> Short | None:
        """Takes all charges, each of another bucket, or none of them; then the one with the longest wait comes back.

        Raises:
            BackendAway: the buckets cannot be reached.
        """
        ...

    async def drop_full(self) -> int:
        """Forgets buckets that are full, and says how many."""
        ...


_NOW: Final = "coalesce(%(now)s::timestamptz, statement_timestamp())"
# In one order of rows, so that two statements never wait for each other. A time that waited for the row's lock lies
# behind the row's own, which only moves on. Who is erased pays nothing, or their token would leave their id here again.
_TAKE: Final[LiteralString] = f"""
with asked as materialized (
    select owner, budget, cost
    from unnest(%(owners)s::text[], %(budgets)s::text[], %(costs)s::interval[], %(listeners)s::uuid[])
        as a(owner, budget, cost, listener_id)
    where a.listener_id is null
       or exists (select from gateway.listeners l where l.listener_id = a.listener_id)
), taken as (
    insert into gateway.budgets as there (owner, budget, full_at)
    select owner, budget, {_NOW} + cost from asked order by owner, budget
    on conflict (owner, budget) do update
    set full_at = greatest(there.full_at, {_NOW}) + (excluded.full_at - {_NOW})
    where greatest(there.full_at, {_NOW}) + (excluded.full_at - {_NOW}) <= {_NOW} + %(refill)s
    returning owner
)
select (select count(*) from taken) = (select count(*) from asked) as is_all
"""  # noqa: S608 - nothing of a caller is in it
_STATES: Final[LiteralString] = f"""
select owner, budget, full_at, {_NOW} as now
from unnest(%(owners)s::text[], %(budgets)s::text[]) as asked(owner, budget)
left join gateway.budgets using (owner, budget)
"""  # noqa: S608 - nothing of a caller is in it
_DROP_FULL: Final[LiteralString] = f"delete from gateway.budgets where full_at <= {_NOW}"  # noqa: S608 - nothing of a caller is in it


class _NotAll(Exception):
    """Some bucket holds too little."""


class PostgresLedger:
    """A `Ledger`. Its pool is its own, so that a step may pay in the midst of another transaction."""

    def __init__(self, pool: AsyncPool, now: Now | None = None) -> None:
        """`now`: whose time counts; None: the database's, which is one for all gateways."""
        self._pool = pool
        self._now = now
        self._shortages = Shortages(now or (lambda: datetime.now(UTC)))

    async def take(self, charges: Sequence[Charge], refill: timedelta) -> Short | None:
        known = self._shortages.of(charges, refill)
        if known is not None:
            return known
        asked = self._asked(charges, refill)
        try:
            await self._take_all(asked)
        except _NotAll:
            short = await self._longest(charges, asked, refill)
            self._shortages.note(short)
            return short
        return None

    async def drop_full(self) -> int:
        with reaching():
            async with self._pool.connection() as connection:
                return (await connection.execute(_DROP_FULL, self._time())).rowcount

    async def _take_all(self, asked: Mapping[str, Any]) -> None:
        with reaching():
            async with self._pool.connection() as connection, connection.transaction():
                found = await (await connection.execute(_TAKE, asked)).fetchone()
                if found is None or not found["is_all"]:
                    raise _NotAll  # which undoes the others

    async def _longest(self, charges: Sequence[Charge], asked: Mapping[str, Any], refill: timedelta) -> Short:
        with reaching():
            async with self._pool.connection() as connection:
                rows = await (await connection.execute(_STATES, asked)).fetchall()
        states = {(row["owner"], row["budget"]): row for row in rows}
        found = [(charge, states[charge.owner, charge.budget]) for charge in charges]
        return max((shortage(charge, row["full_at"], row["now"], refill) for charge, row in found), key=_wait)

    def _asked(self, charges: Sequence[Charge], refill: timedelta) -> dict[str, Any]:
        return self._time() | {
            "owners": [charge.owner for charge in charges],
            "budgets": [charge.budget for charge in charges],
            "costs": [charge.cost for charge in charges],
            "listeners": [_listener(charge.owner) for charge in charges],
            "refill": refill,
        }

    def _time(self) -> dict[str, Any]:
        return {"now": None if self._now is None else self._now()}


def _listener(owner: str) -> UUID | None:
    kind, _, name = owner.partition(":")
    try:
        return UUID(name) if kind == "listener" else None
    except ValueError:
        return None


def _wait(short: Short) -> timedelta:
    return short.wait
