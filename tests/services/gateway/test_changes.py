"""Operators are told which parts have changed, whoever changed them, and of nothing else."""

from collections.abc import Iterator
from typing import Any, LiteralString
from uuid import UUID

import httpx
import psycopg
import pytest

from schemas.operating import PARTS
from services.audit import Actor, Kind, record
from services.gateway.routes import changes
from services.identifiers import uuid7
from tests.services.gateway import engine as engines
from tests.services.gateway.conftest import Gateway, server_sent

FOLLOW = "/v1/operate/events"
SIGNED = {"reason": "a hum in the low end"}
IDS = {name: UUID(int=number) for number, name in enumerate(("round", "release", "listener", "order"), 1)}
# What other processes write, in this order, and the parts that it changes.
WRITTEN: list[tuple[LiteralString, set[str]]] = [
    ("insert into gateway.round_requests (request_id) values (%(round)s)", {"rounds"}),
    ("insert into training.rounds (round_id, status, listeners) values (%(round)s, 'running', '{}')", {"rounds"}),
    ("insert into training.fulfilled values (%(round)s, %(round)s)", {"rounds"}),
    ("update training.rounds set status = 'trained' where round_id = %(round)s", {"rounds"}),
    ("update training.rounds set status = 'trained' where round_id = %(round)s", set()),
    (
        """insert into training.adapters
           (listener_id, version, round_id, url, sha256, base_hash, rank, snapshot_sha256)
           values (%(listener)s, 1, %(round)s, '', '', '', 4, '')""",
        {"rounds"},
    ),
    (
        """insert into rollout.releases (release_id, round_id, status, salt, plan)
           values (%(release)s, %(round)s, 'canary', 'salt', '{}')""",
        {"releases", "rounds"},
    ),
    ("insert into rollout.members values (%(release)s, %(listener)s, 1, null)", {"releases"}),
    ("insert into rollout.listener_models (listener_id) values (%(listener)s)", {"releases"}),
    ("insert into rollout.guardrails values (%(release)s, 'stars', 1, 0.01)", {"releases"}),
    (
        """insert into rollout.decisions (decision_id, release_id, look, verdict, reason, inputs)
           values (%(release)s, %(release)s, 1, 'hold', 'wait', '{}')""",
        {"releases"},
    ),
    ("insert into rollout.answers values (%(order)s, true, 'Done.')", {"orders"}),
    ("insert into gateway.refusals values (now(), 401, 'unauthorized', 1)", {"refusals"}),
    ("delete from gateway.refusals", {"refusals"}),
]


def told(connection: Any) -> set[str]:
    """The parts that were told since the last time: all up to a word of our own."""
    connection.execute("notify gateway_changed, 'end'")
    parts: set[str] = set()
    for notice in connection.notifies():
        if notice.payload == "end":
            return parts
        parts.add(notice.payload)
    raise AssertionError("nothing came")


def test_whoever_writes_tells_what_changed(postgres_dsn: str) -> None:
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute("listen gateway_changed")
        for statement, parts in WRITTEN:
            connection.execute(statement, IDS)
            assert told(connection) == parts, statement


@pytest.mark.parametrize(("kind", "parts"), [("operator", {"audit"}), ("process", {"audit"}), ("service", set())])
def test_deeds_are_told_but_those_of_services(postgres_dsn: str, kind: Kind, parts: set[str]) -> None:
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute("listen gateway_changed")
        record(connection.execute, Actor(kind, "anna"), "round.asked")
        assert told(connection) == parts


def following(answer: httpx.Response) -> Iterator[set[str]]:
    """The parts of each event, which must have come with its own name."""
    for event, data in server_sent(answer):
        assert event == "changed"
        yield set(data["parts"])


def until_told(news: Iterator[set[str]], parts: set[str]) -> None:
    """Returns when all of these were told."""
    left = set(parts)
    while left:
        left -= next(news)


def test_a_stream_begins_with_all_and_goes_on_with_what_changes(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gateway.http.stream("GET", FOLLOW) as answer:
        news = following(answer)
        assert next(news) == set(PARTS)
        gateway.http.post("/v1/switches", json={"cohort": "home=folk", **SIGNED}).raise_for_status()
        until_told(news, {"switches", "audit"})
        gateway.http.post("/v1/orders", json={"action": "stop", **SIGNED}).raise_for_status()
        until_told(news, {"orders"})
        gateway.engine.away = True
        until_told(news, {"engine"})
        gateway.engine.away = False
        until_told(news, {"engine"})
        monkeypatch.setitem(engines.STATUS, "waiting", 7)
        until_told(news, {"engine"})


def test_what_was_missed_while_nobody_listened_is_made_good(gateway: Gateway) -> None:
    with gateway.http.stream("GET", FOLLOW) as answer:
        news = following(answer)
        assert next(news) == set(PARTS)
        with psycopg.connect(gateway.settings.postgres_dsn, autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and query like 'listen gateway%'"
            )
            connection.execute("insert into gateway.round_requests (request_id) values (%s)", (uuid7(),))
        until_told(news, {"rounds"})


def test_a_stream_ends_so_that_its_token_is_shown_again(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "LONGEST_S", 2.0)
    with gateway.http.stream("GET", FOLLOW) as answer:
        assert set(PARTS) in list(following(answer))
