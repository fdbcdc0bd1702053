"""Outages of each backend, refused and frozen, of 5 s, 30 s and 5 minutes, and what each client did: a Markdown table.

    python -m tests.outages [--seconds 5 30 300]

It starts servers of its own: PostgreSQL, MLflow and an engine that makes tones stand behind a door that is shut or does
not pass anything on; one Kafka broker is stopped (SIGSTOP), another is ended and started again, so its outage lasts as
long as its start on top. All at the same time.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import NamedTuple

import psycopg

from infra.local.home import Home
from infra.local.part import Probe
from infra.local.probes import ask, host_and_port
from infra.local.supervision import Supervisor
from services.telemetry import configure_logging
from tests.door import Outage, door
from tests.frozen import frozen
from tests.outages import clients
from tests.outages.watch import Lived, live_through, watched
from tests.services.gateway.conftest import served
from tests.services.gateway.engine import ToneEngine
from tests.services.test_streams_kafka import make_topic
from tests.stacks import start, temporary_home

TOPIC = "outages"


class Scene(NamedTuple):
    """A backend that can be away in one way, and its clients."""

    backend: str
    how: Outage
    away: Callable[[], AbstractContextManager[None]]
    named: clients.Named


class Row(NamedTuple):
    scene: Scene
    seconds: float
    client: str
    lived: Lived


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, nargs="+", default=[5, 30, 300])
    options = parser.parse_args()
    configure_logging("outages", "error")
    # As the factory's round process sets them.
    os.environ |= {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
    with ExitStack() as stack:
        scenes = [*_behind_doors(stack), *_brokers(stack)]
        with ThreadPoolExecutor(len(scenes)) as threads:
            rows = [row for found in threads.map(lambda scene: _play(scene, options.seconds), scenes) for row in found]
    sys.stdout.write(
        "| backend | client | away | s | longest wait, s | well again after, s |\n|---|---|---|---|---|---|\n"
    )
    for (backend, how, _, _), seconds, client, lived in rows:
        back = "never" if lived.back is None else f"{lived.back:.1f}"
        sys.stdout.write(f"| {backend} | {client} | {how} | {seconds:g} | {lived.longest:.1f} | {back} |\n")
    sys.stdout.flush()
    sys.exit(any(row.lived.back is None for row in rows))


def _play(scene: Scene, durations: list[float]) -> list[Row]:
    rows = []
    with watched(scene.named) as asking:
        for seconds in durations:
            lived = live_through(asking, scene.away(), seconds)
            rows += [Row(scene, seconds, client, what) for client, what in lived.items()]
            sys.stderr.write(f"{scene.backend} {scene.how} {seconds:g} s: done\n")
    return rows


def _behind_doors(stack: ExitStack) -> Iterator[Scene]:
    home = stack.enter_context(temporary_home())
    running = start(home, "postgres", "schema", "users of mlflow")
    user, password = running.mlflow_login("factory")
    os.environ |= {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": password}
    parts = psycopg.conninfo.conninfo_to_dict(running.postgres_dsn)
    engine = stack.enter_context(served(ToneEngine(ready_s=0.0).app()))
    for how in ("refused", "frozen"):
        way = stack.enter_context(door(str(parts["host"]), int(parts["port"] or 5432)))
        dsn = psycopg.conninfo.make_conninfo(running.postgres_dsn, host="127.0.0.1", port=way.port)
        yield Scene("PostgreSQL", how, _away(way.away, how), stack.enter_context(clients.of_postgres(dsn)))
        for backend, url, of in (
            ("MLflow", running.mlflow_url, lambda url: clients.of_mlflow(url, running.mlflow_login("rollout"))),
            ("engine", engine, clients.of_engine),
        ):
            way = stack.enter_context(door(*host_and_port(url.removeprefix("http://"))))
            named = stack.enter_context(of(f"http://127.0.0.1:{way.port}"))
            yield Scene(backend, how, _away(way.away, how), named)


def _away(
    away: Callable[[Outage], AbstractContextManager[None]], how: Outage
) -> Callable[[], AbstractContextManager[None]]:
    return lambda: away(how)


def _brokers(stack: ExitStack) -> Iterator[Scene]:
    for how in ("refused", "frozen"):
        home = stack.enter_context(temporary_home())
        bootstrap = start(home, "kafka", "topics").kafka_bootstrap
        make_topic(bootstrap, TOPIC)
        named = stack.enter_context(clients.of_kafka(bootstrap, TOPIC))
        away = _ended(home, bootstrap) if how == "refused" else _frozen(bootstrap)
        yield Scene("Kafka", how, away, named)


def _frozen(bootstrap: str) -> Callable[[], AbstractContextManager[None]]:
    return lambda: frozen(bootstrap)


def _ended(home: Home, bootstrap: str) -> Callable[[], AbstractContextManager[None]]:
    @contextmanager
    def ended() -> Iterator[None]:
        supervisor, broker = Supervisor(home), Probe("kafka", bootstrap)
        supervisor.stop("kafka")
        try:
            yield
        finally:
            supervisor.start("kafka")
            while ask(broker, 2.0):
                time.sleep(0.2)

    return ended


if __name__ == "__main__":
    main()
