"""`python -m infra.local.start NAME`: what the supervisor runs for each part. It ends what is left of an earlier start
of the same part (its ports and locks are needed), empties its scratch folders and becomes the part by exec."""

import os
import shutil
import sys
from pathlib import Path

from infra.local import leftovers
from infra.local.home import Home
from infra.local.part import Stack


def main(name: str) -> None:
    """Become the part `name` of the stack in `ENCORE_HOME`. Does not return."""
    home = Home(Path(os.environ["ENCORE_HOME"]))
    part = Stack.load(home.stack_file).part(name)
    leftovers.end_all(home.folder, name)
    for folder in part.scratch:
        shutil.rmtree(folder, ignore_errors=True)
    with home.starts_of(name).open("ab") as starts:
        starts.write(b".")
    environment = os.environ | dict(part.environment)
    os.execvpe(part.command[0], part.command, environment)  # noqa: S606 (becomes it)


if __name__ == "__main__":
    main(sys.argv[1])
