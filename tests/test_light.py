"""The service processes start without the heavy libraries: each main is imported in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "ray", "numpy", "mlflow", "pandas", "scipy", "diffusers", "transformers")
MAINS = sorted((ROOT / "services").glob("*/main.py"))
MODULES = ["services.migrate", *(".".join(file.relative_to(ROOT).with_suffix("").parts) for file in MAINS)]

PROBE = """
import importlib, sys
importlib.import_module(sys.argv[1])
print(",".join(sorted(set(sys.argv[2].split(",")) & set(sys.modules))))
"""


def test_all_three_services_are_looked_at() -> None:
    assert {"services.aggregator.main", "services.gateway.main", "services.rollout.main"} <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_a_service_is_light(module: str) -> None:
    command = [sys.executable, "-c", PROBE, module, ",".join(HEAVY)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "", f"{module} brings {result.stdout}"
