"""What the rollout process counts. Units are in the names."""

from typing import Final
from uuid import UUID

from prometheus_client import Counter, Gauge, Histogram

from schemas.api import Later, Verdict

DECISIONS: Final = Counter(
    "encore_rollout_decisions_total", "Decisions recorded, looks that held included", ["verdict"]
)
RELEASES: Final = Gauge("encore_rollout_releases", "Releases by status", ["status"])
WAITING: Final = Gauge("encore_rollout_rounds_waiting", "Trained rounds that wait for a running canary to end")
UPLIFT: Final = Gauge(
    "encore_rollout_uplift_stars", "Candidate - champion of the canary read last, mean over listeners"
)
LEARNED: Final = Gauge("encore_rollout_learned_stars", "Candidate - cold of the canary read last, mean over listeners")
INFORMATION: Final = Gauge("encore_rollout_information_ratio", "Planned ratings that are there, canary read last")
UNFINISHED: Final = Gauge("encore_rollout_unfinished_decisions", "Final decisions not carried out completely yet")
AWAY: Final = Counter("encore_rollout_backend_away_total", "Steps put off because a backend was away", ["backend"])
FAILED: Final = Counter(
    "encore_rollout_failures_total", "Releases that could not be looked at or carried out, each turn anew"
)
TICK: Final = Histogram("encore_rollout_tick_seconds", "Duration of one round of the control loop")
LAST: Final = Gauge("encore_rollout_last_tick_timestamp_seconds", "When the control loop last went through")
LEADS: Final = Gauge("encore_rollout_leads", "1 while this process acts, 0 while another does")
ENDED: Final = Counter(
    "encore_rollout_ended_total", "Verdicts carried out completely, whoever reached them", ["verdict"]
)
RETIRED: Final = Counter(
    "encore_rollout_retired_versions_total", "Versions taken from listeners who took back a song they learned from"
)
GUARDRAIL: Final = Gauge(
    "encore_rollout_guardrail_ratio",
    "Allowed p-value over the one seen: 1 ends a canary, or takes a promotion back",
    ["release_id", "guardrail"],
)
STOPPED: Final = Gauge("encore_rollout_stopped", "1 while an operator lets no new canary begin")
SWITCHES: Final = Gauge("encore_rollout_switches", "Kill switches that are thrown")
SELF_TESTS: Final = Gauge("encore_rollout_self_tests", "Weeks in which the champion was compared with itself")
SELF_TEST_ALARMS: Final = Gauge(
    "encore_rollout_self_test_alarms", "Of these, weeks in which a check saw a difference that is none", ["check"]
)


def near(release_id: UUID, guardrail: str, p: float, allowed: float) -> None:
    """How near one of a release's guardrails is to its bound."""
    GUARDRAIL.labels(str(release_id), guardrail).set(allowed / max(p, 1e-12))


def followed() -> None:
    """Another process acts: what this one saw last is not true for ever."""
    GUARDRAIL.clear()
    for gauge in (UNFINISHED, STOPPED, SWITCHES, WAITING):
        gauge.set(0)


def ended(release_id: UUID, verdict: Verdict | Later) -> None:
    """The verdict is carried out; the release's guardrails say nothing any more."""
    ENDED.labels(verdict).inc()
    GUARDRAIL.remove_by_labels({"release_id": str(release_id)})
