"""What an operator sees of releases and does with them: `./encore releases`."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from schemas.operating import OF_LISTENERS, OF_RELEASES, Action
from services.errors import BackendAway
from services.postgres import Pool, open_pool
from services.rollout.operating import Operating, Wish
from services.rollout.overview import Overview
from services.rollout.perform import perform
from services.rollout.self_tests import SelfTests
from services.rollout.signing import signed
from services.settings import Settings, read

ACTIONS: Final[Mapping[str, Action]] = {
    "promote": "promote",
    "hold": "hold",
    "rollback": "roll_back",
    "revert": "revert",
    "pause": "pause",
    "resume": "resume",
    "stop": "stop",
    "start": "start",
    "opt-out": "opt_out",
    "opt-in": "opt_in",
}
WORDS: Final[Mapping[str, str]] = {
    "list": "the newest releases, with their status and what was said last",
    "show": "one release: plan, members, every decision without its evidence",
    "promote": "end a canary: its candidates become champions",
    "hold": "end a canary: the champions stay",
    "rollback": "end a canary because its candidates are bad",
    "revert": "let the listeners of a promoted release hear what they heard before",
    "pause": "no new track on a canary's candidates; its clock stands still",
    "resume": "let a paused canary go on",
    "stop": "let no new canary begin; those that run go on",
    "start": "let new canaries begin again",
    "opt-out": "compare a listener with nothing: they always hear their champion",
    "opt-in": "let a listener take part again",
    "actions": "who did what last, and why",
    "off": "kill switch: a listener, a cohort or everyone hears only what their songs alone give, from now on",
    "on": "lift a kill switch",
    "self-tests": "weeks in which the champion was compared with itself, and which checks alarmed",
    "switches": "the kill switches that are thrown",
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
        case "actions":
            return _lines(Operating(pool).actions(), "Nothing was done.")
        case "self-tests":
            return _lines(SelfTests(pool).weeks(), "No week was tested.")
        case "switches":
            return _lines(Operating(pool).switches(), "No switch is thrown.")
        case "off":
            switch = Operating(pool).throw(chosen.listener, chosen.cohort, chosen.reason, chosen.by)
            return f"switched off; ./encore releases on {switch} lifts it"
        case "on":
            Operating(pool).lift(chosen.switch, chosen.reason, chosen.by)
            return f"the switch {chosen.switch} is lifted"
        case name:
            release, listener = getattr(chosen, "release", None), getattr(chosen, "listener", None)
            return perform(pool, Wish(ACTIONS[name], chosen.reason, chosen.by, release, listener))


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="./encore releases", description="Releases: seen, ended, taken back.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in WORDS.items():
        command = commands.add_parser(name, help=text, description=text.capitalize() + ".")
        if name == "show" or ACTIONS.get(name) in OF_RELEASES:
            command.add_argument("release", type=UUID, help="the release's id")
        elif ACTIONS.get(name) in OF_LISTENERS:
            command.add_argument("listener", type=UUID, help="the listener's id")
        elif name == "on":
            command.add_argument("switch", type=UUID, help="the switch's id, see `switches`")
        elif name == "off":
            whom = command.add_mutually_exclusive_group(required=True)
            whom.add_argument("--listener", type=UUID, help="one listener")
            whom.add_argument("--cohort", metavar="ATTRIBUTE=VALUE", help="everyone with it, such as home=folk")
            whom.add_argument("--everyone", action="store_true", help="everyone")
        if name in ACTIONS or name in ("off", "on"):
            signed(command)
    return top


def _lines(rows: Sequence[Mapping[str, Any]], none: str) -> str:
    """What is there of each row, a line each."""
    told = (" ".join(f"{name}={_text(value)}" for name, value in row.items() if value is not None) for row in rows)
    return "\n".join(told) or none


def _text(value: object) -> str:
    return f"{value:%Y-%m-%dT%H:%M:%SZ}" if isinstance(value, datetime) else str(value)


def _listed(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "No release was started."
    lines = [f"{'release':36}  {'status':11}  listeners  {'started at':16}  said last"]
    for row in rows:
        status = "paused" if row["paused"] else row["status"] + ("*" if row["watched"] else "")
        started = f"{row['started_at']:%Y-%m-%d %H:%M}"
        lines.append(
            f"{row['release_id']}  {status:11}  {row['listeners']:9}  {started}  {row['reason'] or ''}".rstrip()
        )
    if any(row["watched"] for row in rows):
        lines.append("* watched: a part of the tracks goes on with the version before")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
