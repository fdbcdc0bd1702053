"""Two rollout processes never act at once, and a stopped one does not hold its successor."""

import json
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.postgres import open_pool, transaction
from services.rollout.control import Control
from services.rollout.lease import FencedRegistry, Lease, NotLeading, fenced
from services.rollout.self_tests import SelfTests
from services.rollout.store import Store
from services.rollout.watches import Watches
from services.rollout.watching import Watching
from tests.services.gateway.conftest import until
from tests.services.rollout.listeners import PLAN
from tests.services.rollout.memory_registry import MemoryRegistry
from tests.services.rollout.test_control import BETTER, canary, status
from tests.services.rollout.test_main import COMMAND, environment
from tests.services.rollout.world import World


def owner(world: World, lease: Lease) -> Control:
    """A process that acts by this lease."""
    pool, producer = fenced(lease), world.broker.producer()
    store, registry = Store(pool), FencedRegistry(world.registry, lease)
    watching = Watching(store, Watches(pool), registry, producer)
    self_tests = SelfTests(pool)
    return Control(pool, store, registry, producer, world.prefetched.extend, PLAN, world.care, watching, self_tests)


def expire(world: World) -> None:
    world.do("update rollout.leases set until = now() - interval '1 second'")


def test_one_has_it_until_it_lets_go_or_its_time_is_over(world: World) -> None:
    first, second = Lease(world.pool, 60), Lease(world.pool, 60)
    assert (first.take(), second.take(), first.take()) == (True, False, True)
    first.let_go()
    assert (second.take(), first.take()) == (True, False)
    expire(world)
    assert (first.take(), second.take()) == (True, False)


def test_who_lost_it_changes_nothing_any_more(world: World) -> None:
    people, release_id = canary(world)
    first, second = Lease(world.pool, 60), Lease(world.pool, 60)
    assert first.take()
    late = owner(world, first)
    expire(world)
    assert second.take()
    world.rate_all(release_id, BETTER)
    with pytest.raises(NotLeading):
        late.turn()
    assert status(world, release_id) == "canary"
    registry = FencedRegistry(MemoryRegistry(), first)
    with pytest.raises(NotLeading):
        registry.point("listener-x", "champion", 1)
    owner(world, second).turn()
    assert status(world, release_id) == "promoted"
    assert world.served() == dict.fromkeys(people, (1, None, None))


def test_nobody_takes_it_within_a_transaction_of_its_owner(world: World, postgres_dsn: str) -> None:
    first = Lease(world.pool, 60)
    assert first.take()
    with open_pool(postgres_dsn) as other, transaction(fenced(first)) as connection:
        second = Lease(other, 60)
        with transaction(other) as waiting:
            waiting.execute("set local lock_timeout = '50ms'")
            blocked = "select from rollout.leases for update nowait"
            with pytest.raises(Exception, match="could not obtain lock"):
                waiting.execute(blocked)
        connection.execute("select 1")
        assert second.owner != first.owner


@contextmanager
def process(dsn: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A rollout process with neither MLflow nor Kafka, and where its metrics are."""
    env = environment(
        postgres_dsn=dsn, metrics_port="0", rollout_poll_s="0.1", rollout_lease_s="5", kafka_bootstrap="127.0.0.1:1"
    )
    with subprocess.Popen(COMMAND, env=env, stderr=subprocess.PIPE, text=True) as started:
        assert started.stderr is not None
        lines = (json.loads(line) for line in started.stderr)
        url = next(line["url"] for line in lines if line["event"] == "metrics")
        threading.Thread(target=lambda: deque(lines, 0), daemon=True).start()  # a full pipe would stop it
        try:
            yield started, url
        finally:
            started.send_signal(signal.SIGCONT)
            started.kill()


def leads(url: str) -> bool:
    return "encore_rollout_leads 1.0" in httpx.get(url, timeout=60).text


def holder(world: World) -> UUID | None:
    rows: list[dict[str, Any]] = world.do("select owner from rollout.leases")
    return rows[0]["owner"] if rows else None


def test_a_stopped_process_is_followed_by_another_and_stands_by_when_it_goes_on(
    world: World, postgres_dsn: str
) -> None:
    with process(postgres_dsn) as (first, first_url):
        until(lambda: leads(first_url))
        held = holder(world)
        with process(postgres_dsn) as (_, second_url):
            os.kill(first.pid, signal.SIGSTOP)
            until(lambda: leads(second_url))
            taken = holder(world)
            assert taken not in (held, None)
            os.kill(first.pid, signal.SIGCONT)
            until(lambda: not leads(first_url))
            round_id = world.round([world.listener()])
            until(lambda: bool(world.do("select release_id from rollout.releases where round_id = %s", round_id)))
            assert holder(world) == taken
        until(lambda: leads(first_url))


def test_a_process_that_is_told_to_end_lets_go(world: World, postgres_dsn: str) -> None:
    with process(postgres_dsn) as (first, url):
        until(lambda: leads(url))
        first.send_signal(signal.SIGTERM)
        first.wait()
        assert holder(world) is None
