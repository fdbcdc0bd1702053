"""`./encore uplift`: uplift by any crossing of dimensions, as a table, a file or a page."""

import argparse
import os
import sys
from pathlib import Path

from infra.analyst.asking import Gateway, Refused
from infra.analyst.terminal import table
from schemas.analysis import DIMENSIONS, EVERY_RELEASE, FORMS, METRICS
from services.gateway.analyst.formats import encoded
from services.gateway.analyst.question import Question
from services.gateway.analyst.report import BY, page, questions

ARMS = ("candidate", "champion", "cold", "base")


def main(arguments: list[str] | None = None) -> int:
    """Ask once, write once; returns the exit status."""
    chosen = _parser().parse_args(arguments)
    gateway = Gateway(chosen.url, chosen.token)
    try:
        data = _made(gateway, chosen)
    except Refused as error:
        print(f"encore: {error}", file=sys.stderr)
        return 1
    if chosen.output:
        Path(chosen.output).write_bytes(data)
        print(f"written: {chosen.output}")
    else:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    return 0


def _made(gateway: Gateway, chosen: argparse.Namespace) -> bytes:
    release = chosen.release
    if chosen.report or release == "last":
        view = gateway.release(release or "last")
        release = str(view.release_id)
        if chosen.report:
            by = chosen.by.split(";") if chosen.by else BY
            return page(view, by, {asked: gateway.cells(asked) for asked in questions(view.release_id, by)}).encode()
    if release == "all":
        release = str(EVERY_RELEASE)
    asked = Question(chosen.by, chosen.metric, chosen.arm, chosen.baseline, release, chosen.per, chosen.until)
    answer = gateway.cells(asked)
    return table(answer).encode() if chosen.format == "table" else encoded(answer, chosen.format)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./encore uplift", description=__doc__)
    parser.add_argument("--by", default="", help=f"dimensions, with commas: {', '.join(DIMENSIONS)}")
    parser.add_argument("--metric", default="stars", choices=METRICS)
    parser.add_argument("--arm", default="candidate", choices=ARMS)
    parser.add_argument("--baseline", default="cold", choices=ARMS)
    parser.add_argument(
        "--release", default="", help="a release's id, last, or all of them together; none: the time outside any canary"
    )
    parser.add_argument("--per", default="whole", choices=("whole", "day", "cumulative"))
    parser.add_argument("--until", default="", metavar="DAY", help="the last day that counts, such as 2026-01-31")
    parser.add_argument("--format", default="table", choices=("table", *FORMS))
    parser.add_argument(
        "--report",
        action="store_true",
        help="one HTML page of a release (the last) instead; --by takes it apart, several crossings with semicolons",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write there and not to the terminal")
    parser.add_argument("--url", default=os.environ.get("ENCORE_URL", "http://127.0.0.1:8080"))
    parser.add_argument("--token", default=os.environ.get("ENCORE_ANALYST_TOKEN", ""), help="an analyst's token")
    return parser


if __name__ == "__main__":
    sys.exit(main())
