"""The factory's idle processes stay small: nothing heavy is imported before a round runs."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module",
    ["training.main", "training.ray_train", "training.worker", "training.round_process", "training.forgetting_process"],
)
def test_no_model_library_is_imported(module: str) -> None:
    check = f"import sys, {module}; print([n for n in ('torch', 'diffusers', 'mlflow') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
