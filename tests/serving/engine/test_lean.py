"""The model libraries load without what only lies beside them, and that is there again afterwards."""

import subprocess
import sys

CODE = """
import sys
from importlib.util import find_spec
from serving.engine.lean import UNUSED, load_libraries
load_libraries()
from serving.engine.bases.shipped.checkpoint import random_base
random_base(0)
print(*sorted({"peft", "scipy"} & set(sys.modules)))
import scipy
print(*(name for name in ("peft", "scipy") if find_spec(name) is None))
"""


def test_what_is_not_used_is_not_loaded_and_not_hidden_for_good() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "\n\n"
