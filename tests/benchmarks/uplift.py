"""How long uplift questions take as ratings grow, and what it costs to keep what they read.

    python -m tests.benchmarks.uplift --postgres DSN [--ratings 100000 1000000 10000000]

A hundred ratings and plays a listener on four arms, over fourteen days, in six releases and outside of any; 500
crossings of what listeners told of themselves. The DSN's user must be allowed to create databases; one is made for each
size, and dropped. Facts are written with the triggers off; `rebuild_s` then makes the roll-ups from them, `refresh_s`
the cells of one release. Above --facts-up-to ratings only the roll-ups of ratings are written: all that questions
read (10^7: 3 GB). Questions are the best of three, in milliseconds.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from typing import Final, LiteralString

import psycopg

from tests.benchmarks.aggregator import database

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
    "evidence of a canary": "select listener_id, arm, sum(ratings), sum(stars), sum(squares) from feedback.rollups"
    " where release_id = md5('r1')::uuid and ratings > 0 group by listener_id, arm",
    "counts of feedback": "select sum(folded), sum(dead_lettered) from feedback.counts",
    "view, everyone": "select * from analytics.uplift where cohort = 'all' and release_id = md5('r1')::uuid",
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
            connection.execute("vacuum analyze feedback.rollups, feedback.cells")
            questions = {name: min(_seconds(connection, asked) for _ in range(3)) for name, asked in QUESTIONS.items()}
            facts |= {f"{name} (ms)": round(1000 * seconds, 1) for name, seconds in questions.items()}
            row = connection.execute("select pg_total_relation_size('feedback.rollups') / 1e6").fetchone()
            assert row is not None
            facts["rollups_mb"] = round(row[0])
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()


def _seconds(connection: psycopg.Connection, asked: LiteralString) -> float:
    began = time.perf_counter()
    connection.execute(asked).fetchall()
    return round(time.perf_counter() - began, 4)


if __name__ == "__main__":
    main()
