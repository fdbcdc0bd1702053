"""`python -m services.aggregator.rollups check | rebuild`: the roll-ups beside the facts that they are the sums of.

Both may run while events are folded. `check` looks at one moment and changes nothing; `rebuild` makes every row anew in
one transaction, for which the writers wait.
"""

import argparse
import sys
from pathlib import Path

from services.errors import BackendAway
from services.postgres import connect, load_queries, reaching
from services.settings import Settings, read


def wrong(dsn: str) -> int:
    """How many rows are not what the facts add up to, counted from both sides.

    Raises:
        BackendAway: the database cannot be reached.
    """
    return _asked(dsn, "wrong")


def rebuild(dsn: str) -> int:
    """Makes every row anew from the facts; answers how many there are.

    Raises:
        BackendAway: the database cannot be reached; nothing was changed.
    """
    return _asked(dsn, "rebuild")


def _asked(dsn: str, name: str) -> int:
    queries = load_queries(Path(__file__).with_suffix(".sql"))
    with reaching(), connect(dsn) as connection:
        row = connection.execute(queries[name]).fetchone()
    assert row is not None
    return int(row["rows"])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="./encore rollups", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("check", "rebuild"), help="compare with the facts, or make from them")
    chosen = parser.parse_args(arguments)
    dsn = read(Settings).postgres_dsn
    try:
        rows = wrong(dsn) if chosen.what == "check" else rebuild(dsn)
    except BackendAway as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from error
    if chosen.what == "rebuild":
        sys.stdout.write(f"{rows} rows made from the facts\n")
    elif rows:
        sys.stdout.write(f"{rows} rows are not what the facts add up to: ./encore rollups rebuild mends them\n")
        raise SystemExit(1)
    else:
        sys.stdout.write("every row is what the facts add up to\n")


if __name__ == "__main__":
    main()
