"""Rows of the permanent A/A, and its turn: each week that is over is tested once."""

import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import structlog

from services.postgres import Pool, load_queries, transaction
from services.rollout import metrics
from services.rollout.self_test import SelfTest, judged
from services.rollout.stats import Ratings
from services.rollout.way_back import NOTHING, Heard, Person

log = structlog.get_logger()

EVERY_S: Final = 3600.0
MOST: Final = 200  # tracks of a listener in a week that count
SHOWN: Final = 52
CHECKS: Final = ("estimate", "guardrail", "ratio")


@dataclass(slots=True)
class SelfTests:
    """All methods raise `BackendAway` while Postgres cannot be reached."""

    pool: Pool
    next_at: float = 0.0
    queries: Any = field(default_factory=lambda: load_queries(Path(__file__).with_name("self_tests.sql")))

    def turn(self) -> None:
        """Test the last week once it is over; tell how many weeks there are and how many alarmed."""
        if time.monotonic() < self.next_at:
            return
        for row in self._rows("untested_week"):
            self._keep(row["week"], self._tested(row["week"]))
        (totals,) = self._rows("totals")
        metrics.SELF_TESTS.set(totals["weeks"])
        for check in CHECKS:
            metrics.SELF_TEST_ALARMS.labels(check).set(totals[check])
        self.next_at = time.monotonic() + EVERY_S

    def weeks(self) -> list[dict[str, Any]]:
        """What each week said, the newest first."""
        return self._rows("weeks", limit=SHOWN)

    def _tested(self, week: object) -> SelfTest:
        heard: dict[UUID, dict[int, Heard]] = defaultdict(dict)
        made = [0, 0]
        for row in self._rows("halves", week=week, most=MOST):
            made[row["half"]] += row["made"]
            ratings = Ratings(row["count"], row["total"], row["squares"])
            heard[row["listener_id"]][row["half"]] = Heard(ratings, row["started"], row["skipped"], row["completed"])
        people = [Person(who, halves.get(0, NOTHING), halves.get(1, NOTHING)) for who, halves in heard.items()]
        return judged(people, (made[0], made[1]))

    def _keep(self, week: object, test: SelfTest) -> None:
        interval = test.interval
        row = {
            "week": week,
            "listeners": test.listeners,
            "estimate": interval and interval.estimate,
            "low": interval and interval.low,
            "high": interval and interval.high,
            "nearest": test.nearest,
            "ratio_p": test.ratio_p,
            "alarms": test.alarms,
        }
        with transaction(self.pool) as connection:
            connection.execute(self.queries["keep"], row)
        log.info("self_tested", week=str(week), alarms=test.alarms)

    def _rows(self, name: str, **values: object) -> list[dict[str, Any]]:
        with transaction(self.pool) as connection:
            return connection.execute(self.queries[name], values).fetchall()
