"""One contract for the registry in memory and a real MLflow server."""

from collections.abc import Iterator
from typing import Protocol
from uuid import uuid4

import httpx
import pytest

from infra.local.mlflow import password
from services.errors import BackendAway
from services.rollout.registry import MlflowRegistry, Registry, UnknownVersion
from tests.services.rollout.memory_registry import MemoryRegistry

API = "/api/2.0/mlflow"


class Registers(Protocol):
    def __call__(self, model: str) -> int: ...


@pytest.fixture(params=["memory", "mlflow"])
def registry(request: pytest.FixtureRequest) -> Iterator[tuple[Registry, Registers]]:
    """A registry, and what registers a further version of a model in it."""
    if request.param == "memory":
        memory = MemoryRegistry()
        yield memory, memory.register
        return
    url, home = request.getfixturevalue("mlflow_url"), request.getfixturevalue("servers_home")
    factory = httpx.Client(base_url=url, auth=("factory", password(home, "factory")), timeout=60)

    def register(model: str) -> int:
        factory.post(f"{API}/registered-models/create", json={"name": model})
        answer = factory.post(f"{API}/model-versions/create", json={"name": model, "source": "s3://encore/adapter"})
        return int(answer.raise_for_status().json()["model_version"]["version"])

    with factory, MlflowRegistry(url, ("rollout", password(home, "rollout")), timeout_s=60) as mlflow:
        yield mlflow, register


def test_an_alias_names_a_version_until_it_is_moved_or_dropped(registry: tuple[Registry, Registers]) -> None:
    aliases, register = registry
    model = f"listener-{uuid4()}"
    first, second = register(model), register(model)
    assert (first, second) == (1, 2)
    assert aliases.aliases(model) == {}
    aliases.point(model, "champion", first)
    aliases.point(model, "candidate", second)
    assert aliases.aliases(model) == {"champion": 1, "candidate": 2}
    aliases.point(model, "champion", second)
    aliases.drop(model, "candidate")
    assert aliases.aliases(model) == {"champion": 2}


def test_every_change_may_be_repeated(registry: tuple[Registry, Registers]) -> None:
    aliases, register = registry
    model = f"listener-{uuid4()}"
    version = register(model)
    for _ in range(2):
        aliases.point(model, "champion", version)
        aliases.drop(model, "candidate")
    assert aliases.aliases(model) == {"champion": version}


def test_what_was_never_registered_is_named(registry: tuple[Registry, Registers]) -> None:
    aliases, register = registry
    model, known = f"listener-{uuid4()}", f"listener-{uuid4()}"
    register(known)
    for call in (
        lambda: aliases.aliases(model),
        lambda: aliases.point(model, "champion", 1),
        lambda: aliases.point(known, "champion", 7),
        lambda: aliases.drop(model, "champion"),
    ):
        with pytest.raises(UnknownVersion):
            call()


def test_a_registry_that_is_away_is_said_to_be() -> None:
    with MlflowRegistry("http://127.0.0.1:1", timeout_s=0.5) as mlflow, pytest.raises(BackendAway) as caught:
        mlflow.aliases("listener-x")
    assert caught.value.backend == "mlflow"
