"""The model libraries load without what only lies beside them, and that is there again afterwards."""

import subprocess
import sys
from pathlib import Path

import pytest

from serving.engine.bases.manifest import INDEX

CODE = """
import sys
from importlib.util import find_spec
from pathlib import Path
from serving.engine.lean import load_libraries
load_libraries(Path(sys.argv[1]))
from serving.engine.bases.shipped.checkpoint import random_base
base = random_base(0)
base.text.encode(["slow piano"])
away = sys.argv[2].split()
print(*sorted(set(away) & set(sys.modules)))
import scipy
print(*(name for name in away if find_spec(name) is None))
import torch
torch.compile(torch.square, backend="eager")(torch.ones(2))
print("torch._dynamo" in sys.modules)
"""


@pytest.mark.parametrize(
    ("index", "away"), [(None, "peft scipy transformers accelerate torch._dynamo sympy"), (INDEX, "peft scipy")]
)
def test_what_is_not_used_is_not_loaded_and_not_hidden_for_good(tmp_path: Path, index: str | None, away: str) -> None:
    if index is not None:
        (tmp_path / index).touch()
    command = [sys.executable, "-c", CODE, str(tmp_path), away]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "\n\nTrue\n"
