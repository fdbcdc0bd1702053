"""The worker and its round's process: who ends with whom, and what is tried again."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from tests.training.test_forgetting import begin
from training import worker
from training.forgetting import is_due
from training.metrics import FactoryMetrics, Published
from training.round_process import AWAY, DONE
from training.settings import Settings
from training.store import Store


def settings(folder: Path, dsn: str) -> Settings:
    return Settings(
        postgres_dsn=dsn,
        store_url=str(folder),
        factory_folder=folder,
        factory_attempts=2,
        factory_upload_wait_s=0,
    )


def test_a_round_waits_when_the_database_is_away(tmp_path: Path) -> None:
    heard: list[str] = []
    away = settings(tmp_path, "postgresql://nobody@127.0.0.1:1/none")
    assert worker.run_process(away, lambda event, _: heard.append(event)) == AWAY
    assert heard == []


def test_a_rounds_process_ends_when_its_parent_is_gone(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dsn = f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/none"
        process = subprocess.Popen(
            [sys.executable, "-m", "training.round_process"], stdin=subprocess.PIPE, cwd=worker.ROOT
        )
        assert process.stdin is not None
        process.stdin.write(settings(tmp_path, dsn).model_dump_json().encode() + b"\n")
        process.stdin.flush()
        # Once it has called the database, which never answers, it has no other reason to end.
        connection, _ = silent.accept()
        process.stdin.close()
        assert process.wait(300) == AWAY
        connection.close()


@pytest.fixture
def poll(postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], str]]:
    """Polls once, the round's process ending with the code given; answers how the round stands then."""
    with psycopg.connect(postgres_dsn, autocommit=True) as connection, Store(postgres_dsn) as store:
        connection.execute(
            "insert into training.rounds (round_id, status, listeners) values (%s, 'running', %s)", (uuid4(), [uuid4()])
        )
        polling = worker.Worker(settings(tmp_path, postgres_dsn), store, FactoryMetrics(tmp_path), lambda _: None)
        monkeypatch.setattr("training.worker.time.sleep", lambda _: None)

        def once(code: int) -> str:
            monkeypatch.setattr(worker, "run_process", lambda *_: code)
            polling.poll()
            row = connection.execute("select status from training.rounds").fetchone()
            assert row is not None
            return str(row[0])

        yield once


def test_a_round_whose_process_keeps_crashing_fails_in_the_end(poll: Callable[[int], str]) -> None:
    assert poll(1) == "running"
    assert poll(-9) == "failed"


def test_waiting_for_a_backend_is_no_failure(poll: Callable[[int], str]) -> None:
    for _ in range(5):
        assert poll(AWAY) == "running"
    assert poll(DONE) == "running"


def test_the_workers_numbers_are_served_by_another_process(tmp_path: Path) -> None:
    metrics = FactoryMetrics(tmp_path)
    metrics.heard("phase", {"name": "training", "seconds": 2.5})
    metrics.heard("finished", {"adapters": 3, "seconds": 9})
    metrics.publish()
    samples = {
        (sample.name, sample.labels.get("phase")): sample.value
        for family in Published(tmp_path).collect()
        for sample in family.samples
    }
    assert samples["encore_factory_adapters_total", None] == 3
    assert samples["encore_factory_phase_seconds_total", "training"] == 2.5


def test_who_is_due_in_the_registry_has_a_process_of_its_own_and_is_tried_again_later(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def run(_settings: Settings, _hear: object, module: str) -> int:
        asked.append(module)
        return AWAY

    monkeypatch.setattr(worker, "run_process", run)
    with psycopg.connect(postgres_dsn, autocommit=True) as connection, Store(postgres_dsn) as store:
        polling = worker.Worker(settings(tmp_path, postgres_dsn), store, FactoryMetrics(tmp_path), lambda _: None)
        polling.poll()
        assert asked == []
        begin(connection, uuid4())
        polling.poll()
        polling.poll()
        assert asked == ["training.forgetting_process"]
        monkeypatch.setattr(worker, "FORGET_EVERY_S", 0.0)
        polling._forget_from = 0.0
        polling.poll()
        polling.poll()
    assert asked == ["training.forgetting_process"] * 3


def test_who_is_due_in_the_registry_next_does_not_wait_for_who_is_forgotten_there(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(postgres_dsn, autocommit=True) as connection, Store(postgres_dsn) as store:

        def run(_settings: Settings, _hear: object, _module: str) -> int:
            connection.execute("update gateway.erasure_steps set confirmed_at = now() where store = 'mlflow'")
            return DONE

        monkeypatch.setattr(worker, "run_process", run)
        polling = worker.Worker(settings(tmp_path, postgres_dsn), store, FactoryMetrics(tmp_path), lambda _: None)
        for _ in range(2):
            begin(connection, uuid4())
            polling.poll()
            assert not is_due(store)


def test_the_process_of_the_registry_waits_when_a_backend_is_away(tmp_path: Path) -> None:
    away = settings(tmp_path, "postgresql://nobody@127.0.0.1:1/none")
    assert worker.run_process(away, lambda *_: None, "training.forgetting_process") == AWAY
