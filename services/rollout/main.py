"""The rollout process: `python -m services.rollout.main`. Wiring, and a loop that outlives its backends."""

import contextlib
import signal
import sys
import threading
import time

import structlog
from pydantic import ValidationError

from services.errors import BackendAway
from services.postgres import PATIENT, open_pool
from services.rollout import metrics
from services.rollout.control import Control
from services.rollout.engine import EnginePrefetch
from services.rollout.lease import FencedRegistry, Lease, NotLeading, fenced
from services.rollout.registry import MlflowRegistry
from services.rollout.self_tests import SelfTests
from services.rollout.settings import RolloutSettings
from services.rollout.store import Store
from services.rollout.watches import Watches
from services.rollout.watching import Watching
from services.settings import read
from services.streams_writers import writer_to
from services.telemetry import configure_logging, serve_metrics


def main() -> None:
    settings = read(RolloutSettings)
    try:
        plan = settings.plan()
    except ValidationError as error:
        sys.stderr.write(f"ENCORE_ROLLOUT_*: {error.errors()[0]['msg']}.\n")
        raise SystemExit(2) from error
    configure_logging("rollout", settings.log_level)
    serve_metrics(settings.metrics_host, settings.metrics_port)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    producer = writer_to(settings.kafka_bootstrap)
    registry_of = MlflowRegistry(settings.mlflow_url, settings.mlflow_login)
    with open_pool(settings.postgres_dsn, limits=PATIENT) as pool, registry_of as registry:
        lease = Lease(pool, settings.rollout_lease_s)
        own, aliases = fenced(lease), FencedRegistry(registry, lease)
        store, prefetch = (
            Store(own),
            EnginePrefetch(settings.engine_url, settings.engine_token.get_secret_value(), settings.engine_authority),
        )
        watching = Watching(store, Watches(own), aliases, producer)
        control = Control(own, store, aliases, producer, prefetch, plan, settings.care(), watching, SelfTests(own))
        run(control, lease, settings.rollout_poll_s, stopping)
    producer.close()


def run(control: Control, lease: Lease, poll_s: float, stopping: threading.Event) -> None:
    """Turn after turn until told to stop, while no other process acts; a turn that has begun is finished."""
    log = structlog.get_logger()
    log.info("started", poll_s=poll_s)
    while not stopping.is_set():
        try:
            leads = lease.take()
            metrics.LEADS.set(leads)
            if leads:
                with metrics.TICK.time():
                    control.turn()
            else:
                metrics.followed()
            metrics.LAST.set(time.time())
        except NotLeading:
            log.warning("followed", lasts_s=lease.lasts_s)
        except BackendAway as error:
            metrics.AWAY.labels(error.backend).inc()
            log.warning("put_off", backend=error.backend, error=error.message)
        stopping.wait(poll_s)
    with contextlib.suppress(BackendAway):
        lease.let_go()
    log.info("stopped")


if __name__ == "__main__":
    main()
