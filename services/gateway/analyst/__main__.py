"""`python -m services.gateway.analyst FORM`: an answer comes in as JSON and goes out as a file.

A process of its own, so that the gateway, which runs all day, never loads what writes Parquet and Arrow.
"""

import sys

from schemas.analysis import ComparedCells
from services.gateway.analyst.formats import encoded


def main() -> None:
    answer = ComparedCells.model_validate_json(sys.stdin.buffer.read())
    sys.stdout.buffer.write(encoded(answer, sys.argv[1]))


if __name__ == "__main__":
    main()
