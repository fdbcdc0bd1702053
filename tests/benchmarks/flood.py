"""How long a well-behaved listener waits while somebody floods, over how long alone.

    python -m tests.benchmarks.flood --postgres DSN [--requests 100] [--rounds 3] [--width 16] [--budget 12000]

A service, a listener, an operator and an analyst flood in turn, `--width` requests at any time; a listener of another
service sends one request after the other. They, the gateway and the scripted engine have a process each. Each block of
that listener has one without a flood before it, and begins when the flood has had `--settled` answers. `--budget` is
how many requests a principal has, a service too: a small one is spent soon, and shows what refusals cost. The DSN's
user must be allowed to create databases; one is made, and dropped. Milliseconds.
"""

import argparse
import logging
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import closing, contextmanager
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Final, Literal

import structlog

from schemas.topics import PARTITIONS, RETENTION_MS
from services.audit import Kind
from services.gateway.app import create_app
from services.gateway.outbox import Outbox
from services.gateway.settings import GatewaySettings
from services.principals.keys import first
from services.streams_memory import MemoryBroker
from tests.benchmarks.aggregator import database
from tests.services.gateway.conftest import served
from tests.services.gateway.engine import ToneEngine
from tests.services.gateway.floods import FLOODING, PATIENCE_S, Sender, behaved, flood, flooding

SPAWN: Final = multiprocessing.get_context("spawn")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", required=True, metavar="DSN")
    parser.add_argument("--requests", type=int, default=100, help="of the well-behaved one, in each block")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--width", type=int, default=16, help="requests of the flood at any time")
    parser.add_argument("--settled", type=int, default=100, help="answers of the flood before a block begins")
    parser.add_argument("--budget", type=int, default=12_000, help="requests of a principal")
    options = parser.parse_args(arguments)
    with gateway_beside(options.postgres, options.budget) as (url, keys), ProcessPoolExecutor(1, SPAWN) as beside:
        measure(url, keys, beside, options)


@contextmanager
def gateway_beside(
    postgres: str, budget: int, *, loop: Literal["auto", "asyncio"] = "auto"
) -> Iterator[tuple[str, Path]]:
    """The address of a gateway whose engine has a process of its own, and its keys' file."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    broker = MemoryBroker(dict.fromkeys(RETENTION_MS, PARTITIONS))
    with database(postgres) as dsn, tempfile.TemporaryDirectory() as folder, engine_beside() as engine:
        settings = GatewaySettings(
            postgres_dsn=dsn,
            keys_file=Path(folder) / "keys.json",
            arm_salt="a secret for measuring",
            engine_url=engine,
            store_url=f"file://{folder}/store",
            budget_requests=budget,
            budget_service_factor=1,
        )
        first(settings.keys_file)
        app = create_app(settings, Outbox(broker.producer(), broker.consumer("gateway")))
        with served(app, loop=loop) as url:
            yield url, settings.keys_file


def measure(url: str, keys_file: Path, beside: Executor, options: argparse.Namespace) -> None:
    """Prints a row for each kind."""

    def block() -> tuple[list[float], Counter[int]]:
        return beside.submit(timed, behaved(url, keys_file), options.requests).result()

    alone: dict[Kind, list[float]] = defaultdict(list)
    during: dict[Kind, list[float]] = defaultdict(list)
    answers: dict[Kind, Counter[int]] = defaultdict(Counter)
    quiet: dict[Kind, Counter[int]] = defaultdict(Counter)
    floods = {kind: flooding(url, keys_file, kind) for kind in FLOODING}
    block()  # only warms
    for _ in range(options.rounds):
        for kind in FLOODING:
            alone[kind] += block()[0]
            with flooded(floods[kind], options.width, options.settled, answers[kind].update):
                milliseconds, statuses = block()
            during[kind] += milliseconds
            quiet[kind].update(statuses)
    print("| flood of | p95 alone | p95 beside it | ratio | the flood's answers | the other's answers |")
    print("|---|---|---|---|---|---|")
    for kind in FLOODING:
        without, beside_it = p95(alone[kind]), p95(during[kind])
        told = f"{shown(answers[kind])} | {shown(quiet[kind])}"
        print(f"| {kind} | {without:.1f} | {beside_it:.1f} | {beside_it / without:.2f} | {told} |")


def timed(sender: Sender, count: int) -> tuple[list[float], Counter[int]]:
    """Milliseconds of so many requests, one after the other, and their answers by status."""
    milliseconds: list[float] = []
    answers: Counter[int] = Counter()
    with closing(sender.connection()) as connection:
        for number in range(count):
            began = time.perf_counter()
            status, _ = sender.send(connection, sender.requests[number % len(sender.requests)])
            milliseconds.append(1000 * (time.perf_counter() - began))
            answers[status] += 1
    return milliseconds, answers


@contextmanager
def flooded(sender: Sender, width: int, settled: int, told: Callable[[Counter[int]], None]) -> Iterator[None]:
    """The flood goes on, in a process of its own, while this is open, and has had so many answers before; all are told
    at the end."""
    began, ends, answers = SPAWN.Event(), SPAWN.Event(), SPAWN.SimpleQueue()
    process = SPAWN.Process(target=_flood, args=(sender, width, settled, began, ends, answers), daemon=True)
    process.start()
    try:
        assert began.wait(PATIENCE_S), "the flood never began"
        yield
    finally:
        ends.set()
        told(answers.get())
        process.join()


def _flood(
    sender: Sender, width: int, settled: int, began: Event, ends: Event, answers: "SimpleQueue[Counter[int]]"
) -> None:
    with flood(sender, width) as going:
        while going.answers.total() < settled:
            time.sleep(0.01)
        began.set()
        ends.wait()
    answers.put(going.answers)


@contextmanager
def engine_beside() -> Iterator[str]:
    """The address of a scripted engine in a process of its own."""
    told, ends = SPAWN.SimpleQueue(), SPAWN.Event()
    process = SPAWN.Process(target=_engine, args=(told, ends), daemon=True)
    process.start()
    try:
        yield told.get()
    finally:
        ends.set()
        process.join()


def _engine(told: "SimpleQueue[str]", ends: Event) -> None:
    with served(ToneEngine().app()) as url:
        told.put(url)
        ends.wait()


def p95(milliseconds: list[float]) -> float:
    return statistics.quantiles(milliseconds, n=20, method="inclusive")[18]


def shown(answers: Counter[int]) -> str:
    return ", ".join(f"{times} of {status}" for status, times in sorted(answers.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
