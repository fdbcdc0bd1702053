"""Event streams are told that a track is finished; they do not ask again and again."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import UUID

import psycopg
import pytest

from services.gateway.settings import GatewaySettings
from services.gateway.store import Store
from services.streams_memory import MemoryBroker
from tests.services.gateway.conftest import Gateway, running, server_sent, until
from tests.services.gateway.engine import ToneEngine

FOLLOWERS = 5
FAIL = """
update gateway.tracks set status = 'failed', problem = '{"code": "cancelled", "message": "Gone."}', finished_at = now()
where track_id = %s"""


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(FOLLOWERS) as pool:
        yield pool


def counted(monkeypatch: pytest.MonkeyPatch, *names: str) -> Counter[str]:
    """How often each of these methods of a store is called from now on."""
    counts: Counter[str] = Counter()

    def counting(name: str, usual: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            counts[name] += 1
            return usual(*given)

        return call

    for name in names:
        monkeypatch.setattr(Store, name, counting(name, getattr(Store, name)))
    return counts


def last_news(gateway: Gateway, track_id: str) -> str:
    with gateway.http.stream("GET", f"/v1/tracks/{track_id}/events") as answer:
        return list(server_sent(answer))[-1][0]


def followed(gateway: Gateway, threads: ThreadPoolExecutor, track_id: str, looks: Counter[str]) -> "Future[str]":
    """What a stream ends with that is open and has looked the track up."""
    before = looks["track"]
    stream = threads.submit(last_news, gateway, track_id)
    until(lambda: looks["track"] == before + 2)  # whether it is there, and its state
    return stream


def test_streams_that_wait_cost_no_statement_and_are_told_by_another_gateway(
    settings: GatewaySettings,
    engine: ToneEngine,
    broker: MemoryBroker,
    threads: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine.paused = True
    counts = counted(monkeypatch, "track", "open_tracks")
    with running(settings, engine, broker) as one:
        track_id = one.ask(one.listener(), twin=False)["track_id"]
        until(lambda: len(engine.asked) == 1)  # by the only gateway there is
        with running(settings, engine, broker) as other:
            streams = [followed(other, threads, track_id, counts) for _ in range(FOLLOWERS)]
            looked = counts["open_tracks"]
            until(lambda: counts["open_tracks"] >= looked + 5)  # two makers, each every two seconds
            assert counts["track"] == 2 * FOLLOWERS
            engine.paused = False
            assert {stream.result(120) for stream in streams} == {"ready"}
            assert counts["track"] == 3 * FOLLOWERS


@pytest.mark.parametrize("broken", [False, True], ids=["told", "missed"])
def test_whatever_finishes_a_track_ends_its_stream(
    gateway: Gateway, listener_id: str, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch, broken: bool
) -> None:
    """Also while the connection that listens is lost."""
    gateway.engine.paused = True
    try:
        counts = counted(monkeypatch, "track")
        track_id = gateway.ask(listener_id, twin=False)["track_id"]
        stream = followed(gateway, threads, track_id, counts)
        with psycopg.connect(gateway.settings.postgres_dsn, autocommit=True) as connection:
            if broken:
                connection.execute(
                    "select pg_terminate_backend(pid, 60000) from pg_stat_activity"
                    " where datname = current_database() and query like 'listen gateway%'"
                )
            connection.execute(FAIL, (UUID(track_id),))
        assert stream.result(120) == "failed"
    finally:
        gateway.engine.paused = False
