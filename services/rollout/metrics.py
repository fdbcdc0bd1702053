"""What the rollout process counts. Units are in the names."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

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
