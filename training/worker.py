"""What the one Ray Train worker does all its life: asks what is due, starts rounds, has them worked on.

It imports neither torch nor models (see `round_process`). Whatever kills it, the next one finds the running round in
the table and goes on with it.
"""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psycopg
import structlog

from training.blobs import Blobs
from training.due import decide
from training.erasing import erase
from training.forgetting import is_due
from training.log import configure
from training.metrics import FactoryMetrics
from training.round_process import AWAY, DONE
from training.settings import Settings
from training.store import Round, Store

ROOT = Path(__file__).resolve().parent.parent
LONGEST_WAIT_S = 30.0
FORGET_EVERY_S = 60.0
Tell = Callable[[Mapping[str, Any]], None]


class Worker:
    """One polling loop over one connection."""

    def __init__(self, settings: Settings, store: Store, metrics: FactoryMetrics, tell: Tell) -> None:
        self._settings, self._store, self._metrics, self._tell = settings, store, metrics, tell
        self._blobs = Blobs(settings.store_url)
        self._log = structlog.get_logger()
        self._failures = 0
        self._pause_until = self._forget_from = 0.0

    def poll(self) -> bool:
        """Goes on with the running round, or starts one that is due.

        Returns:
            Whether there was something to do.
        """
        self._metrics.polled.set(time.time())
        current = self._store.running_round()
        if current is None:
            self._erase()
            self._forget()
            self._start()
            current = self._store.running_round()
        self._metrics.due.set(len(current.listeners) if current else 0)
        self._metrics.resting.set(self._store.resting())
        self._metrics.publish()
        if current is None:
            return False
        self._attempt(current)
        self._metrics.publish()
        return True

    def _erase(self) -> None:
        try:
            erase(self._store, self._blobs, self._settings.factory_folder)
        except OSError as error:
            self._log.warning("erasing_put_off", reason=str(error))

    def _forget(self) -> None:
        """In the model registry, by a process of its own: only that one carries its client."""
        if time.monotonic() < self._forget_from or not is_due(self._store):
            return
        code = run_process(self._settings, self._hear, "training.forgetting_process")
        if code != DONE:
            self._log.warning("forgetting_put_off", exit_code=code)
        if is_due(self._store):  # what keeps somebody's step open lasts
            self._forget_from = time.monotonic() + FORGET_EVERY_S

    def _start(self) -> None:
        pending = self._store.release_pending()
        requests = self._store.requests()
        # After a failed round the automatic rule rests a while; an operator's wish does not.
        if not requests and time.monotonic() < self._pause_until:
            return
        standings = self._store.standings()
        start = decide(requests, standings, self._settings.rule, self._store.now(), release_pending=pending)
        if start is None:
            return
        round_id = start.requests[0] if start.requests else uuid.uuid4()  # who asked first can name the round
        if self._store.start_round(round_id, start):
            self._log.info("round_started", round_id=str(round_id), listeners=len(start.listeners), detail=start.detail)
            if not start.listeners:
                self._metrics.rounds.labels("empty").inc()

    def _attempt(self, current: Round) -> None:
        code = run_process(self._settings, self._hear)
        self._metrics.attempts.labels({DONE: "done", AWAY: "waits"}.get(code, "failed")).inc()
        if self._store.running_round() is None:
            self._failures = 0
            self._metrics.rounds.labels("ended").inc()
            self._log.info("round_ended", round_id=str(current.round_id))
            return
        self._log.warning("round_interrupted", round_id=str(current.round_id), exit_code=code)
        if code not in (DONE, AWAY):
            self._failures += 1
        if self._failures >= self._settings.factory_attempts:
            self._fail(current, code)
            return
        time.sleep(min(2.0**self._failures, LONGEST_WAIT_S))

    def _fail(self, current: Round, code: int) -> None:
        self._store.fail_round(current.round_id, f"its process ended with {code}, {self._failures} times")
        self._metrics.rounds.labels("failed").inc()
        self._failures = 0
        self._pause_until = time.monotonic() + self._settings.factory_upload_wait_s

    def _hear(self, event: str, facts: Mapping[str, Any]) -> None:
        self._metrics.heard(event, facts)
        self._metrics.publish()
        if event != "training":
            self._log.info(f"round_{event}", **facts)
            self._tell({"event": event, **facts})


def loop(config: dict[str, Any]) -> None:
    """The Ray Train worker's function; returns only by being killed.

    Args:
        config: `Settings` as JSON under `settings`.
    """
    import ray.train

    settings = Settings.model_validate_json(config["settings"])
    configure(settings.log_level)
    metrics = FactoryMetrics(settings.factory_folder)
    while True:
        try:
            with Store(settings.postgres_dsn) as store:
                worker = Worker(settings, store, metrics, ray.train.report)
                while True:
                    if not worker.poll():
                        time.sleep(settings.factory_poll_s)
        except (psycopg.OperationalError, psycopg.InternalError) as error:  # the latter: read-only after a failover
            structlog.get_logger().warning("postgres_away", reason=str(error))
            time.sleep(settings.factory_poll_s)


def run_process(
    settings: Settings, hear: Callable[[str, Mapping[str, Any]], None], module: str = "training.round_process"
) -> int:
    """Runs a process to its end.

    Args:
        settings: sent to it.
        hear: called with each thing it says.
        module: what it runs.

    Returns:
        Its exit code.
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(settings.factory_threads or 1)}
    with subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        # The pipe stays open: its end tells the process that we are gone.
        process.stdin.write(settings.model_dump_json() + "\n")
        process.stdin.flush()
        for line in process.stdout:
            said = _said(line)
            if said is not None:
                hear(said.pop("event"), said)
        return process.wait()


def _said(line: str) -> dict[str, Any] | None:
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said if isinstance(said, dict) and "event" in said else None
