"""Erasures, exports and rotations of keys, killed again and again anywhere; after each kill what is there is held
against what a checker that shares no line with them allows (`halves`). An erasure is done again until it is done.

    python -m tests.services.kills --postgres DSN [--kills 200] [--seed 1]

An erasure has the steps of all processes, one after the other, in one process that is killed; MLflow and Kafka are not
there. The DSN's user must be allowed to create databases; one is made, and dropped.
"""

import argparse
import multiprocessing
import random
import stat
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg

from schemas.blobs import Store as Files
from services.aggregator.store import Store as Feedback
from services.identifiers import uuid7
from services.postgres import open_pool
from services.principals.keys import first
from tests.benchmarks.aggregator import database
from tests.benchmarks.erasure import fold_all, live
from tests.services import killable
from tests.services.halves import (
    ELSEWHERE,
    confirmed,
    halves_of_archive,
    halves_of_erasure,
    halves_of_rotation,
    traces,
)
from tests.services.rollout.memory_registry import MemoryRegistry

TRACKS: Final = 3
PATIENCE_S: Final = 300.0


@dataclass
class Killer:
    """Runs what is asked in processes of their own and kills each after a while that is drawn: at most as long as the
    longest has taken that was left alone."""

    draw: random.Random
    kills: int = 0
    longest_s: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload([killable.__name__])

    def run(self, work: Callable[..., None], *arguments: Any) -> bool:
        """Whether the work was done, and not killed."""
        longest = self.longest_s.get(work.__name__)
        process = self._processes.Process(target=work, args=arguments, daemon=True)
        began = time.monotonic()
        process.start()
        process.join(PATIENCE_S if longest is None else self.draw.uniform(0, longest))
        if process.exitcode is None and longest is not None:
            process.kill()
            process.join()
            self.kills += 1
            return False
        assert process.exitcode == 0, f"{work.__name__} ended with {process.exitcode}"
        self.longest_s[work.__name__] = max(longest or 0.0, time.monotonic() - began)
        return True


@dataclass
class House:
    """Where listeners live who are erased and exported, and one who is left alone."""

    dsn: str
    folder: Path
    killer: Killer

    def __post_init__(self) -> None:
        self.files = Files(f"file://{self.folder}/store")
        self.store = self.folder / "store"

    def newcomer(self) -> tuple[UUID, set[UUID]]:
        """A listener with all that there is of one, and the ids of it."""
        who = uuid7()
        with psycopg.connect(self.dsn, autocommit=True) as owner, open_pool(self.dsn) as pool:
            live(owner, self.files, MemoryRegistry(), who, TRACKS)
            fold_all(Feedback(pool), who, owner)
            rows = owner.execute(
                "select song_id from gateway.songs where listener_id = %(who)s"
                " union select track_id from gateway.tracks where listener_id = %(who)s",
                {"who": who},
            ).fetchall()
        return who, {who, *(each for (each,) in rows)}

    def erased(self) -> Iterator[str]:
        """One erasure, killed until it is done; what was wrong meanwhile, told."""
        who, ids = self.newcomer()
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            before = traces(connection, self.store, ids)
            done = False
            while not done:
                done = self.killer.run(
                    killable.erasure, self.dsn, self.files.address, str(self.folder / "factory"), who
                )
                left, said = traces(connection, self.store, ids), confirmed(connection, who)
                yield from halves_of_erasure(left, before, said)
            if left:
                yield f"an erasure is done, and {dict(left)} is left"
            rows = connection.execute("select distinct store from gateway.erasure_steps").fetchall()
            if said != {store for (store,) in rows} - set(ELSEWHERE):
                yield f"an erasure is done, and only {said} have confirmed"

    def exported(self, who: UUID, whole: set[str]) -> Iterator[str]:
        """One export, whole or killed."""
        target = self.folder / "archive.zip"
        target.unlink(missing_ok=True)
        done = self.killer.run(killable.export, self.dsn, self.files.address, who, str(target))
        yield from halves_of_archive(target, whole)
        if done and not is_read(target):
            yield "an export is done, and is not read"

    def rotated(self) -> Iterator[str]:
        """One rotation, done or killed."""
        file = self.folder / "keys.json"
        if not file.exists():
            first(file)
        before = file.read_text()
        done = self.killer.run(killable.rotation, str(file))
        yield from halves_of_rotation(before, file.read_text(), stat.S_IMODE(file.stat().st_mode))
        if done and file.read_text() == before:
            yield "a rotation is done, and nothing has changed"


def is_read(archive: Path) -> bool:
    return zipfile.is_zipfile(archive)


def killed(dsn: str, folder: Path, kills: int, seed: int) -> tuple[Counter[str], list[str]]:
    """So many kills, drawn over the three kinds of work: how often each was begun, and what was wrong, told."""
    killer = Killer(random.Random(seed))
    house = House(dsn, folder, killer)
    stays, ids = house.newcomer()
    with psycopg.connect(dsn, autocommit=True) as connection:
        before = traces(connection, house.store, ids)
        killer.run(killable.export, dsn, house.files.address, stays, str(folder / "whole.zip"))
        whole = set(zipfile.ZipFile(folder / "whole.zip").namelist())
        works = {"erasures": house.erased, "exports": lambda: house.exported(stays, whole), "rotations": house.rotated}
        began, wrong = Counter[str](), list[str]()
        while killer.kills < kills:
            kind = killer.draw.choice(list(works))
            began[kind] += 1
            wrong += works[kind]()
        if traces(connection, house.store, ids) != before:
            wrong.append("somebody who was not erased has not all that they had")
    return began, wrong


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", required=True, metavar="DSN")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    began = time.monotonic()
    with database(options.postgres) as dsn, tempfile.TemporaryDirectory() as folder:
        works, wrong = killed(dsn, Path(folder), options.kills, options.seed)
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(works.items()))
    print(f"{options.kills} kills in {told}, {time.monotonic() - began:.0f} s: {len(wrong)} half-done")
    print("\n".join(wrong[:20]))
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main(sys.argv[1:])
