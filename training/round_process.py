"""The process in which one round is worked on: `python -m training.round_process`, started by the Ray Train worker.

It exists so that the gigabyte of torch, models and mlflow is there while a round runs and gone afterwards, and so that
a crash in native code costs a round its process and not the factory its worker. Its settings come as one JSON line on
standard input; when that pipe closes, whoever started it is gone, and it ends at once.

Not for deciding what is due: it works on the round that the table says is running.
"""

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from training.log import configure
from training.settings import Settings

if TYPE_CHECKING:
    from serving.engine.hardware.choice import Choice

# Exit codes that the worker tells apart; 75 is EX_TEMPFAIL of sysexits.h.
DONE, AWAY = 0, 75


def main() -> int:
    """Works on the running round, if there is one and nobody else does."""
    settings = begin()
    import psycopg

    from training.registry import RegistryUnavailable

    try:
        _work(settings)
    except (psycopg.OperationalError, psycopg.InternalError, RegistryUnavailable) as error:
        structlog.get_logger().warning("round_waits", reason=str(error))
        return AWAY
    return DONE


def begin() -> Settings:
    """What a process that the worker starts does first; it ends when the worker does."""
    settings = Settings.model_validate_json(sys.stdin.readline())
    configure(settings.log_level)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # MLflow's own retries would hold a round for minutes without a word.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    if settings.mlflow_username:
        os.environ["MLFLOW_TRACKING_USERNAME"] = settings.mlflow_username
        os.environ["MLFLOW_TRACKING_PASSWORD"] = settings.mlflow_password
    return settings


def _work(settings: Settings) -> None:
    from training.store import Store

    with Store(settings.postgres_dsn) as store:
        if not store.claim_work():
            return
        current = store.running_round()
        if current is None:
            return
        import torch

        from serving.engine.lean import load_libraries

        load_libraries(settings.base_folder)
        from serving.engine.bases.load import load_base
        from serving.engine.heap import keep_freed_memory
        from training.blobs import Blobs
        from training.registry import Registry
        from training.rounds import Room, finish

        keep_freed_memory()
        choice = _hardware(settings)
        torch.set_num_threads(choice.factory_threads)
        room = Room(
            settings=settings,
            store=store,
            blobs=Blobs(settings.store_url),
            base=lambda: load_base(settings.base_folder, settings.factory_device, getattr(torch, choice.factory_dtype)),
            registry=lambda: Registry(settings.mlflow_url),
            report=Report(),
        )
        began = time.monotonic()
        adapters = finish(room, current)
        room.report("finished", {"adapters": adapters, "seconds": round(time.monotonic() - began, 3)})


def _hardware(settings: Settings) -> "Choice":
    """How this machine is used, with what the settings force in its place."""
    import torch

    from serving.engine.hardware.kept import forced, known

    folder = settings.hardware_folder or Path(tempfile.gettempdir(), "encore-hardware")
    found = known(settings.base_folder, torch.device(settings.factory_device), folder)
    found = forced(found, factory_dtype=settings.factory_dtype, factory_threads=settings.factory_threads)
    structlog.get_logger().info("hardware", **found.told())
    return found.choice


class Report:
    """Tells the worker how far the round is, on standard output, one JSON line a fact."""

    def __init__(self) -> None:
        self._phase, self._began = "loading", time.monotonic()

    def __call__(self, phase: str, facts: Mapping[str, float]) -> None:
        now = time.monotonic()
        if phase != self._phase:
            _say("phase", {"name": self._phase, "seconds": round(now - self._began, 3)})
            self._phase, self._began = phase, now
        _say(phase, facts)


def _say(event: str, facts: Mapping[str, object]) -> None:
    print(json.dumps({"event": event, **facts}), flush=True)


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(AWAY)


if __name__ == "__main__":
    sys.exit(main())
