"""A past for the rooms to show: rounds, releases, looks and ratings as the other processes write them."""

import json
import random
from collections.abc import Sequence
from uuid import UUID

import psycopg

from schemas.analysis import EVERY_RELEASE
from services.identifiers import uuid7

PLAN = {"looks": [0.5, 1.0], "alpha": 0.05, "ratings_per_arm": 6.0}
# Status, days ago, and its looks: verdict, share of the planned ratings, estimate, lower bound, reason.
RELEASES = (
    ("promoted", 9, (("hold", 0.52, 0.21, -0.12, "not above zero"), ("promote", 1.02, 0.38, 0.11, "above zero"))),
    ("rolled_back", 4, (("roll_back", 0.31, None, None, "the candidate is skipped early more often: 19 against 4"),)),
    ("canary", 1, (("hold", 0.55, 0.26, -0.04, "candidate - champion is +0.26 stars, not above zero"),)),
)
GUARDRAILS = {"stars": 1.0, "skips": 0.031, "completions": 0.44, "failures": 1.0}  # their p-values
HOMES = ("classical", "electronic", "folk", "jazz")
AGES = ("20-29", "30-39", "40-49")
LISTENERS = 144
LIKED = {"base": 2.6, "cold": 3.2, "champion": 3.5, "candidate": 3.8}  # stars, on the mean
EACH = 2  # ratings of a listener on an arm
DAYS = 5  # over which they are given


def write_past(dsn: str) -> list[UUID]:
    """Writes all of it; the releases' ids, the newest last."""
    releases = write_releases(dsn)
    write_ratings(dsn, releases)
    return releases


def write_ratings(dsn: str, releases: Sequence[UUID]) -> None:
    """Listeners of a few cohorts and one lone of its own, who rated every arm in each release."""
    draw = random.Random(7)
    people = [(uuid7(), HOMES[n % len(HOMES)], AGES[n % len(AGES)]) for n in range(LISTENERS)]
    people.append((uuid7(), "polka", AGES[0]))
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into gateway.listeners (listener_id, attributes)"
            " values (%s, jsonb_build_object('home', %s::text, 'age_band', %s::text))",
            people,
        )
        members = [(release, person[0]) for release in releases for person in people]
        cursor.executemany("insert into rollout.members values (%s, %s, 2, 1)", members)
        given = []
        for release, listener in members:
            own = draw.gauss(0, 0.4)
            for arm, mean in LIKED.items():
                given += [
                    (uuid7(), listener, arm, release, max(1, min(5, round(mean + own + draw.gauss(0, 0.9)))))
                    for _ in range(EACH)
                ]
        cursor.executemany(
            "insert into feedback.tracks (track_id, listener_id, arm, propensity, release_id, prompt, seconds,"
            " features_url, sha256, made_at) values (%s, %s, %s, 0.25, %s, 'a tune', 10, '', '', now())",
            [(track, listener, arm, release) for track, listener, arm, release, _ in given],
        )
        cursor.executemany(
            "insert into feedback.ratings (listener_id, track_id, stars, rated_at, event_id)"
            " values (%s, %s, %s, now() - %s * interval '1 day', %s)",
            [(listener, track, stars, n % DAYS, track) for n, (track, listener, _, _, stars) in enumerate(given)],
        )
        for release in (*releases, EVERY_RELEASE):
            cursor.execute("select feedback.refresh_cells(%s)", (release,))
            cursor.execute(
                "insert into feedback.cell_refreshes values (%s, now(), 0) on conflict do nothing", (release,)
            )
        cursor.execute("delete from feedback.rollup_changes")


def write_releases(dsn: str) -> list[UUID]:
    written = []
    with psycopg.connect(dsn) as connection:
        for status, days, looks in RELEASES:
            round_id, release_id = uuid7(), uuid7()
            written.append(release_id)
            connection.execute(
                "insert into training.rounds (round_id, status, listeners, started_at, finished_at)"
                " values (%s, 'trained', '{}', now() - %s * interval '1 day', now() - %s * interval '1 day')",
                (round_id, days + 0.2, days),
            )
            connection.execute(
                "insert into rollout.releases (release_id, round_id, status, salt, plan, started_at, decided_at)"
                " values (%s, %s, %s, 'salt', %s, now() - %s * interval '1 day', %s)",
                (release_id, round_id, status, json.dumps(PLAN), days, None if status == "canary" else "now"),
            )
            connection.execute(
                "insert into rollout.guardrails (release_id, name, p, allowed)"
                " select %s, name, p, 0.0125 from unnest(%s::text[], %s::float8[]) as seen(name, p)",
                (release_id, list(GUARDRAILS), list(GUARDRAILS.values())),
            )
            for number, (verdict, fraction, estimate, low, reason) in enumerate(looks, 1):
                inputs = {"fraction": fraction, "estimate": estimate, "low": low, "level": 0.02, "plan": PLAN}
                connection.execute(
                    "insert into rollout.decisions (decision_id, release_id, look, verdict, reason, inputs)"
                    " values (%s, %s, %s, %s, %s, %s)",
                    (uuid7(), release_id, number, verdict, reason, json.dumps(inputs)),
                )
    return written
