"""`./encore demo`: simulated listeners play the whole loop through the public API, two cycles long.

A cycle: hear and rate, train, hear and rate under canary, decide. Nothing here reaches behind the gateway.
"""

import argparse
import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import torch
from rich.console import Console

from schemas.api import FeedbackCounts, ReleaseView, RoundView
from training.study.client import Client
from training.study.features import Ear
from training.study.listening import SimulatedListener
from training.study.population import SHIFT, Person, Scale, load_songs, measure, populate
from training.study.published import PublishedEar
from training.study.report import cycle_facts, print_cycle

POLL_S = 1.0
PATIENCE_S = 5.0  # the rollout service reads the feedback more often
WIDTH = 120  # of a log


@dataclass(frozen=True)
class Plan:
    listeners: int
    cohorts: int
    cycles: int
    hear: int
    canary: int
    seconds: float
    seed: int
    shift: float


@dataclass
class Play:
    """One run of the demo and the facts it gathers."""

    client: Client
    plan: Plan
    console: Console
    phases: dict[str, float]
    acknowledged: int = 0
    before: FeedbackCounts | None = None
    versions: int = 0
    rounds: set[UUID] = field(default_factory=set)  # that were there before, or at the end of a cycle's training
    listeners: list[SimulatedListener] = field(default_factory=list)
    cycles: list[dict[str, Any]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)

    @asynccontextmanager
    async def phase(self, name: str, progress: Callable[[], str]) -> AsyncIterator[None]:
        """Times a phase and shows, while it lasts, what is done, how far and how long so far."""
        started = time.monotonic()
        ticker = asyncio.create_task(self._tick(name, progress, started))
        try:
            yield
        finally:
            ticker.cancel()
        self.phases[name] = round(time.monotonic() - started, 1)
        self.console.print(f"  {name}: {progress()}, {self.phases[name]:.0f} s", highlight=False)

    async def _tick(self, name: str, progress: Callable[[], str], started: float) -> None:
        """A line that renews itself on a terminal; elsewhere (a log) one line every so often."""
        every = 1.0 if self.console.is_terminal else 20.0
        if not self.console.is_terminal:
            self.console.print(f"  {name}: begins", highlight=False)
        with self.console.status(name) as status:
            while True:
                await asyncio.sleep(every)
                line = f"  {name}: {progress()}, {time.monotonic() - started:.0f} s so far"
                status.update(line) if self.console.is_terminal else self.console.print(line, highlight=False)

    async def run(self) -> None:
        await self._until(self._folded)
        self.before = await self.client.feedback()
        self.rounds = {row.round_id for row in await self.client.rounds()}
        await self._arrive()
        for number in range(1, self.plan.cycles + 1):
            await self._listen(f"cycle {number} hear", self.plan.hear)
            round_view = await self._train(f"cycle {number} train")
            self.versions += round_view.versions
            release = await self._canary(number, round_view.round_id)
            report = await self.client.uplift(release.release_id)
            self.cycles.append(cycle_facts(report))
            self.decisions += [decision.model_dump(mode="json") for decision in release.decisions]
            print_cycle(self.console, number, report, release)

    async def _arrive(self) -> None:
        ear = Ear(PublishedEar())
        songs = load_songs()
        listened = 0

        def one_more() -> None:
            nonlocal listened
            listened += 1

        async with self.phase("songs", lambda: f"{listened} of {len(songs)} listened to by the simulated listeners"):
            heard, scale = await asyncio.to_thread(measure, ear, songs, self.plan.seconds, one_more)
        people = populate(
            songs, heard, scale, listeners=self.plan.listeners, cohorts=self.plan.cohorts, seed=self.plan.seed,
            shift=self.plan.shift,
        )  # fmt: skip
        async with self.phase(
            "uploads", lambda: f"{len(self.listeners)} of {len(people)} listeners brought their songs"
        ):
            for person in people:
                self.listeners.append(await self._welcome(person, ear, scale))

    async def _welcome(self, person: Person, ear: Ear, scale: Scale) -> SimulatedListener:
        listener = await self.client.create_listener(person.attributes)
        for path in person.songs:
            await self.client.upload(listener.listener_id, path)
        return SimulatedListener(person, listener.listener_id, self.client, ear, scale)

    async def _listen(self, name: str, tracks: int) -> None:
        heard = 0

        async def hear(listener: SimulatedListener) -> None:
            nonlocal heard
            for _ in range(tracks):
                events = await listener.hear_one(self.plan.seconds)
                self.acknowledged += events
                heard += 1

        async with self.phase(name, lambda: f"{heard} of {tracks * len(self.listeners)} tracks heard and rated"):
            await asyncio.gather(*(hear(listener) for listener in self.listeners))
            await self._until(self._folded)

    async def _train(self, name: str) -> RoundView:
        """Asks for a round. Of those that were trained since, the one with most listeners: the factory may have begun
        one by itself and left few for this.

        Raises:
            RuntimeError: the round that is asked for failed, or nobody was trained.
        """
        asked = await self.client.start_round()
        view = RoundView.model_validate(
            {
                "round_id": asked,
                "status": "requested",
                "listeners": 0,
                "versions": 0,
                "created_at": "2000-01-01T00:00:00Z",
            }
        )

        async def ended() -> bool:
            nonlocal view
            view = next(row for row in await self.client.rounds() if row.round_id == asked)
            return view.status in ("trained", "failed", "empty")

        async with self.phase(name, lambda: f"round {view.status}, {view.versions} versions {view.detail}"):
            await self._until(ended)
        fresh = [
            row for row in await self.client.rounds() if row.round_id not in self.rounds and row.status == "trained"
        ]
        if view.status == "failed" or not fresh:
            raise RuntimeError(f"the training round ended as {view.status}: {view.detail}")
        self.rounds |= {row.round_id for row in fresh}
        return max(fresh, key=lambda row: row.listeners)

    async def _canary(self, number: int, round_id: UUID) -> ReleaseView:
        release: ReleaseView | None = None

        async def started() -> bool:
            nonlocal release
            release = next((row for row in await self.client.releases() if row.round_id == round_id), None)
            return release is not None

        async with self.phase(f"cycle {number} release", lambda: "waiting for the rollout service"):
            await self._until(started)
        assert release is not None
        return await self._heard_until_decided(f"cycle {number} canary", release.release_id)

    async def _heard_until_decided(self, name: str, release_id: UUID) -> ReleaseView:
        """A few wishes of everybody at a time, until the verdict is there."""
        release, heard = await self.client.release(release_id), 0

        async def decided() -> bool:
            nonlocal release
            release = await self.client.release(release_id)
            return release.status != "canary"

        async def hear(listener: SimulatedListener) -> None:
            nonlocal heard
            for _ in range(self.plan.canary):
                events = await listener.hear_one(self.plan.seconds)
                self.acknowledged += events  # after the wait: += reads what it adds to before it
                heard += 1

        async with self.phase(name, lambda: f"{heard} wishes heard and rated, release {release.status}"):
            while not await decided():
                await asyncio.gather(*(hear(listener) for listener in self.listeners))
                await self._until(self._folded)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PATIENCE_S):
                        await self._until(decided)
        return release

    async def _folded(self) -> bool:
        return not any((await self.client.feedback()).lag.values())

    async def _until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        while not await condition():  # noqa: ASYNC110 - what is awaited happens in another process
            await asyncio.sleep(POLL_S)

    async def facts(self) -> dict[str, Any]:
        """What `--json` writes. Events are those of this play: of listeners, and one for each track that was made."""
        assert self.before is not None, "facts are asked for after the play"
        feedback = await self.client.feedback()
        return {
            "phases": self.phases,
            "events": {
                "acknowledged": self.acknowledged,
                "folded": feedback.folded - self.before.folded,
                "dead_lettered": feedback.dead_lettered - self.before.dead_lettered,
            },
            "versions_registered": self.versions,
            "decisions": self.decisions,
            "cycles": self.cycles,
        }


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default=os.environ.get("ENCORE_URL"), help="address of the gateway")
    for kind in ("service", "operator"):
        given = os.environ.get(f"ENCORE_{kind.upper()}_TOKEN")
        parser.add_argument(f"--{kind}-token", default=given, help=f"a token of the kind {kind}")
    parser.add_argument("--json", type=Path, help="write the facts to this file as well")
    parser.add_argument("--somebody", type=Path, help="write the id of one of the listeners to this file")
    parser.add_argument("--phases", type=Path, help="JSON file with the seconds of the phases before this one")
    parser.add_argument("--listeners", type=int, default=12)
    parser.add_argument("--cohorts", type=int, default=3)
    parser.add_argument("--cycles", type=int, default=2)
    parser.add_argument("--hear", type=int, default=4, help="tracks each listener hears before a round")
    parser.add_argument("--canary", type=int, default=4, help="wishes each has under canary between looks")
    parser.add_argument("--seconds", type=float, default=6.0, help="length of a track")
    parser.add_argument("--seed", type=int, default=7, help="who the simulated listeners are")
    parser.add_argument(
        "--shift", type=float, default=SHIFT, help="how far tastes lie beyond the songs, in standard deviations"
    )
    return parser.parse_args()


async def demo(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    plan = Plan(
        arguments.listeners, arguments.cohorts, arguments.cycles, arguments.hear, arguments.canary,
        arguments.seconds, arguments.seed, arguments.shift,
    )  # fmt: skip
    phases = json.loads(arguments.phases.read_text()) if arguments.phases else {}
    client = Client(arguments.url, arguments.service_token, arguments.operator_token)
    console = Console()
    play = Play(client, plan, console if console.is_terminal else Console(width=WIDTH), phases)
    try:
        await play.run()
        if arguments.somebody:
            arguments.somebody.write_text(str(play.listeners[0].listener_id))
        if arguments.json:
            arguments.json.write_text(json.dumps(await play.facts(), indent=2) + "\n")
    finally:
        await client.close()


if __name__ == "__main__":
    asyncio.run(demo(parse_arguments()))
