"""`python -m infra.documents` writes what is stale; `--check` only names it, and fails when there is any."""

import argparse
import sys
from pathlib import Path

from infra.documents.every import documents, stale

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.documents", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a document is stale")
    check = parser.parse_args().check
    made = documents(ROOT)
    changed = stale(ROOT, made)
    for path in changed:
        print(f"{'stale' if check else 'written'}: {path}")
        if not check:
            target = ROOT / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(made[path], encoding="utf-8")
    return 1 if check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
