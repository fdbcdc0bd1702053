"""A training round whose processes are killed under Ray, in mid-training: it ends as if nothing had happened."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil
import psycopg
import pytest
from psycopg.rows import dict_row

from infra.local import leftovers
from infra.local.supervision import Supervisor
from schemas.registry import model_name
from tests.e2e.patience import insisted
from tests.stacks import RunningStack
from training.registry import EXPERIMENT, ROUND_TAG
from training.study.population import load_songs

pytestmark = pytest.mark.e2e

LISTENERS, SONGS_EACH, STYLE = 2, 2, "flute air"
PATIENCE_S = 1000.0


def ray_train_worker(stack: RunningStack) -> psutil.Process:
    """The process that started the round's own one."""
    [round_process] = [
        process for process in leftovers.find(stack.home.folder) if "training.round_process" in command(process)
    ]
    worker = round_process.parent()
    assert worker is not None
    return worker


def command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # others come and go
        return ""


def driver(stack: RunningStack) -> psutil.Process:
    return psutil.Process(Supervisor(stack.home).states()["factory"].pid)


@pytest.mark.parametrize("victim", [ray_train_worker, driver])
def test_a_round_survives_the_death_of_its_processes(
    stack: RunningStack, victim: Callable[[RunningStack], psutil.Process]
) -> None:
    listeners = arrived(stack)
    asked = post(stack, "/v1/rounds", json={"listeners": [str(listener) for listener in listeners]})
    checkpoint = Path(stack.stack.environment["ENCORE_FACTORY_FOLDER"], "rounds", asked["round_id"], "checkpoint.pt")
    until(checkpoint.exists, "the training wrote a checkpoint")
    process = victim(stack)
    process.kill()
    psutil.wait_procs([process], timeout=PATIENCE_S)
    assert row(stack, asked["round_id"])["status"] == "running"

    until(lambda: row(stack, asked["round_id"])["status"] != "running", "the round has ended")
    ended = row(stack, asked["round_id"])
    assert (ended["status"], ended["listeners"]) == ("trained", listeners), ended["detail"]
    # A gate may refuse what two songs gave; it is registered all the same, with the reason.
    without = {listener for listener in listeners if str(listener) in ended["detail"]}
    adapters = rows(stack, "select * from training.adapters where listener_id = any(%s)", listeners)
    assert {adapter["listener_id"] for adapter in adapters} | without == set(listeners), ended["detail"]
    assert {len(versions(stack, listener)) for listener in listeners} == {1}
    assert {adapter["round_id"] for adapter in adapters} == {UUID(asked["round_id"])}
    assert {adapter["snapshot_sha256"] for adapter in adapters} == {ended["snapshot_sha256"]}
    for adapter in adapters:
        [version] = versions(stack, adapter["listener_id"])
        assert int(version["version"]) == adapter["version"] == 1
        assert {tag["key"]: tag["value"] for tag in version["tags"]}["encore.sha256"] == adapter["sha256"]
    assert [run["info"]["run_id"] for run in runs(stack, asked["round_id"])] == [ended["mlflow_run_id"]]
    until(lambda: not checkpoint.exists(), "the checkpoint is removed")


def arrived(stack: RunningStack) -> list[UUID]:
    """New listeners with songs, in the order of their identifiers."""
    songs = [song.path for song in load_songs() if song.style == STYLE][:SONGS_EACH]
    made = [post(stack, "/v1/listeners", json={})["listener_id"] for _ in range(LISTENERS)]
    for listener in made:
        for song in songs:
            post(stack, f"/v1/listeners/{listener}/songs", files={"file": (song.name, song.read_bytes(), "audio/ogg")})
    return sorted(map(UUID, made))


def post(stack: RunningStack, path: str, **content: Any) -> dict[str, Any]:
    token = stack.token("operator" if path == "/v1/rounds" else "service")
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{stack.gateway_url}{path}"
    answer = insisted(lambda: httpx.post(url, headers=headers, timeout=PATIENCE_S, **content))
    return dict(answer.raise_for_status().json())


def rows(stack: RunningStack, query: str, *values: object) -> list[dict[str, Any]]:
    with psycopg.connect(stack.postgres_dsn, row_factory=dict_row) as connection:
        return connection.execute(f"{query} order by 1".encode(), values).fetchall()


def row(stack: RunningStack, round_id: str) -> dict[str, Any]:
    [found] = rows(stack, "select * from training.rounds where round_id = %s", round_id)
    return found


def versions(stack: RunningStack, listener_id: UUID) -> list[dict[str, Any]]:
    query = {"filter": f"name='{model_name(listener_id)}'"}
    with mlflow(stack) as client:
        answer = client.get("/model-versions/search", params=query)
    return list(answer.raise_for_status().json()["model_versions"])


def runs(stack: RunningStack, round_id: str) -> list[dict[str, Any]]:
    with mlflow(stack) as client:
        named = client.get("/experiments/get-by-name", params={"experiment_name": EXPERIMENT})
        experiment = named.raise_for_status().json()["experiment"]["experiment_id"]
        wanted = {"experiment_ids": [experiment], "filter": f"tags.`{ROUND_TAG}` = '{round_id}'"}
        answer = client.post("/runs/search", json=wanted)
    return list(answer.raise_for_status().json()["runs"])


def mlflow(stack: RunningStack) -> httpx.Client:
    """MLflow's API, as an operator."""
    login = stack.mlflow_login("operator")
    return httpx.Client(base_url=f"{stack.mlflow_url}/api/2.0/mlflow", auth=login, timeout=PATIENCE_S)


def until(true: Callable[[], bool], what: str) -> None:
    """Returns once it is true, which happens in another process."""
    limit = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < limit, f"still not so: {what}"
        time.sleep(0.1)
