"""Rows of what operators throw and order: kill switches, which the gateway itself reads, and orders, which the rollout
process carries out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from schemas.operating import OrderCreate, OrderView, Signed, SwitchCreate, SwitchView
from services.audit import Actor, record
from services.gateway.executes import Row
from services.gateway.known import require_there
from services.gateway.store import Store
from services.identifiers import uuid7
from services.postgres import load_queries


class Operating:
    """Raises BackendAway while Postgres is away."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queries = load_queries(Path(__file__).with_name("operating.sql"))

    async def throw(self, actor: Actor, wish: SwitchCreate) -> SwitchView:
        """From now on.

        Raises:
            ServiceError: 404 `unknown_listener`.
        """
        attribute, _, value = (wish.cohort or "").partition("=")
        rows = await self._changed(
            "throw",
            actor,
            "switch.thrown",
            about="switch_id",
            switch_id=uuid7(),
            listener_id=wish.listener_id,
            attribute=attribute or None,
            value=value or None,
            reason=wish.reason,
            by=actor.name,
        )
        return _switch(rows[0])

    async def lift(self, actor: Actor, switch_id: UUID, signed: Signed) -> SwitchView | None:
        """None if there is no such switch; one that is lifted stays as it was."""
        values = {"switch_id": switch_id, "reason": signed.reason, "by": actor.name}
        await self._changed("lift", actor, "switch.lifted", about="switch_id", **values)
        rows = await self._rows("switch", switch_id=switch_id)
        return _switch(rows[0]) if rows else None

    async def switches(self, limit: int, *, thrown: bool) -> list[SwitchView]:
        """Newest first; `thrown`: only those that are not lifted."""
        return [_switch(row) for row in await self._rows("switches", limit=limit, thrown=thrown)]

    async def order(self, actor: Actor, wish: OrderCreate) -> OrderView:
        """Stored for the rollout process.

        Raises:
            ServiceError: 404 `unknown_listener`.
        """
        order_id = uuid7()
        about = "release_id" if wish.release_id else "listener_id"
        values = {"order_id": order_id, "by": actor.name, **wish.model_dump()}
        await self._changed("give_order", actor, f"{wish.action}.ordered", about=about, **values)
        return (await self.orders(1, order_id))[0]

    async def orders(self, limit: int, order_id: UUID | None = None) -> list[OrderView]:
        """Newest first."""
        rows = await self._rows("orders", limit=limit, order_id=order_id)
        return [OrderView.model_validate(row) for row in rows]

    async def _changed(self, name: str, actor: Actor, deed: str, /, *, about: str, **parameters: Any) -> list[Row]:
        """Runs a statement and records what it did, both or neither; `about` names the parameter that it is about."""
        subject, whom = parameters[about], parameters.get("listener_id")
        async with self._store.transaction() as execute:
            if whom is not None:
                await require_there(execute, [whom])
            rows = await execute(self._queries[name], parameters)
            about_id = None if subject is None else str(subject)
            if rows:  # else nothing was done
                await record(execute, actor, deed, subject=about_id, reason=parameters["reason"])
        return list(rows)

    async def _rows(self, name: str, **parameters: Any) -> list[Row]:
        return list(await self._store.rows(self._queries[name], parameters))


def _switch(row: Mapping[str, Any]) -> SwitchView:
    shown = {name: value for name, value in row.items() if name not in ("attribute", "value")}
    cohort = None if row["attribute"] is None else f"{row['attribute']}={row['value']}"
    return SwitchView(**shown, cohort=cohort, everyone=row["listener_id"] is None and cohort is None)
