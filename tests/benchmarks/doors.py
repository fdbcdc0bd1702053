"""What it costs to be let in: reading a token, and paying for a request in PostgreSQL.

    python -m tests.benchmarks.doors --postgres DSN [--requests 200] [--rounds 5]

A request passes the gateway's door (`services.gateway.access`) to an application that does nothing, and reaches it
without a door, in turns: the difference in processor time, in which no other process has a part, is what it costs to be
let in. Then a gateway answers `GET /v1/listeners/{id}`, in turns with its ledger and with one that costs nothing, one
request at a time and from 32 threads; client and gateway share a process.
The DSN's user must be allowed to create databases; one is made, and dropped. Milliseconds.
"""

import argparse
import contextlib
import logging
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from services.gateway.access import Guarded, doors_of
from services.gateway.app import _ROUTERS, create_app
from services.gateway.buckets import Charge, Short
from services.gateway.budgets import Budgets
from services.gateway.outbox import Outbox
from services.gateway.settings import GatewaySettings
from services.identifiers import uuid7
from services.principals.keys import KeyFile, first
from services.streams_memory import MemoryBroker
from tests.benchmarks.aggregator import database
from tests.services.gateway.conftest import served, token_of

READS: Final = 20_000
AT_ONCE: Final = (1, 32)


class Free:
    """A ledger that gives whatever is asked."""

    async def take(self, charges: Sequence[Charge], refill: timedelta) -> Short | None:  # noqa: ARG002 - the protocol's
        return None

    async def drop_full(self) -> int:
        return 0


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", required=True, metavar="DSN")
    parser.add_argument("--requests", type=int, default=200, help="of each round, at each width")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with database(options.postgres) as dsn, tempfile.TemporaryDirectory() as folder:
        settings = GatewaySettings(
            postgres_dsn=dsn,
            keys_file=Path(folder) / "keys.json",
            arm_salt="a secret for measuring",
            engine_url="http://127.0.0.1:1",
            store_url=f"file://{folder}/store",
            budget_requests=10**9,
        )
        first(settings.keys_file)
        print("| | p50 | p99 |\n|---|---|---|")
        token = token_of(settings.keys_file, "service", "a-product")
        let_in(settings.keys_file, token)
        requests(settings, token, options.requests, options.rounds)


def let_in(keys_file: Path, token: str) -> None:
    """Prints a row for the same request with and without a door."""
    public = FastAPI()
    public.state.keys, public.state.provider = KeyFile(keys_file), None
    guarded = Guarded(_nothing, public, doors_of(_ROUTERS))
    path = f"/v1/listeners/{uuid7()}"
    headers = [(b"authorization", f"Bearer {token}".encode())]
    taken: dict[str, list[float]] = defaultdict(list)
    for _ in range(READS):
        for way, app in (("without a door", _nothing), ("let in", guarded)):
            scope = {"type": "http", "method": "GET", "path": path, "headers": headers}
            taken[way].append(timed(partial(_reached, app, scope), time.thread_time))
    for way, milliseconds in taken.items():
        print(row(f"a request, {way}, processor time", milliseconds))


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that answers nobody."""


def _reached(app: ASGIApp, scope: Scope) -> None:
    """Runs what waits for nothing."""
    with contextlib.suppress(StopIteration):
        app(scope, _unused, _unused).send(None)  # type: ignore[attr-defined]
        raise AssertionError("it waited for something")


async def _unused(*_: object) -> Any:
    raise AssertionError("who is let in is answered by the application")


def requests(settings: GatewaySettings, token: str, count: int, rounds: int) -> None:
    """Prints a row for each width with and without paying, and what was not answered 200."""
    broker = MemoryBroker({})
    app = create_app(settings, Outbox(broker.producer(), broker.consumer("gateway")))
    taken: dict[tuple[int, str], list[float]] = defaultdict(list)
    refused: Counter[tuple[int, str, int]] = Counter()
    with served(app) as url, ThreadPoolExecutor(max(AT_ONCE)) as threads:
        headers = {"Authorization": f"Bearer {token}"}
        path = f"/v1/listeners/{httpx.post(f'{url}/v1/listeners', json={}, headers=headers).json()['listener_id']}"
        parts = app.state.parts
        ways = {"paying": parts, "without paying": replace(parts, budgets=Budgets(settings, Free()))}

        def some(number: int) -> list[tuple[float, int]]:
            connection = HTTPConnection(urlsplit(url).netloc, timeout=60)
            try:
                return [get(connection, path, headers) for _ in range(number)]
            finally:
                connection.close()

        for number in range(rounds + 1):
            for width in AT_ONCE:
                for way, state in ways.items():
                    app.state.parts = state
                    answers = [each for got in threads.map(some, [count // width] * width) for each in got]
                    if number:  # the first round only warms
                        taken[width, way] += [milliseconds for milliseconds, _ in answers]
                        refused.update((width, way, status) for _, status in answers if status != 200)
        app.state.parts = parts
    for (width, way), milliseconds in taken.items():
        print(row(f"a request, {width} at a time, {way}", milliseconds))
    for (width, way, status), times in refused.items():
        print(f"{times} requests, {width} at a time, {way}, were answered {status}")


def get(connection: HTTPConnection, path: str, headers: dict[str, str]) -> tuple[float, int]:
    """Milliseconds and status."""
    status = 0

    def call() -> None:
        nonlocal status
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        status = answer.status

    return timed(call), status


def timed(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    began = clock()
    call()
    return 1000 * (clock() - began)


def row(name: str, milliseconds: list[float]) -> str:
    cuts = statistics.quantiles(milliseconds, n=100, method="inclusive")
    return f"| {name} | {cuts[49]:.2f} | {cuts[98]:.2f} |"


if __name__ == "__main__":
    main(sys.argv[1:])
