"""`python -m services.principals`: makes and rotates the keys, and gives tokens and logins to whoever holds them."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.principals.keys import SIGNS_AFTER_S, Key, Keys, KeysError, first, load, rotated, save
from services.principals.login import LoginError, Staff, login_url
from services.principals.tokens import LONGEST, minted


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    try:
        print(options.run(options))
    except (KeysError, LoginError, ValueError) as error:
        print(f"encore: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="./encore access", description=__doc__)
    keys = os.environ.get("ENCORE_KEYS_FILE")
    top.add_argument("--keys", type=Path, default=keys, required=not keys, metavar="FILE", help="the file of keys")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    new = commands.add_parser("new", help="make the file with a first key; refused where there is one")
    new.set_defaults(run=_new)
    listed = commands.add_parser("list", help="show each key's id, its age and what it does")
    listed.set_defaults(run=_list)
    rotate = commands.add_parser("rotate", help="add a key; tokens of the one before stay valid, older ones end")
    rotate.add_argument("--at-once", action="store_true", help="only the new key is valid: for one that has leaked")
    rotate.set_defaults(run=_rotate)
    token = commands.add_parser("token", help="print a token of a service, an operator, an analyst or a process")
    token.add_argument("kind", choices=[kind for kind in LONGEST if kind != "listener"])
    token.add_argument("name", help="of the service or the person; it stands in the audit")
    token.add_argument("--hours", type=float, help="how long it lives (default: as long as its kind may)")
    token.set_defaults(run=_token)
    login = commands.add_parser("login", help="print an address of the pages that lets in once, within an hour")
    login.add_argument("--url", default=os.environ.get("ENCORE_URL"), help="address of the gateway")
    login.add_argument("--service", default="encore", help="whose listener it is")
    login.add_argument("--listener", metavar="ID", help="which listener; a new one where none is named")
    login.add_argument("--operator", metavar="NAME", help="for an operator instead, to their page")
    login.add_argument("--analyst", metavar="NAME", help="for an analyst instead, to theirs")
    login.set_defaults(run=_login)
    return top


def _new(options: argparse.Namespace) -> str:
    if options.keys.exists():
        raise KeysError(f"{options.keys} is there already; rotate adds a key.")
    first(options.keys)
    return f"{options.keys} holds a first key."


def _list(options: argparse.Namespace) -> str:
    keys, now = load(options.keys), time.time()
    return "\n".join(f"{key.key_id}  {_age(key, now)}  {_duty(keys, key, now)}" for key in keys.keys)


def _age(key: Key, now: float) -> str:
    return f"{(now - key.made_at) / 3600:.1f} h old"


def _duty(keys: Keys, key: Key, now: float) -> str:
    if key is keys.signing(now):
        return "signs"
    return "valid" if key is keys.keys[0] else f"signs when it is {SIGNS_AFTER_S:.0f} s old"


def _rotate(options: argparse.Namespace) -> str:
    before = load(options.keys)
    after = rotated(before, time.time(), at_once=options.at_once)
    save(options.keys, after)
    gone = [key.key_id for key in before.keys if key not in after.keys]
    ended = f" Tokens of {', '.join(gone)} have ended." if gone else ""
    return f"Made {after.keys[-1].key_id}; it signs in {SIGNS_AFTER_S:.0f} s at the latest.{ended}"


def _token(options: argparse.Namespace) -> str:
    life = LONGEST[options.kind] if options.hours is None else timedelta(hours=options.hours)
    return minted(load(options.keys), options.kind, options.name, life, datetime.now(UTC))


def _login(options: argparse.Namespace) -> str:
    if not options.url:
        raise LoginError("ENCORE_URL or --url must say where the gateway is.")
    keys = load(options.keys)
    return login_url(keys, options.url, service=options.service, listener=options.listener, staff=_staff(options))


def _staff(options: argparse.Namespace) -> Staff | None:
    if options.operator:
        return "operator", options.operator
    return ("analyst", options.analyst) if options.analyst else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
