"""Rendering the chart with the real helm."""

import subprocess
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm.binary import helm

CHART = Path(__file__).resolve().parents[2] / "helm" / "encore"

Resource = dict[str, Any]
Render = Callable[..., list[Resource]]


@pytest.fixture(scope="session")
def run_helm() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs helm with these arguments and gives the result, whatever the exit status."""
    binary = helm()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([binary, *arguments], capture_output=True, text=True, check=False, timeout=300)

    return run


@pytest.fixture(scope="session")
def render(run_helm: Callable[..., subprocess.CompletedProcess[str]]) -> Render:
    """The resources of a release named `r` with the values of the given file in `ci/`, or the defaults. What was asked
    for before is given again, as a copy."""

    @cache
    def rendered(values: str, *arguments: str) -> list[Resource]:
        chosen = ["--values", str(CHART / "ci" / f"{values}.yaml")] if values else []
        result = run_helm("template", "r", str(CHART), *chosen, *arguments)
        assert result.returncode == 0, result.stderr
        return [document for document in yaml.safe_load_all(result.stdout) if document]

    return lambda values="", *arguments: deepcopy(rendered(values, *arguments))
