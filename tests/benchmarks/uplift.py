"""How long uplift questions take as ratings grow, and what it costs to keep what they read.

    python -m tests.benchmarks.uplift --postgres DSN [--ratings 100000 1000000 10000000]

A hundred ratings and plays a listener on four arms, over fourteen days, in six releases and outside of any; 500
crossings of what listeners told of themselves. The DSN's user must be allowed to create databases; one is made for each
size, and dropped. Facts are written with the triggers off; `rebuild_s` then makes the roll-ups from them, `refresh_s`
the cells of one release. Above --facts-up-to ratings only the roll-ups of ratings are written: all that questions
read (10^7: 3 GB). Questions are the best of three, in milliseconds of the server's process, which works alone, and of
the clock.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, LiteralString

import psycopg

from services import rollout
from services.postgres import load_queries
from tests.benchmarks.aggregator import database
from tests.benchmarks.processor import spent_seconds

LISTENERS: Final[LiteralString] = """
set synchronous_commit = off;
set jit = off;
insert into gateway.listeners (listener_id, attributes)
select lpad(to_hex(n), 32, '0')::uuid,
       jsonb_build_object('country', 'c' || n % 25, 'age_band', 'a' || n / 25 % 5, 'device', 'd' || n / 125 % 2,
                          'home', 'h' || n / 250 % 2)
from generate_series(0, {listeners} - 1) n;
insert into rollout.releases (release_id, round_id, status, salt, plan)
select md5('r' || n)::uuid, md5('r' || n)::uuid, 'canary', '', '{}' from generate_series(1, 6) n;
"""
ROLLUPS: Final[LiteralString] = """
alter table feedback.rollups disable trigger user;
insert into feedback.rollups (release_id, listener_id, day, arm, version, style, ratings, stars, squares)
select case when n % 7 > 0 then md5('r' || n % 7)::uuid else '00000000-0000-0000-0000-000000000000' end,
       lpad(to_hex(n / 100), 32, '0')::uuid, date '2026-01-01' + n / 28 % 14,
       (array['base', 'cold', 'champion', 'candidate'])[1 + n % 4], 0,
       (array['piano', 'folk', 'jazz', 'none'])[1 + n / 4 % 4], 1, stars, stars * stars
from generate_series(0, {ratings} - 1) n cross join lateral (select 1 + abs(hashtext(n::text)) % 5 as stars) s
on conflict do nothing;
alter table feedback.rollups enable trigger user;
insert into feedback.rating_sums select * from feedback.rating_sum_rows order by 1, 2;
analyze
"""
FACTS: Final[LiteralString] = """
alter table feedback.tracks disable trigger user;
alter table feedback.ratings disable trigger user;
alter table feedback.plays disable trigger user;
insert into feedback.tracks (track_id, listener_id, arm, propensity, release_id, prompt, seconds, features_url, sha256,
    made_at)
select lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n / 100), 32, '0')::uuid,
       (array['base', 'cold', 'champion', 'candidate'])[1 + n % 4], 0.25,
       case when n % 7 > 0 then md5('r' || n % 7)::uuid end,
       (array['slow solo piano', 'fast fiddle reel', 'swing jazz', ''])[1 + n / 4 % 4], 30, '', '',
       timestamptz '2026-01-01 00:00+00' + n / 28 % 14 * interval '1 day'
from generate_series(0, {ratings} - 1) n;
insert into feedback.ratings (listener_id, track_id, stars, rated_at, event_id)
select listener_id, track_id, 1 + abs(hashtext(track_id::text)) % 5, made_at, track_id from feedback.tracks;
insert into feedback.plays (listener_id, track_id, heard, reached_ms, first_at, last_at)
select listener_id, track_id, int4multirange(int4range(0, 1000 + abs(hashtext(track_id::text)) % 29000)), 0, made_at,
       made_at
