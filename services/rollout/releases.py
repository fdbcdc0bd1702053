"""What an operator sees of releases and does with them: `./encore releases`."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from schemas.api import Verdict
from services.errors import BackendAway
from services.postgres import Pool, open_pool
from services.rollout.command import end, revert
from services.rollout.overview import Overview
from services.rollout.store import Store
from services.rollout.watches import Watches
from services.settings import Settings, read

ENDS: Final[Mapping[str, Verdict]] = {"promote": "promote", "hold": "hold", "rollback": "roll_back"}
WORDS: Final[Mapping[str, str]] = {
    "list": "the newest releases, with their status and what was said last",
    "show": "one release: plan, members, every decision without its evidence",
    "promote": "end a canary: its candidates become champions",
    "hold": "end a canary: the champions stay",
    "rollback": "end a canary because its candidates are bad",
    "revert": "let the listeners of a promoted release hear what they heard before",
}


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = parser().parse_args(arguments)
    settings = read(Settings)
    try:
        with open_pool(settings.postgres_dsn) as pool:
            text = answer(pool, chosen)
    except (BackendAway, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from error
    sys.stdout.write(text + "\n")


def answer(pool: Pool, chosen: argparse.Namespace) -> str:
    """What a command says.

    Raises:
        ValueError: it cannot be done, with the reason.
        BackendAway: Postgres cannot be reached.
    """
    match chosen.command:
        case "list":
            return _listed(Overview(pool).releases())
        case "show":
            return json.dumps(Overview(pool).release(chosen.release), indent=2, default=str)
        case "revert":
            return revert(Store(pool), Watches(pool), chosen.release, chosen.reason, chosen.by)
        case verdict:
            return end(Store(pool), chosen.release, ENDS[verdict], chosen.reason, chosen.by)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="./encore releases", description="Releases: seen, ended, taken back.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in WORDS.items():
        command = commands.add_parser(name, help=text, description=text.capitalize() + ".")
        if name != "list":
            command.add_argument("release", type=UUID, help="the release's id")
        if name not in ("list", "show"):
            _signed(command)
    return top


def _signed(command: argparse.ArgumentParser) -> None:
    """Who does it and why is stored with what is done."""
    command.add_argument("--reason", required=True, type=_words, help="stored with it")
    command.add_argument("--by", required=True, type=_words, help="your name, stored with it")


def _words(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("some words are expected")
    return text.strip()


def _listed(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "No release was started."
    lines = [f"{'release':36}  {'status':11}  listeners  {'started at':16}  said last"]
    for row in rows:
        status = row["status"] + ("*" if row["watched"] else "")
        started = f"{row['started_at']:%Y-%m-%d %H:%M}"
        lines.append(
            f"{row['release_id']}  {status:11}  {row['listeners']:9}  {started}  {row['reason'] or ''}".rstrip()
        )
    if any(row["watched"] for row in rows):
        lines.append("* watched: a part of the tracks goes on with the version before")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
