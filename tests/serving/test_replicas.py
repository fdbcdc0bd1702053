"""Two real replicas under Ray Serve behind the real gateway: one is killed, one stands still, one is told to leave, a
listener leaves."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import psutil
import pytest

from infra.local.home import PROJECT
from schemas.topics import TRACKS
from tests.services.aggregator.log import whole_log
from tests.services.gateway.conftest import server_sent, until
from tests.services.logs import readable
from tests.stacks import RunningStack, clean_environment

pytestmark = pytest.mark.e2e
PATIENCE_S = 300.0
LONG, SHORT = 30.0, 3.0
# So many that some are at home where nothing moves.
OTHERS = 6

News = tuple[str, dict[str, Any]]


def replicas(stack: RunningStack) -> list[dict[str, Any]]:
    """What each replica says of itself; none while the engine does not answer."""
    try:
        answer = httpx.get(f"{stack.engine_url}/status", headers=stack.engine_headers(), timeout=30)
    except httpx.HTTPError:
        return []
    return list(answer.json()["replicas"]) if answer.is_success else []


def deploy(stack: RunningStack, count: int) -> None:
    """Puts new replicas in the place of those that run, by a second driver that is killed when they are there."""
    before = {replica["pid"] for replica in replicas(stack)}
    told = {"ENCORE_ENGINE_REPLICAS": str(count), "ENCORE_ENGINE_DRAIN_S": "120", "ENCORE_ENGINE_STUCK_S": "10"}
    environment = clean_environment() | stack.told("engine") | told
    driver = subprocess.Popen([sys.executable, "-m", "serving.main"], cwd=PROJECT, env=environment)

    def replaced() -> bool:
        now = {replica["pid"] for replica in replicas(stack)}
        return len(now) == count and not now & before

    try:
        until(replaced, PATIENCE_S)
    finally:
        driver.kill()
        driver.wait()


@pytest.fixture(scope="module")
def pair(stack: RunningStack) -> RunningStack:
    """The stack with two replicas; the last test leaves one."""
    deploy(stack, 2)
    return stack


@pytest.fixture
def gateway(stack: RunningStack) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {stack.token('service')}"}
    with httpx.Client(base_url=stack.gateway_url, headers=headers, timeout=PATIENCE_S) as client:
        yield client


def asked(gateway: httpx.Client, seconds: float) -> str:
    """A track of a new listener."""
    listener = gateway.post("/v1/listeners", json={}).raise_for_status().json()["listener_id"]
    wish = {"listener_id": listener, "prompt": "a lively reel", "seconds": seconds}
    return str(gateway.post("/v1/tracks", json=wish).raise_for_status().json()["track_id"])


@contextmanager
def being_made(gateway: httpx.Client) -> Iterator[tuple[str, Iterator[News]]]:
    """A long track that is being denoised, and its news from there on."""
    track_id = asked(gateway, LONG)
    with gateway.stream("GET", f"/v1/tracks/{track_id}/events") as answer:
        news = server_sent(answer)
        next(event for event, _ in news if event == "denoising")
        yield track_id, news


def busy(stack: RunningStack) -> dict[str, Any]:
    """The one replica that denoises."""
    found: list[dict[str, Any]] = []

    def one() -> bool:
        # A track takes two rows, one of them without its prompt; a health check takes one.
        found[:] = [replica for replica in replicas(stack) if replica["rows"] > 1]
        return len(found) == 1

    until(one, PATIENCE_S)
    return found[0]


@contextmanager
def standing_still(stack: RunningStack, replica: psutil.Process) -> Iterator[None]:
    """The process does not run meanwhile; at the end it is gone and there are two replicas."""
    replica.suspend()
    try:
        yield
    finally:
        with suppress(psutil.NoSuchProcess):
            replica.kill()
        until(lambda: whole_without(stack, replica.pid), PATIENCE_S)


def whole_without(stack: RunningStack, pid: int) -> bool:
    pids = [replica["pid"] for replica in replicas(stack)]
    return len(pids) == 2 and pid not in pids


def last_news(gateway: httpx.Client, track_id: str) -> str:
    with gateway.stream("GET", f"/v1/tracks/{track_id}/events") as answer:
        [*_, (last, _)] = server_sent(answer)
    return last


def steps(news: Sequence[News]) -> list[int]:
    return [told["step"] for event, told in news if event == "denoising"]


def made_events(stack: RunningStack, track_id: str) -> int:
    """How often Kafka was told that the track is made."""
    found = [message for message in whole_log(stack.kafka_bootstrap) if message.topic == TRACKS]
    events = [json.loads(message.value or b"") for message in readable(found, stack.postgres_dsn)]
    return sum(event["data"]["track_id"] == track_id for event in events)


def require_one_track(stack: RunningStack, gateway: httpx.Client, track_id: str, news: Sequence[News]) -> None:
    """The listener was told once, at the end, and what is stored is what was told."""
    assert [event for event, _ in news if event in ("ready", "failed")] == ["ready"] == [news[-1][0]]
    assert gateway.get(f"/v1/tracks/{track_id}").json()["status"] == "ready"
    audio = gateway.get(f"/v1/tracks/{track_id}/audio").raise_for_status()
    assert audio.headers["etag"] == f'"{hashlib.sha256(audio.content).hexdigest()}"'
    assert made_events(stack, track_id) == 1


def test_a_track_whose_replica_is_killed_is_made_once_by_the_other(pair: RunningStack, gateway: httpx.Client) -> None:
    with being_made(gateway) as (track_id, news):
        os.kill(busy(pair)["pid"], signal.SIGKILL)
        rest = list(news)
    assert any(later <= before for before, later in zip([1, *steps(rest)], steps(rest), strict=False))
    require_one_track(pair, gateway, track_id, rest)
    until(lambda: len(replicas(pair)) == 2, PATIENCE_S)


def test_a_replica_that_stands_still_fails_no_track_and_is_replaced(pair: RunningStack, gateway: httpx.Client) -> None:
    with being_made(gateway) as (track_id, news):
        stuck = psutil.Process(busy(pair)["pid"])
        with standing_still(pair, stuck):
            others = [asked(gateway, SHORT) for _ in range(OTHERS)]
            assert httpx.get(f"{pair.engine_url}/health", timeout=60).status_code == 200
            assert [last_news(gateway, other) for other in others] == ["ready"] * OTHERS
            require_one_track(pair, gateway, track_id, list(news))
            until(lambda: whole_without(pair, stuck.pid), PATIENCE_S)


def test_a_cancelled_track_frees_its_rows(pair: RunningStack, gateway: httpx.Client) -> None:
    with being_made(gateway) as (track_id, news):
        before = busy(pair)
        assert gateway.delete(f"/v1/tracks/{track_id}").json()["problem"]["code"] == "cancelled"
        [*_, (last, told)] = news
    assert (last, told["problem"]["code"]) == ("failed", "cancelled")

    def free() -> bool:
        # A health check takes a row for a moment.
        after = [replica for replica in replicas(pair) if replica["pid"] == before["pid"]]
        held = [(each["rows"], each["jobs"], each["waiting"], each["adapters"]["pinned"]) for each in after]
        return held == [(0, 0, 0, 0)]

    until(free, PATIENCE_S)
    assert made_events(pair, track_id) == 0


def test_status_tells_what_each_replica_does(pair: RunningStack) -> None:
    command = [sys.executable, "-m", "infra.local.main", "status", "--json"]
    environment = clean_environment() | {"ENCORE_HOME": str(pair.home.folder)}
    # Its exit status is the health of all parts, some of which may be starting again after other tests.
    shown = json.loads(subprocess.run(command, cwd=PROJECT, env=environment, check=False, capture_output=True).stdout)
    assert len(shown["engine"]) == 2
    assert {replica["pid"] for replica in shown["engine"]} == {replica["pid"] for replica in replicas(pair)}
    assert all("ServeReplica:encore:engine" in psutil.Process(r["pid"]).cmdline()[0] for r in shown["engine"])


def test_replicas_that_are_told_to_leave_finish_their_tracks(pair: RunningStack, gateway: httpx.Client) -> None:
    with being_made(gateway) as (track_id, news):
        deploy(pair, 1)
        rest = list(news)
    assert steps(rest) == sorted(set(steps(rest)))
    assert "queued" not in [event for event, _ in rest]
    require_one_track(pair, gateway, track_id, rest)