from feedback.tracks;
alter table feedback.tracks enable trigger user;
alter table feedback.ratings enable trigger user;
alter table feedback.plays enable trigger user;
analyze
"""
BY: Final[LiteralString] = (
    "select * from analytics.uplift_by({by}, 'stars', 'candidate', 'cold', md5('r1')::uuid, {per})"
)
QUESTIONS: Final[Mapping[str, LiteralString]] = {
    "everyone": BY.replace("{by}", "'{}'").replace("{per}", "'whole'"),
    "by country": BY.replace("{by}", "'{country}'").replace("{per}", "'whole'"),
    "500 cells": BY.replace("{by}", "'{country,age_band,device,home}'").replace("{per}", "'whole'"),
    "by style": BY.replace("{by}", "'{style}'").replace("{per}", "'whole'"),
    "by day": BY.replace("{by}", "'{}'").replace("{per}", "'day'"),
    "cumulative by country": BY.replace("{by}", "'{country}'").replace("{per}", "'cumulative'"),
    "one listener's versions": "select version, sum(stars), sum(ratings) from feedback.rollups"
    " where listener_id = lpad('1', 32, '0')::uuid group by version",
    "evidence of a canary": load_queries(Path(rollout.__file__).with_name("queries.sql"))["ratings"].replace(
        "%(release_id)s", "md5('r1')::uuid"
    ),
    "counts of feedback": "select sum(folded), sum(dead_lettered) from feedback.counts",
    "view, everyone": "select * from analytics.uplift"
    " where cohort = 'all' and attribute = 'all' and everyone and release_id = md5('r1')::uuid",
    "view, every cohort": "select * from analytics.uplift where release_id = md5('r1')::uuid",
    "means of arms, everyone": "select * from analytics.arm_means"
    " where cohort = 'all' and attribute = 'all' and everyone and release_id = md5('r1')::uuid",
    "means of arms, over all releases": "select * from analytics.arm_means_overall"
    " where cohort = 'all' and attribute = 'all' and everyone",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", required=True)
    parser.add_argument("--ratings", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--facts-up-to", type=int, default=1_000_000)
    options = parser.parse_args()
    for ratings in options.ratings:
        with database(options.postgres) as dsn, psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(LISTENERS.replace("{listeners}", str(ratings // 100)))
            with_facts = ratings <= options.facts_up_to
            connection.execute((FACTS if with_facts else ROLLUPS).replace("{ratings}", str(ratings)))
            facts: dict[str, object] = {
                "ratings": ratings,
                "rebuild_s": _seconds(connection, "select feedback.rebuild_rollups()") if with_facts else None,
                "refresh_s": _seconds(connection, "select feedback.refresh_cells(md5('r1')::uuid)"),
            }
            connection.execute("vacuum analyze feedback.rollups, feedback.rating_sums, feedback.cells")
            connection.execute("set max_parallel_workers_per_gather = 0")
            for name, asked in QUESTIONS.items():
                worked, passed = map(min, zip(*(_milliseconds(connection, asked) for _ in range(3)), strict=True))
                facts[name] = f"{worked:.1f} ({passed:.1f})"
            row = connection.execute("select pg_total_relation_size('feedback.rollups') / 1e6").fetchone()
            assert row is not None
            facts["rollups_mb"] = round(row[0])
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()


def _seconds(connection: psycopg.Connection, asked: LiteralString) -> float:
    began = time.perf_counter()
    connection.execute(asked).fetchall()
    return round(time.perf_counter() - began, 4)


def _milliseconds(connection: psycopg.Connection, asked: LiteralString) -> tuple[float, float]:
    """Of the server's process, and of the clock."""
    used, began = spent_seconds(connection.info.backend_pid), time.perf_counter()
    connection.execute(asked).fetchall()
    passed = time.perf_counter() - began
    return 1000 * (spent_seconds(connection.info.backend_pid) - used), 1000 * passed


if __name__ == "__main__":
    main()
