"""The rollout process's rows in Postgres: it reads rounds, adapters and feedback, and writes schema `rollout` only."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter

from schemas.api import ReleaseStatus, Verdict
from schemas.events import Arm
from schemas.registry import AdapterRef
from services.identifiers import uuid7
from services.postgres import Pool, Queries, load_queries, transaction
from services.rollout.care import Care
from services.rollout.decide import Decision
from services.rollout.evidence import DISLIKED, ArmCounts, Compared, Evidence, ListenerEvidence, Look
from services.rollout.plan import Plan
from services.rollout.ramp import steps
from services.rollout.shown import shown
from services.rollout.shrink import Spread
from services.rollout.sizing import Earlier, sized
from services.rollout.stats import Ratings, clustered_interval

# Over `cold` is what was learned; over `base` is that and what the songs gave.
COMPARED: Final[tuple[tuple[Arm, Arm], ...]] = (
    ("candidate", "cold"),
    ("champion", "cold"),
    ("candidate", "champion"),
    ("candidate", "base"),
    ("champion", "base"),
    ("cold", "base"),
)
STATUS: Final[Mapping[Verdict, ReleaseStatus]] = {
    "promote": "promoted",
    "hold": "held",
    "roll_back": "rolled_back",
}


@dataclass(frozen=True, slots=True)
class WaitingRound:
    round_id: UUID
    listeners: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class Running:
    """A release whose status is canary. `age_s` is by the database's clock, in seconds; while it is `paused` it stands
    still. `stored_plan` and `stored_care` are what was written when it started, perhaps by another version. `step` is
    how far it is in `care.steps`, since `step_age_s` seconds."""

    release_id: UUID
    round_id: UUID
    stored_plan: Mapping[str, Any]
    started_at: datetime
    age_s: float
    listeners: int
    paused: bool
    stored_care: Mapping[str, Any]
    step: int
    step_age_s: float

    @property
    def care(self) -> Care:
        """Raises ValueError where this version cannot read what is stored."""
        return Care.model_validate(self.stored_care)

    @property
    def joined(self) -> int:
        """How many members the canary has reached."""
        return self.care.steps[self.step] if self.step < len(self.care.steps) else self.listeners

    @property
    def plan(self) -> Plan:
        """Raises ValueError where this version cannot decide by the stored plan."""
        return Plan.model_validate(self.stored_plan)

    @property
    def is_old(self) -> bool:
        """Whether its time is over, whatever else the plan says."""
        return self.age_s >= float(self.stored_plan.get("max_age_s", 0))


@dataclass(frozen=True, slots=True)
class Member:
    """`champion_version` is what it was when the release started; None is the cold start. `left`: before it
    ended."""

    listener_id: UUID
    candidate_version: int
    champion_version: int | None
    left: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """A final decision as stored: the intent that every start continues from."""

    decision_id: UUID
    verdict: Verdict
    reason: str
    decided_at: datetime
    keeps: frozenset[UUID]

    def adopts(self, member: Member) -> bool:
        """Whether this listener's candidate becomes their champion."""
        return self.verdict == "promote" and not member.left and member.listener_id not in self.keeps


class Conflict(Exception):
    """A member is in another canary; the release was not opened."""


