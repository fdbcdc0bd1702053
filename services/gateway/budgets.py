"""What a principal may do in a while: requests, seconds of audio, bytes and seconds of uploads, event streams, events.

A listener pays for themselves. A service pays for what it asks, and where that is a listener's resource, the listener
pays as well: neither can use the other to do more. Staff have a listener's budget.
"""

import math
import time
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final, Literal
from uuid import UUID

from schemas.generation import MAX_SONG_SECONDS, MIN_SONG_SECONDS
from services.errors import ServiceError
from services.gateway.acting import note
from services.gateway.buckets import Charge, Short, cost_of
from services.gateway.ledger import Ledger
from services.gateway.settings import GatewaySettings
from services.principals.principal import Principal

Budget = Literal["requests", "audio_seconds", "upload_bytes", "upload_seconds", "stream_seconds", "events"]
STREAM_SLICE_S: Final = 15.0
"""An open stream pays for so much of its time at once, in front."""


class Budgets:
    def __init__(self, settings: GatewaySettings, ledger: Ledger) -> None:
        self._capacities: Mapping[Budget, float] = {
            "requests": settings.budget_requests,
            "audio_seconds": settings.budget_audio_s,
            "upload_bytes": settings.budget_upload_bytes,
            "upload_seconds": settings.budget_upload_s,
            "stream_seconds": settings.budget_streams * settings.budget_refill_s,
            "events": settings.budget_events,
        }
        self._factor = settings.budget_service_factor
        self._refill = timedelta(seconds=settings.budget_refill_s)
        self._ledger = ledger

    async def request(self, by: Principal) -> None:
        """Pays for one request.

        Raises:
            ServiceError: 429 `over_budget`, as from every method here.
            BackendAway: Postgres does not answer; likewise.
        """
        await self._pay([self._charge(by.owner, "requests", 1)])

    async def audio(self, by: Principal, listener_id: UUID, seconds: float) -> None:
        """Pays for sound that is asked for."""
        await self._pay(self._both(by, "audio_seconds", {listener_id: seconds}, seconds))

    async def upload(self, by: Principal, listener_id: UUID, size: int) -> None:
        """Pays for the bytes of an upload before they are read, and for as many seconds as the shortest song has: who
        has none left gives the engine nothing to do."""
        least = MIN_SONG_SECONDS
        sent = self._both(by, "upload_bytes", {listener_id: size}, size)
        await self._pay([*sent, *self._both(by, "upload_seconds", {listener_id: least}, least)])

    async def song(self, by: Principal, listener_id: UUID, seconds: float) -> None:
        """Pays for what an upload turned out to last beyond the shortest song."""
        rest = min(max(seconds, MIN_SONG_SECONDS), MAX_SONG_SECONDS) - MIN_SONG_SECONDS
        await self._pay(self._both(by, "upload_seconds", {listener_id: rest}, rest))

    async def events(self, by: Principal, counts: Mapping[UUID, int], total: int) -> None:
        """Pays for a batch of `total` events; `counts` are those of each listener within the principal's reach."""
        await self._pay(self._both(by, "events", counts, total))

    async def stream(self, by: Principal, listener_id: UUID | None = None) -> "Stream":
        """Pays for the first slice of an event stream; `listener_id`: whose resource it follows, if anybody's."""
        amounts = {} if listener_id is None else {listener_id: STREAM_SLICE_S}
        charges = list(self._both(by, "stream_seconds", amounts, STREAM_SLICE_S))
        await self._pay(charges)
        return Stream(self, charges)

    def _both(self, by: Principal, budget: Budget, amounts: Mapping[UUID, float], total: float) -> Iterable[Charge]:
        yield self._charge(by.owner, budget, total)
        if by.kind == "service":
            note(amounts)
            for listener_id, amount in amounts.items():
                yield self._charge(f"listener:{listener_id}", budget, amount)

    def _charge(self, owner: str, budget: Budget, amount: float) -> Charge:
        return Charge(owner, budget, cost_of(amount, self._capacity(owner, budget), self._refill))

    def _capacity(self, owner: str, budget: str) -> float:
        return self._capacities[budget] * (self._factor if owner.startswith("service:") else 1)  # type: ignore[index]

    async def _pay(self, charges: Iterable[Charge]) -> None:
        short = await self._ledger.take(sorted(charges), self._refill)
        if short is not None:
            raise self._over(short)

    def _over(self, short: Short) -> ServiceError:
        owner, budget = short.charge.owner, short.charge.budget
        capacity = self._capacity(owner, budget)
        left = math.floor(round(short.left * capacity, 3))
        return ServiceError(
            "over_budget",
            f"The {owner.partition(':')[0]}'s budget of {budget} is spent: {left} of {capacity:.0f} are left.",
            status=429,
            field=budget,
            expected=f"at most {left} now; {capacity:.0f} come back in {self._refill.total_seconds():.0f} s",
            retry_after=max(1, math.ceil(short.wait.total_seconds())),
        )


class Stream:
    """An open event stream, paid for slice by slice: so many are open at once, over all gateways, as the budget's
    seconds last, and a gateway that is killed holds none."""

    def __init__(self, budgets: Budgets, charges: list[Charge]) -> None:
        self._budgets = budgets
        self._charges = charges
        self._paid_until = time.monotonic() + STREAM_SLICE_S

    def paid_s(self) -> float:
        """The seconds until the next slice is due."""
        return max(0.0, self._paid_until - time.monotonic())

    async def may_go_on(self) -> bool:
        """False once the next slice cannot be paid."""
        if time.monotonic() < self._paid_until:
            return True
        try:
            await self._budgets._pay(self._charges)  # noqa: SLF001 - of the same module
        except ServiceError as error:
            if error.status != 429:
                raise
            return False
        self._paid_until = time.monotonic() + STREAM_SLICE_S
        return True
