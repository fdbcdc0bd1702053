"""`./encore import FILE`: a product's history of its listeners' own songs, through the log like any feedback.

The file is looked at whole before anything is sent: with a bad row nothing is. Sending goes at a pace of its own, and
the same file again, also after a stop at any point, changes nothing.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Annotated, Final, TypeVar

from pydantic import Field

from services.errors import BackendAway, NotAcknowledged
from services.gateway.history import Bad, PastRow, Place, Song, Taken, read_row, taken
from services.gateway.history_files import UnreadableError, rows
from services.gateway.log_keys import LogKeys
from services.gateway.main import outbox_to
from services.gateway.outbox import Outbox
from services.gateway.settings import GatewaySettings
from services.gateway.store import Reach, Store
from services.gateway.tally import Bookkeeper
from services.postgres import load_queries, open_async_pool
from services.seals import Sealed
from services.settings import Settings, read

PORTION: Final = 500
"""Rows that are looked at, and sent, at a time."""
RATE: Final = 500.0
SHOWN: Final = 100
"""Bad rows that are told; of the others only how many they are."""
PAUSES_S: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
TELL_EVERY: Final = 20

_QUERIES: Final = load_queries(Path(__file__).with_name("history.sql"))
Item = TypeVar("Item")


class ImportSettings(Settings):
    """Where listeners, songs and the log are."""

    event_max_age_s: Annotated[float, Field(ge=3600, le=315_360_000)] = GatewaySettings.model_fields[
        "event_max_age_s"
    ].default


@dataclass(slots=True)
class Outcome:
    """How many rows there were, of them of listeners without consent to training, and on songs that Encore does not
    have; how many messages were sent."""

    rows: int = 0
    left_out: int = 0
    without_song: int = 0
    sent: int = 0

    def count(self, size: int, portion: Taken) -> None:
        """A portion that was looked at."""
        self.rows += size
        self.left_out += portion.left_out
        self.without_song += portion.without_song

    @property
    def told(self) -> str:
        """What nothing is made of."""
        return (
            f"{self.left_out} of listeners who did not agree to training and {self.without_song} on songs that nobody"
            " brought to Encore are left out"
        )


class BadRowsError(ValueError):
    """Nothing was sent: `shown` are the first of `count` bad rows."""

    def __init__(self, shown: Sequence[Bad], count: int) -> None:
        told = "\n".join(map(str, shown))
        more = f"\nand {count - len(shown)} more" if count > len(shown) else ""
        super().__init__(f"{told}{more}\n{count} rows cannot be taken; nothing was sent.")


class History:
    """A file on its way into the log, for the listeners of one product (`service`)."""

    def __init__(self, file: Path, service: str, place: Place, store: Store) -> None:
        self._file, self._service, self._place = file, service, place
        self._store = store.within(Reach(service=service))

    async def check(self) -> Outcome:
        """Looks at every row.

        Raises:
            BadRowsError: some cannot be taken.
            BackendAway, OSError, UnreadableError: Postgres or the file cannot be read.
        """
        outcome, shown, count = Outcome(), list[Bad](), 0
        async for size, portion in self._portions():
            outcome.count(size, portion)
            count += len(portion.bad)
            shown.extend(portion.bad[: SHOWN - len(shown)])
        if count:
            raise BadRowsError(shown, count)
        return outcome

    async def send(
        self, keys: LogKeys, outbox: Outbox, books: Bookkeeper, rate: float, tell: Callable[[Outcome], None]
    ) -> Outcome:
        """Sends every row, at most `rate` events a second on the whole.

        Raises:
            BadRowsError: a row that fitted before does not any more; those before it are sent.
            BackendAway, OSError, UnreadableError: something is away for long; what was sent is whole.
        """
        outcome, due = Outcome(), asyncio.get_running_loop().time()
        async for size, portion in self._portions():
            if portion.bad:
                raise BadRowsError(portion.bad, len(portion.bad))
            await _told(outbox, await keys.sealed(portion.messages))
            await books.add()
            outcome.count(size, portion)
            outcome.sent += len(portion.messages)
            tell(outcome)
            due += len(portion.messages) / rate
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        return outcome

    async def _portions(self) -> AsyncIterator[tuple[int, Taken]]:
        for portion in _portions(rows(self._file)):
            read_of = [(line, read_row(line, item)) for line, item in portion]
            good = [(line, row) for line, row in read_of if isinstance(row, PastRow)]
            found = await self._taken(good)
            bad = sorted([*(row for _, row in read_of if isinstance(row, Bad)), *found.bad], key=lambda each: each.line)
            yield len(portion), replace(found, bad=bad)

    async def _taken(self, good: Sequence[tuple[int, PastRow]]) -> Taken:
        listeners, songs = {row.listener_id for _, row in good}, {row.song_id for _, row in good}
        known = await self._store.rows(_QUERIES["listeners"], {"listeners": list(listeners)})
        brought = await self._store.rows(_QUERIES["songs"], {"songs": list(songs)})
        may_train = {row["listener_id"]: row["may_train"] for row in known}
        return taken(good, may_train, {row["song_id"]: Song(**row) for row in brought}, self._place)


async def _told(outbox: Outbox, messages: Sequence[Sealed]) -> None:
    """Again after a pause where some were not acknowledged: the same events twice are one."""
    for pause_s in PAUSES_S:
        try:
            await outbox.tell(messages)
        except NotAcknowledged:
            await asyncio.sleep(pause_s)
        else:
            return
    await outbox.tell(messages)


def _portions(items: Iterable[Item]) -> Iterator[list[Item]]:
    left = iter(items)
    while portion := list(islice(left, PORTION)):
        yield portion


async def bring(options: argparse.Namespace, settings: ImportSettings) -> str:
    """All of it; answers what there is to tell."""
    place = Place(options.about, datetime.now(UTC), timedelta(seconds=settings.event_max_age_s))
    async with AsyncExitStack() as stack:
        store = Store(await stack.enter_async_context(open_async_pool(settings.postgres_dsn, 2)))
        history = History(options.file, options.service, place, store)
        found = await history.check()
        if options.check:
            return f"{found.rows} rows can be taken; {found.told}."
        outbox = outbox_to(settings.kafka_bootstrap)
        stack.push_async_callback(outbox.aclose)
        books = Bookkeeper(store, outbox.tallies)
        stack.push_async_callback(books.aclose)

        def tell(so_far: Outcome) -> None:
            if so_far.rows % (TELL_EVERY * PORTION) == 0:
                sys.stderr.write(f"{so_far.rows} of {found.rows} rows\n")

        done = await history.send(LogKeys(store), outbox, books, options.rate, tell)
        return f"{done.rows} rows, {done.sent} events sent; {done.told}."


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    try:
        told = asyncio.run(bring(options, read(ImportSettings)))
    except BadRowsError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from error
    except (BackendAway, OSError, UnreadableError) as error:
        sys.stderr.write(f"{error}\nThe same command again goes on: what was sent already changes nothing.\n")
        raise SystemExit(2) from error
    sys.stdout.write(told + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./encore import", description=__doc__.split("\n\n")[0])
    parser.add_argument("file", type=Path, help="JSON lines, or Parquet where the name ends in .parquet")
    parser.add_argument("--service", required=True, help="the product whose listeners they are")
    parser.add_argument(
        "--about", required=True, type=_name, help="a name of this history: it is in every event's source"
    )
    parser.add_argument("--rate", type=_rate, default=RATE, help="events a second at most (%(default)s)")
    parser.add_argument("--check", action="store_true", help="look at the file and send nothing")
    return parser


def _name(text: str) -> str:
    if not 1 <= len(text) <= 64 or not text.isprintable():
        raise argparse.ArgumentTypeError("1 to 64 printable characters are expected")
    return text


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < 1e9:
        raise argparse.ArgumentTypeError("a number above 0 is expected")
    return rate


if __name__ == "__main__":
    main()