class Store:
    """All methods raise `BackendAway` while Postgres cannot be reached."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queries: Queries = load_queries(Path(__file__).with_name("queries.sql"))

    def waiting_rounds(self) -> list[WaitingRound]:
        """Trained rounds without a release, the oldest first."""
        return [WaitingRound(row["round_id"], frozenset(row["listeners"])) for row in self._rows("waiting_rounds")]

    def listeners_in_canaries(self) -> set[UUID]:
        """Whose arms are being compared now."""
        return {row["listener_id"] for row in self._rows("listeners_in_canaries")}

    def open_release(self, round_id: UUID, plan: Plan, care: Care) -> UUID | None:
        """Start the canary of a round: release, members, a plan sized for them and what they are served, in one
        transaction.

        None when the round has a release already.

        Raises:
            Conflict: a member is in another canary.
        """
        release_id = uuid7()
        ids = {"release_id": release_id, "round_id": round_id}
        with transaction(self._pool) as connection:
            row = {
                **ids,
                "salt": secrets.token_hex(32),
                "plan": plan.model_dump_json(),
                "care": care.model_dump_json(),
                "holdout_share": care.holdout_share,
            }
            if connection.execute(self._queries["open_release"], row).fetchone() is None:
                return None
            members = connection.execute(self._queries["add_members"], row).rowcount
            ramped = care.model_copy(update={"steps": steps(care.ramp, members, care.ramp_least)})
            connection.execute(self._queries["spread_members"], {**row, "counts": list(ramped.steps)})
            connection.execute(self._queries["keep_care"], {**ids, "care": ramped.model_dump_json()})
            activity = connection.execute(self._queries["activity"], ids).fetchone()
            earlier = [_earlier(each) for each in connection.execute(self._queries["earlier"]).fetchall()]
            for_them = sized(plan, members, activity["active"] if activity else 0, earlier)
            connection.execute(self._queries["set_plan"], {**ids, "plan": for_them.model_dump_json()})
            if connection.execute(self._queries["serve_candidates"], ids).rowcount != members:
                raise Conflict(str(round_id))
        return release_id

    def step_up(self, running: Running, reason: str) -> bool:
        """Let the members of the next step join; False if that was done before, or must not be now."""
        ids = {"release_id": running.release_id}
        with transaction(self._pool) as connection:
            if connection.execute(self._queries["step_up"], {**ids, "step": running.step}).fetchone() is None:
                return False
            connection.execute(self._queries["told_step"], {**ids, "action_id": uuid7(), "reason": reason})
        return True

    def candidates(self, release_id: UUID) -> list[AdapterRef]:
        """The adapters under test."""
        return [AdapterRef.model_validate(row) for row in self._rows("candidates", release_id=release_id)]

    def running(self) -> list[Running]:
        """Releases that are not over, the oldest first."""
        return [
            Running(
                release_id=row["release_id"],
                round_id=row["round_id"],
                stored_plan=row["plan"],
                started_at=row["started_at"],
                age_s=row["age_s"],
                listeners=row["listeners"],
                paused=row["paused"],
                stored_care=row["care"],
                step=row["step"],
                step_age_s=row["step_age_s"],
            )
            for row in self._rows("running")
        ]

    def looks(self, release_id: UUID) -> list[Look]:
        """The looks taken so far that decided nothing final, in order."""
        rows = self._rows("looks", release_id=release_id)
        return [Look(row["look"], row["fraction"], row["spent"], row["extended"]) for row in rows]

    def outcome(self, release_id: UUID) -> Outcome | None:
        """The final decision, if there is one."""
        rows = self._rows("outcome", release_id=release_id)
        return Outcome(**(rows[0] | {"keeps": frozenset(rows[0]["keeps"])})) if rows else None

    def members(self, release_id: UUID) -> list[Member]:
        """Who takes part, with the versions that are compared."""
        return [Member(**row) for row in self._rows("members", release_id=release_id)]

    def evidence(self, release_id: UUID) -> Evidence:
        """What is known now."""
        arms: dict[UUID, dict[Any, Ratings]] = {each.listener_id: {} for each in self.members(release_id)}
        for row in self._rows("ratings", release_id=release_id):
            if row["listener_id"] in arms:
                arms[row["listener_id"]][row["arm"]] = _ratings(row)
        pairs = {
            row["listener_id"]: tuple(
                map(Compared, row["stars"], row["votes"], row["skipped"], row["completed"]),
            )
            for row in self._rows("compared", release_id=release_id, disliked=DISLIKED)
        }
        tracks = {row.pop("arm"): ArmCounts(**row) for row in self._rows("tracks", release_id=release_id)}
        present = {row["listener_id"] for row in self._rows("present", release_id=release_id)}
        failed = {
            row["listener_id"]: 1 if row["arm"] == "candidate" else -1
            for row in self._rows("failed_first", release_id=release_id)
        }
        listeners = (
            ListenerEvidence(who, pairs.get(who, ()), given, who in present, failed.get(who, 0))
            for who, given in arms.items()
        )
        return Evidence(tuple(listeners), tracks)

    def record(
        self, running: Running, decision: Decision, evidence: Evidence, past: Sequence[Look] = (), by: str = "rollout"
    ) -> bool:
        """Store a decision with its inputs; when it is final, also what the listeners are served from now on.

        One transaction. False when the release is over or this look was recorded before: nothing was changed.
        """
        ids = {"release_id": running.release_id}
        row = {
            **ids,
            "decision_id": uuid7(),
            "look": decision.look,
            "verdict": decision.verdict,
            "reason": decision.reason,
            "inputs": json.dumps(inputs(running, decision, evidence, past) | {"by": by}),
        }
        keeps = {"promote": decision.verdict == "promote", "keeps": list(decision.keeps)}
        with transaction(self._pool) as connection:
            release = connection.execute(self._queries["lock_release"], ids).fetchone()
            if release is None or release["status"] != "canary":
                return False
            if connection.execute(self._queries["record_decision"], row).fetchone() is None:
                return False
            if decision.final:
                connection.execute(self._queries["serve_outcome"], {**ids, **keeps})
        return True

    def finish(self, release_id: UUID, outcome: Outcome) -> None:
        """The decision is carried out; may be repeated."""
        change = {"release_id": release_id, "status": STATUS[outcome.verdict], "decided_at": outcome.decided_at}
        with transaction(self._pool) as connection:
            connection.execute(self._queries["finish"], change)

    def releases_by_status(self) -> dict[str, int]:
        """How many releases have each status."""
        return {row["status"]: row["releases"] for row in self._rows("releases_by_status")}

    def _rows(self, name: str, **values: object) -> list[dict[str, Any]]:
        with transaction(self._pool) as connection:
            return connection.execute(self._queries[name], values).fetchall()


def inputs(running: Running, decision: Decision, evidence: Evidence, past: Sequence[Look]) -> dict[str, Any]:
    """Everything the decision followed from, and the numbers it gave: `decide` repeats it from this alone."""
    return {
        **TypeAdapter(Decision).dump_python(decision, mode="json"),
        "plan": running.stored_plan,
        "age_s": running.age_s,
        "shown": shown(evidence, running.stored_plan),
        "uplift": {f"{arm} - {baseline}": _interval(evidence, baseline, arm) for arm, baseline in COMPARED},
        "past": [asdict(look) for look in past],
        "evidence": TypeAdapter(Evidence).dump_python(evidence, mode="json"),
    }


def _interval(evidence: Evidence, baseline: Arm, arm: Arm) -> dict[str, float] | None:
    """The 95 % interval for the reader, the same as the analysts' view gives; verdicts use stricter levels."""
    interval = clustered_interval(evidence.differences(baseline, arm))
    return None if interval is None else asdict(interval)


def _earlier(row: Mapping[str, Any]) -> Earlier:
    spread = None if row["within"] is None else Spread(row["within"], row["between"])
    return Earlier(row["estimate"], row["error"], spread)


def _ratings(row: Mapping[str, Any]) -> Ratings:
    return Ratings(row["count"], row["total"], row["squares"])
