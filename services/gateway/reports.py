"""What the other processes have written, for operators and analysts: rounds, releases, uplift, how far feedback is.

The numbers of uplift are made by the views in the schema `analytics`; here they are only passed on.
"""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from schemas.api import (
    ArmSummary,
    AuditEntry,
    DecisionView,
    FeedbackCounts,
    ReleaseView,
    RoundCreate,
    RoundView,
    Uplift,
    UpliftReport,
)
from services.audit import Actor, record
from services.gateway.executes import Row
from services.gateway.known import require_there
from services.gateway.store import Store
from services.identifiers import uuid7
from services.postgres import load_queries
from services.streams import TopicPartition


class Reports:
    """Raises BackendAway while Postgres is away."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queries = load_queries(Path(__file__).with_name("reports.sql"))

    async def uplift(self, cohort: str | None, release_id: UUID | None) -> UpliftReport:
        """Arm means and uplift of one cohort, or of every one. Without a release: means over everything that was
        rated, and the uplift of each release, `release_id` null being the time outside any canary."""
        query = "arm_means_overall" if release_id is None else "arm_means"
        means = await self._rows(query, cohort=cohort, release_id=release_id)
        uplift = await self._rows("uplift", cohort=cohort, release_id=release_id)
        return UpliftReport(
            arms=[ArmSummary.model_validate(row) for row in means],
            uplift=[Uplift.model_validate(row) for row in uplift],
        )

    async def ask_for_round(self, by: Actor, wish: RoundCreate) -> RoundView:
        """For the factory.

        Raises:
            ServiceError: 404 `unknown_listener`.
        """
        wanted = {"request_id": uuid7(), "listeners": list(wish.listeners)}
        async with self._store.transaction() as execute:
            await require_there(execute, wish.listeners)
            rows = await execute(self._queries["add_round_request"], wanted)
            subject, listeners = str(wanted["request_id"]), len(wish.listeners)
            await record(execute, by, "round.asked", subject=subject, reason=wish.reason, listeners=listeners)
        return RoundView(
            round_id=rows[0]["request_id"],
            status="requested",
            listeners=len(wish.listeners),
            versions=0,
            created_at=rows[0]["created_at"],
        )

    async def audit(self, limit: int, subject: str | None) -> list[AuditEntry]:
        """Newest first."""
        rows = await self._rows("audit", limit=limit, subject=subject)
        return [AuditEntry.model_validate(row) for row in rows]

    async def rounds(self, limit: int, round_id: UUID | None = None) -> list[RoundView]:
        """Newest first; `round_id` may be that of the round or of the wish that it fulfils."""
        rows = await self._rows("rounds", limit=limit, round_id=round_id)
        return [RoundView.model_validate(row) for row in rows]

    async def releases(self, limit: int, release_id: UUID | None = None) -> list[ReleaseView]:
        """Newest first, each with its decisions in the order in which they were taken."""
        rows = await self._rows("releases", limit=limit, release_id=release_id)
        taken = await self._rows("decisions", ids=[row["release_id"] for row in rows])
        decisions: dict[UUID, list[DecisionView]] = defaultdict(list)
        for row in taken:
            url = f"/v1/releases/{row['release_id']}/decisions/{row['decision_id']}/inputs"
            decisions[row["release_id"]].append(DecisionView.model_validate({**row, "url": url}))
        return [ReleaseView(decisions=decisions[row["release_id"]], **row) for row in rows]

    async def decision_inputs(self, release_id: UUID, decision_id: UUID) -> str | None:
        """The JSON text whose digest the decision's view has; None if there is no such decision."""
        rows = await self._rows("decision_inputs", release_id=release_id, decision_id=decision_id)
        return None if not rows else str(rows[0]["inputs"])

    async def feedback(self, ends: Mapping[TopicPartition, int]) -> FeedbackCounts:
        """`ends` are the offsets that the next record of each (topic, partition) will get."""
        counts = (await self._rows("counts"))[0]
        folded_to = {(row["topic"], row["partition"]): row["next_offset"] for row in await self._rows("next_offsets")}
        lag: dict[str, int] = defaultdict(int)
        for (topic, partition), end in ends.items():
            lag[topic] += max(0, end - folded_to.get((topic, partition), 0))
        return FeedbackCounts(folded=counts["folded"], dead_lettered=counts["dead_lettered"], lag=dict(lag))

    async def _rows(self, name: str, **parameters: Any) -> list[Row]:
        return list(await self._store.rows(self._queries[name], parameters))
