"""Searches an MLflow server for ids, over its REST API: models, versions, experiments and runs with all that they say,
also those that somebody has deleted there, and every artifact of a run by name and content."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final
from uuid import UUID

import httpx

from services.aggregator.traces import Trace, says
from services.errors import BackendAway

_API: Final = "/api/2.0/mlflow/"
_PAGE: Final = 1_000


def in_mlflow(client: httpx.Client, ids: Iterable[UUID]) -> list[Trace]:
    """Every entry and every artifact that names one of these ids. `client` has the server's address and a login that
    may read all of it.

    Raises:
        BackendAway: MLflow cannot be reached, or refuses.
    """
    sought = frozenset(ids)
    try:
        found = [place for place, said in _entries(client) if says(json.dumps(said), sought)]
        for run in _runs(client):
            run_id = run["info"]["run_id"]
            found += [f"run {run_id}"] if says(json.dumps(run), sought) else []
            found += [f"run {run_id}, {path}" for path in _files(client, run_id, sought)]
    except httpx.TransportError as error:
        raise BackendAway("mlflow", f"MLflow cannot be reached: {type(error).__name__}") from error
    return [Trace(f"MLflow: {place}", 1) for place in found]


def _entries(client: httpx.Client) -> Iterator[tuple[str, Any]]:
    """Each model, version and experiment, and all that it says."""
    for model in _all(client, "GET", "registered-models/search", "registered_models", {}):
        yield f"model {model['name']}", model
    for version in _all(client, "GET", "model-versions/search", "model_versions", {}):
        yield f"version {version['version']} of model {version['name']}", version
    for experiment in _experiments(client):
        yield f"experiment {experiment['name']}", experiment


def _experiments(client: httpx.Client) -> Iterator[Any]:
    return _all(client, "POST", "experiments/search", "experiments", {"view_type": "ALL"})


def _runs(client: httpx.Client) -> Iterator[Any]:
    for experiment in _experiments(client):
        of_it = {"experiment_ids": [experiment["experiment_id"]], "run_view_type": "ALL"}
        yield from _all(client, "POST", "runs/search", "runs", of_it)


def _all(client: httpx.Client, method: str, path: str, key: str, asked: dict[str, Any]) -> Iterator[Any]:
    """What is listed, page after page."""
    token = None
    while token != "":
        content = asked | {"max_results": _PAGE} | ({"page_token": token} if token else {})
        answer = _asked(client, method, _API + path, **{"params" if method == "GET" else "json": content}).json()
        yield from answer.get(key, ())
        token = answer.get("next_page_token") or ""


def _files(client: httpx.Client, run_id: str, sought: frozenset[UUID], folder: str = "") -> Iterator[str]:
    """Of a run's artifacts those that name one of the ids."""
    where = {"run_id": run_id} | ({"path": folder} if folder else {})
    for entry in _asked(client, "GET", f"{_API}artifacts/list", params=where).json().get("files", ()):
        path = entry["path"]
        if entry["is_dir"]:
            yield from _files(client, run_id, sought, path)
        elif says(path, sought) or says(_content(client, run_id, path), sought):
            yield path


def _content(client: httpx.Client, run_id: str, path: str) -> str:
    return _asked(client, "GET", "/get-artifact", params={"run_id": run_id, "path": path}).content.decode("latin-1")


def _asked(client: httpx.Client, method: str, path: str, **content: Any) -> httpx.Response:
    answer = client.request(method, path, **content)
    if not answer.is_success:
        raise BackendAway("mlflow", f"MLflow answered {answer.status_code} to {method} {path}: {answer.text[:200]}")
    return answer
