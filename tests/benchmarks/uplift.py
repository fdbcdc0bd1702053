"""How long an uplift report takes as ratings grow, and the same by its plain definition.

    python -m tests.benchmarks.uplift --postgres DSN [--ratings 10000 100000] [--plain-up-to 10000]

A hundred ratings a listener on four arms, in six releases and outside of any; 26 cohorts. The DSN's user must be
allowed to create databases; one is made for each size, and dropped. Each figure is the best of three, in seconds.
"""

import argparse
import json
import sys
import time
from typing import LiteralString

import psycopg

from tests.benchmarks.aggregator import database
from tests.services.analytics.plain import PLAIN_VIEWS

FILL: LiteralString = """
insert into gateway.listeners (listener_id, attributes)
select md5(n::text)::uuid, jsonb_build_object('home', 'h' || n % 25) from generate_series(1, {listeners}) n;
insert into feedback.tracks (track_id, listener_id, arm, propensity, release_id, prompt, seconds, features_url, sha256,
    made_at)
select md5('t' || n)::uuid, md5((1 + n % {listeners})::text)::uuid,
       (array['base', 'cold', 'champion', 'candidate'])[1 + (n / {listeners}) % 4], 0.25,
       case when n % 7 > 0 then md5('r' || n % 7)::uuid end, '', 30, '', '', now()
from generate_series(1, {ratings}) n;
insert into feedback.ratings (listener_id, track_id, stars, rated_at, event_id)
select listener_id, track_id, 1 + abs(hashtext(track_id::text)) % 5, now(), track_id from feedback.tracks;
analyze
"""
ASKED: LiteralString = "select * from {schema}.uplift where cohort = 'all'"
OF_ONE: LiteralString = " and release_id = md5('r1')::uuid"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", required=True)
    parser.add_argument("--ratings", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--plain-up-to", type=int, default=10_000)
    options = parser.parse_args()
    for ratings in options.ratings:
        with database(options.postgres) as dsn, psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(FILL.replace("{listeners}", str(ratings // 100)).replace("{ratings}", str(ratings)))
            connection.execute(PLAIN_VIEWS)
            plain = _seconds(connection, "plain") if ratings <= options.plain_up_to else None
            facts = {
                "ratings": ratings,
                "one_release_s": _seconds(connection, "analytics", OF_ONE),
                "every_release_s": _seconds(connection, "analytics"),
                "plain_every_release_s": plain,
            }
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()


def _seconds(connection: psycopg.Connection, schema: str, of: LiteralString = "") -> float:
    rounds = []
    for _ in range(3):
        began = time.perf_counter()
        connection.execute(ASKED.replace("{schema}", schema) + of).fetchall()
        rounds.append(time.perf_counter() - began)
    return round(min(rounds), 3)


if __name__ == "__main__":
    main()
