"""What an operator sees of single versions and does with them: `./encore adapters`."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal
from uuid import UUID

from services.errors import BackendAway, ServiceError
from services.postgres import open_pool
from services.rollout.operating import Wish
from services.rollout.registry import MlflowRegistry
from services.rollout.settings import RegistrySettings
from services.rollout.signing import signed
from services.rollout.versions import Versions
from services.settings import read

ROLES: Final = ("champion", "candidate", "previous", "pinned")
MOVES: Final[Mapping[str, Literal["serve", "serve_previous", "pin", "unpin"]]] = {
    "promote": "serve",
    "rollback": "serve_previous",
    "pin": "pin",
    "unpin": "unpin",
}


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = _parser().parse_args(arguments)
    settings = read(RegistrySettings)
    try:
        registry_of = MlflowRegistry(settings.mlflow_url, settings.mlflow_login)
        with open_pool(settings.postgres_dsn) as pool, registry_of as registry:
            text = answer(Versions(pool, registry), chosen)
    except (BackendAway, ServiceError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from error
    sys.stdout.write(text + "\n")


def answer(versions: Versions, chosen: argparse.Namespace) -> str:
    """What a command says; raises as `Versions` does."""
    match chosen.command:
        case "list":
            return _listed(versions.all(chosen.listener))
        case "show":
            return json.dumps(versions.one(chosen.listener, chosen.version), indent=2, default=str)
        case "diff":
            return _beside(*(versions.one(chosen.listener, each) for each in (chosen.version, chosen.other)))
        case name:
            who = {"listener_id": chosen.listener, "version": getattr(chosen, "version", None)}
            return str(versions.move(Wish(MOVES[name], chosen.reason, chosen.by, **who)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./encore adapters", description="Versions of single listeners.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    words = {
        "list": "every version, newest first, with its role and what its tracks were rated",
        "show": "one version: scores, checksums, the snapshot that it was learned from",
        "diff": "two versions side by side",
        "promote": "let a listener hear a version from now on",
        "rollback": "let a listener hear what they heard before",
        "pin": "promote a version and keep the listener out of canaries",
        "unpin": "let a pinned listener take part in canaries again",
    }
    for name, text in words.items():
        command = commands.add_parser(name, help=text, description=text.capitalize() + ".")
        if name == "list":
            command.add_argument("listener", type=UUID, nargs="?", help="only this listener's")
        else:
            command.add_argument("listener", type=UUID, help="the listener's id")
        if name in ("show", "diff", "promote", "pin"):
            command.add_argument("version", type=int, help="the version's number")
        if name == "diff":
            command.add_argument("other", type=int, help="the number of the version beside it")
        if name in MOVES:
            signed(command)
    return parser


def _listed(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "No version is registered."
    lines = [f"{'listener':36}  version  {'role':20}  stars  ratings  made at"]
    for row in rows:
        role = ", ".join(name for name in ROLES if row[name])
        stars = "-" if row["stars"] is None else f"{row['stars']:.2f}"
        made = f"{row['created_at']:%Y-%m-%d %H:%M}"
        lines.append(f"{row['listener_id']}  {row['version']:7}  {role:20}  {stars:>5}  {row['ratings']:7}  {made}")
    return "\n".join(lines)


def _beside(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """What differs between two versions, a line each."""
    flat = [{**{k: v for k, v in row.items() if k != "scores"}, **row["scores"]} for row in (one, other)]
    names = [name for name in {**flat[0], **flat[1]} if flat[0].get(name) != flat[1].get(name)]
    return "\n".join(f"{name:20}  {_short(flat[0].get(name))}  ->  {_short(flat[1].get(name))}" for name in names)


def _short(value: object) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
