"""`./encore letters`: what was set aside as unreadable, and what to do with it once the cause is mended.

A letter is settled in one transaction with what it is folded into, so it counts once however often it is driven; the
deed is recorded in `audit.entries`.
"""

import argparse
import base64
import getpass
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import DictRow

from services.aggregator.accounts import Account, Outcome, slot_of
from services.aggregator.batch import Batch, sort_out
from services.aggregator.store import Store, Unstorable
from services.audit import Actor, record
from services.errors import BackendAway
from services.postgres import Pool, load_queries, open_pool, transaction
from services.settings import Settings, read
from services.streams import Message

_SHOWN: Final = 80


class UnknownLetter(ValueError):
    """Nothing was set aside there."""


class Place(NamedTuple):
    """Where in the log a letter was."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


class Letters:
    """Raises BackendAway while Postgres is away."""

    def __init__(self, pool: Pool, actor: Actor) -> None:
        self._pool, self._actor = pool, actor
        self._store = Store(pool)
        self._queries = load_queries(Path(__file__).with_suffix(".sql"))

    def all(self, *, settled: bool) -> list[DictRow]:
        """Those that wait, the oldest first; with the settled ones too where that is asked for."""
        with transaction(self._pool) as connection:
            return connection.execute(self._queries["letters"], {"settled": settled}).fetchall()

    def one(self, place: Place) -> DictRow:
        """Everything that is known of a letter.

        Raises:
            UnknownLetter: there is none.
        """
        with transaction(self._pool) as connection:
            return self._locked(connection, place)

    def redrive(self, place: Place) -> str:
        """Fold it, if it can be read now; answers what became of it, also when that was long ago.

        Raises:
            UnknownLetter: there is none.
        """
        message = _message(self.one(place))
        batch = sort_out([message], self._store.keys.of([message]))
        with transaction(self._pool) as connection:
            row = self._locked(connection, place)
            if row["outcome"]:
                return f"{row['outcome']} already"
            try:
                outcome, reason = self._ended(connection, batch)
            except Unstorable as error:
                outcome, reason = None, f"cannot be stored: {error}"
            if outcome is None:
                connection.execute(self._queries["failed"], {**place._asdict(), "reason": reason})
                return f"still cannot be read: {reason}"
            self._settle(connection, place, outcome, attempts=1)
            if row["logged_at"] is not None:  # else it was never counted
                kind = batch.arrivals[0].event.type if batch.arrivals else row["type"]
                self._move(connection, message, row["type"], kind, outcome)
            return outcome

    def _ended(self, connection: Connection[DictRow], batch: Batch) -> tuple[Outcome | None, str]:
        """What became of the one message, and the reason where nothing did."""
        if batch.dead:
            return None, batch.dead[0].reason
        if batch.erased:
            return "erased", ""
        return ("folded" if self._store.refold(connection, batch.arrivals).kept else "repeated"), ""

    def drop(self, place: Place, reason: str) -> str:
        """Give it up: it stays to be looked at, and waits no more.

        Raises:
            UnknownLetter: there is none.
        """
        with transaction(self._pool) as connection:
            row = self._locked(connection, place)
            if row["outcome"]:
                return f"{row['outcome']} already"
            self._settle(connection, place, "dropped", attempts=0, reason=reason)
            return "dropped"

    def _locked(self, connection: Connection[DictRow], place: Place) -> DictRow:
        row = connection.execute(self._queries["letter"], place._asdict()).fetchone()
        if row is None:
            raise UnknownLetter(f"No letter at {place}; ./encore letters list has those that wait.")
        return row

    def _settle(
        self, connection: Connection[DictRow], place: Place, outcome: str, *, attempts: int, reason: str = ""
    ) -> None:
        connection.execute(self._queries["settled"], {**place._asdict(), "outcome": outcome, "attempts": attempts})
        record(connection.execute, self._actor, f"letter.{outcome}", subject=str(place), reason=reason)

    def _move(
        self, connection: Connection[DictRow], message: Message, before: str, kind: str, outcome: Outcome
    ) -> None:
        """From one account to another; a partition's sum stays."""
        taken, given = slot_of(message, before), slot_of(message, kind)
        now = Account(**{outcome: 1})
        if taken == given:
            moves = {taken: now._replace(dead_lettered=-1)}
        else:
            moves = {taken: Account(dead_lettered=-1), given: now}
        self._store.account(connection, moves.items())


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = parse(arguments)
    settings = read(Settings)
    try:
        with open_pool(settings.postgres_dsn) as pool:
            text, well = answer(Letters(pool, Actor("operator", getpass.getuser())), chosen)
    except (BackendAway, UnknownLetter) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from error
    sys.stdout.write(text + "\n")
    raise SystemExit(0 if well else 1)


def answer(letters: Letters, chosen: argparse.Namespace) -> tuple[str, bool]:
    """What a command says, and whether it did all that was asked."""
    match chosen.command:
        case "list":
            return _listed(letters.all(settled=chosen.all)), True
        case "show":
            return json.dumps(_readable(letters.one(chosen.letter)), indent=2, default=str), True
        case "drop":
            return f"{chosen.letter}: {letters.drop(chosen.letter, chosen.reason)}", True
        case _:
            waiting = [Place(row["topic"], row["partition"], row["offset"]) for row in letters.all(settled=False)]
            told = {place: letters.redrive(place) for place in ([chosen.letter] if chosen.letter else waiting)}
            lines = [f"{place}: {outcome}" for place, outcome in told.items()]
            return "\n".join(lines) or "No letter waits.", not any("cannot" in outcome for outcome in told.values())


def _message(row: DictRow) -> Message:
    at = row["logged_at"]
    milliseconds = round(at.timestamp() * 1000) if at else -1
    return Message(row["topic"], row["partition"], row["offset"], row["key"], row["value"], milliseconds)


def _listed(rows: Sequence[DictRow]) -> str:
    if not rows:
        return "No letter waits."
    cells = [
        (
            str(Place(row["topic"], row["partition"], row["offset"])),
            f"{row['recorded_at']:%Y-%m-%dT%H:%M}",
            row["type"] or "",
            row["outcome"] or f"{row['attempts']} attempts",
            row["reason"][:_SHOWN],
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )


def _readable(row: DictRow) -> dict[str, Any]:
    """Bytes as text where they are text."""
    return {name: _text(value) if isinstance(value, bytes) else value for name, value in row.items()}


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(value).decode()


def _place(text: str) -> Place:
    topic, _, rest = text.partition("/")
    partition, _, offset = rest.partition("/")
    try:
        return Place(topic, int(partition), int(offset))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no place such as encore.plays.v1/0/17") from error


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """A command and what it is about."""
    parser = argparse.ArgumentParser(prog="./encore letters", description=__doc__.split("\n\n")[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    listed = commands.add_parser("list", help="those that wait, the oldest first")
    listed.add_argument("--all", action="store_true", help="the settled ones too")
    shown = commands.add_parser("show", help="everything that is known of one, its bytes included")
    driven = commands.add_parser("redrive", help="fold it, or all that wait, if it can be read now")
    dropped = commands.add_parser("drop", help="give it up; it stays in the table")
    for command in (shown, dropped):
        command.add_argument("letter", type=_place, metavar="TOPIC/PARTITION/OFFSET")
    driven.add_argument("letter", type=_place, metavar="TOPIC/PARTITION/OFFSET", nargs="?")
    dropped.add_argument("--reason", required=True, help="why, for the record")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
