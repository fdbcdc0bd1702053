"""What a track costs that several seeds compete for: processor and wall seconds until it is stored.

    python -m tests.benchmarks.contest [--seconds 10] [--tracks 5]

Each track is of another song of the study, made once by each number of seeds in turn, by the engine as this machine's
replica has it; a first one of each does not count. Ratios are taken track by track. The parts are the engine's thread
(rows), what the contest looks at and what it hears; a whole hearing of the winner is the track's own sound, which one
seed has apart from it ("rest"). They are told apart only where a forward has one thread.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar
from uuid import UUID, uuid4

import torch

from schemas.generation import GenerationRequest, SongRequest
from serving.blobs import Blobs
from serving.engine.bases.load import load_base
from serving.engine.engine import Engine
from serving.engine.hardware.kept import known
from serving.engine.heap import keep_freed_memory
from serving.engine.params import Limits, StepReport
from serving.songs import take_song
from serving.studio import Studio
from serving.tracks import Tracks
from tests.benchmarks.engine import BASE
from tests.benchmarks.report import Goal, Line, facts, line, markdown, ratios
from training.study.population import SONGS

P = ParamSpec("P")
R = TypeVar("R")
SEEDS, ROWS = (1, 2, 4, 8), 16
LISTENER = UUID(int=1)
GOAL = Goal(2.5, most=True)
ROW_STEPS, STEPPING, LOOKS, WHOLE, REST = "rows times steps", "rows", "looks", "whole hearings", "rest"
PARTS = (ROW_STEPS, STEPPING, LOOKS, WHOLE, REST)
HEARD = {"sketched": LOOKS, "hear": WHOLE}
FIGURES = ("processor seconds", "over one seed", "wall seconds", *PARTS)


@dataclass(frozen=True, eq=False)
class Made:
    """One track: seconds, seeds that competed, and its parts."""

    processor: float
    wall: float
    seeds: int
    parts: dict[str, float]


class Watch:
    """Adds up what the threads of a replica do."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = defaultdict(float)
        self._stepped = 0.0

    def step(self, report: StepReport) -> None:
        """On the engine's thread, after each forward."""
        now = time.thread_time()
        self.parts[STEPPING] += now - self._stepped
        self.parts[ROW_STEPS] += report.rows
        self._stepped = now


class WatchedStudio(Studio):
    """Tells what is heard in a contest apart from all else."""

    def __init__(self, engine: Engine, blobs: Blobs, watch: Watch) -> None:
        super().__init__(engine.base, engine, blobs, decoders=1)
        self._watch = watch

    async def decode(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """As `Studio.decode`."""
        part = HEARD.get(call.__name__)
        if part is None:
            return await super().decode(call, *args, **kwargs)

        def timed() -> R:
            began = time.thread_time()
            heard = call(*args, **kwargs)
            self._watch.parts[part] += time.thread_time() - began
            return heard

        return await super().decode(timed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--tracks", type=int, default=5)
    options = parser.parse_args()
    keep_freed_memory()
    choice = known(BASE, torch.device("cpu"), Path(tempfile.gettempdir(), "encore-hardware")).choice
    torch.set_num_threads(choice.engine_threads)
    dtype, pool = getattr(torch, choice.engine_dtype), getattr(torch, choice.pool_dtype)
    machine = facts("cpu", dtype, pool)
    watch = Watch()
    engine = Engine(load_base(str(BASE), "cpu", dtype), Limits(rows=ROWS), pool, observe=watch.step)
    engine.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            blobs = Blobs(Path(folder).as_uri())
            lines = asyncio.run(measured(WatchedStudio(engine, blobs, watch), watch, options.seconds, options.tracks))
    finally:
        engine.stop(drain_s=0)
    sys.stdout.write(markdown(lines, machine) + "\n")


async def measured(studio: Studio, watch: Watch, seconds: float, tracks: int) -> list[Line]:
    """Makes all tracks one after the other, and says what they took."""
    again: list[int] = []
    making = Tracks(studio, 600, max(SEEDS), again=lambda: again.append(1))
    found: dict[int, list[Made]] = {count: [] for count in SEEDS}
    for place, file in enumerate(sorted(SONGS.glob("*-1.ogg"))[:tracks]):
        song = await brought(studio, file.stem, await studio.read(file.read_bytes))
        # The song's noise is made beside it, and the first of each number of seeds only warms up.
        for count in SEEDS if place == 0 else SEEDS[:1]:
            await made(making, watch, wish(studio, song, place, count, seconds))
        shift = place % len(SEEDS)
        for count in SEEDS[shift:] + SEEDS[:shift]:
            found[count].append(await made(making, watch, wish(studio, song, place, count, seconds)))
    return [*told(found), Line("made again, all tracks", "", len(again))]


async def brought(studio: Studio, name: str, data: bytes) -> str:
    """Takes a song's file in; where its features are."""
    source = studio.blobs.url(f"incoming/{name}")
    await studio.read(studio.blobs.write, source, data)
    request = SongRequest(song_id=uuid4(), source=source, destination=studio.blobs.url(f"songs/{name}"))
    return (await take_song(studio, request)).features_url


def wish(studio: Studio, song: str, seed: int, count: int, seconds: float) -> GenerationRequest:
    """A track after one song, without a prompt."""
    track = uuid4()
    return GenerationRequest(
        track_id=track,
        listener_id=LISTENER,
        arm="champion",
        prompt="",
        seconds=seconds,
        seed=seed,
        seeds=count,
        songs=(song,),
        destination=studio.blobs.url(f"tracks/{track}"),
    )


async def made(making: Tracks, watch: Watch, request: GenerationRequest) -> Made:
    """Makes a track to its end, alone."""
    watch.parts.clear()
    began, processor = time.monotonic(), time.process_time()
    progress = [each async for each in making.make(request)]
    taken, wall = time.process_time() - processor, time.monotonic() - began
    track = progress[-1].track
    assert track is not None, "the last news of a track is that it is done"
    parts = dict(watch.parts)
    parts[REST] = taken - sum(parts.get(name, 0.0) for name in (STEPPING, LOOKS, WHOLE))
    return Made(taken, wall, len(track.selection) or 1, parts)


def told(found: dict[int, list[Made]]) -> list[Line]:
    """Lines of every figure, by number of seeds."""
    lines = []
    for count, all_made in found.items():
        least = min(each.seeds for each in all_made)
        name = str(count) if least == count else f"{count}, at times {least}"
        goal = GOAL if count == 4 else None
        processor = [each.processor for each in all_made]
        lines += [
            line("processor seconds", name, processor, "s"),
            line("over one seed", name, ratios(processor, [each.processor for each in found[1]]), "", goal),
            line("wall seconds", name, [each.wall for each in all_made], "s"),
            *(line(part, name, rounds, "" if part == ROW_STEPS else "s") for part, rounds in by_part(all_made)),
        ]
    return sorted(lines, key=lambda each: FIGURES.index(each.figure))


def by_part(all_made: Sequence[Made]) -> list[tuple[str, list[float]]]:
    """Each part of every track."""
    return [(part, [each.parts.get(part, 0.0) for each in all_made]) for part in PARTS]


if __name__ == "__main__":
    main()
