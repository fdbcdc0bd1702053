"""helm's own lint, and every rendered resource against the schema of its kind."""

import json
import subprocess
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource

from tests.helm.conftest import CHART, Render

KUBERNETES = "v1.35.0-local-strict"
OURS = Path(__file__).parent / "schemas"
VALUES = ["", "everything", "fixed-gateway"]


def kubernetes(name: str) -> Any:
    package = files("kubernetes_validate") / "kubernetes-json-schema" / KUBERNETES
    return json.loads((package / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def registry() -> Registry[Any]:
    resource: Resource[Any] = Resource.from_contents(kubernetes("_definitions.json"))
    return resource @ Registry()


def schema_of(resource: dict[str, Any]) -> Any:
    """Kubernetes' own kinds from the API server's description, an operator's kinds from `schemas/` beside this file."""
    group, _, version = resource["apiVersion"].rpartition("/")
    kind = resource["kind"].lower()
    custom = OURS / f"{kind}.json"
    if custom.exists():
        return json.loads(custom.read_text())
    prefix = f"{group.split('.')[0]}-" if group else ""
    return kubernetes(f"{kind}-{prefix}{version}.json")


def check(resource: dict[str, Any], registry: Registry[Any]) -> None:
    validator = jsonschema.Draft202012Validator(schema_of(resource), registry=registry)
    errors = [f"{'/'.join(map(str, error.path))}: {error.message[:300]}" for error in validator.iter_errors(resource)]
    assert not errors, f"{resource['kind']} {resource['metadata']['name']}: {errors}"


@pytest.mark.parametrize("values", VALUES)
def test_lint_finds_nothing(run_helm: Callable[..., subprocess.CompletedProcess[str]], values: str) -> None:
    chosen = ["--values", str(CHART / "ci" / f"{values}.yaml")] if values else []
    result = run_helm("lint", "--strict", str(CHART), *chosen)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "[WARNING]" not in result.stdout
    assert "[ERROR]" not in result.stdout


@pytest.mark.parametrize("values", VALUES)
def test_every_resource_fits_the_schema_of_its_kind(render: Render, registry: Registry[Any], values: str) -> None:
    resources = render(values)
    assert resources
    for resource in resources:
        check(resource, registry)


def test_the_schemas_see_into_the_pods_of_ray(render: Render, registry: Registry[Any]) -> None:
    (service,) = (resource for resource in render() if resource["kind"] == "RayService")
    pod = service["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]
    pod["containers"][0]["imagePullPolicies"] = "Always"
    with pytest.raises(AssertionError, match="imagePullPolicies"):
        check(service, registry)


@pytest.mark.parametrize(
    "wrong",
    [
        "engine.replica=2",
        "engine.replicas=0",
        "settings.storeUrl=bucket",
        "settings.kafkaBootstrap=kafka",
        "settings.kafkaBootstrap=sasl://me:secret@kafka:9092",
        "settings.logLevel=loud",
        "gateway.autoscaling.targetCPU=400",
        "monitoring.interval=often",
    ],
)
def test_a_wrong_value_is_refused_by_name(
    run_helm: Callable[..., subprocess.CompletedProcess[str]], wrong: str
) -> None:
    result = run_helm("template", "r", str(CHART), "--set", wrong)
    assert result.returncode != 0
    assert wrong.split("=", maxsplit=1)[0].rsplit(".", maxsplit=1)[-1] in result.stderr
