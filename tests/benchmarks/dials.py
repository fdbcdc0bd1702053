"""What the dials give and what they cost: best of N, beam over windows and particle steering, as Markdown tables.

    python -m tests.benchmarks.dials [--wishes 8] [--seconds 6] [--long 16] [--songs FOLDER]

Every wish is of one song of the study and has no prompt. The first table chooses one of 4 or 8 seeds by closeness and
one dial at weight 1. The second makes long tracks with all dials at 1, four at a time whatever the way. Gains are over
the mean of single seeds, in usual deviations of each reward, and in the score's own units for closeness; in brackets
half of a 95 % interval over wishes.
"""

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from schemas.generation import Dials
from serving.dials import MEASURED
from serving.engine.adapters.pool import BASE_SLOT, Pool, attach
from serving.engine.adapters.scorer import closeness
from serving.engine.bases.shipped.checkpoint import ShippedBase, load_shipped
from serving.engine.batch import Row, admit, advance
from serving.engine.hearing.sound import sound_of
from serving.engine.music.noise import fresh, personal, slerp
from serving.engine.params import Job
from serving.engine.schedule import sampling
from serving.engine.windows import Canvas, windows_for
from tests.benchmarks.engine import BASE
from training.study.population import SONGS
from training.study.trial.brought import Brought, bring

SONG_FEATURES = Path(".encore/benchmarks/songs")
ROWS, KEPT = 4, 2  # of a forward, and of them in the beam
SHARPNESS = 2.0  # of the particles' weights: exp(SHARPNESS * score)
RENEWED = 0.5  # of a copied particle's noise
NONE, ALL = Dials(), Dials(harmony=1.0, coherence=1.0, production=1.0)
SETTINGS = {"closeness alone": NONE} | {f"and {name}": Dials(**{name: 1.0}) for name in MEASURED} | {"all three": ALL}
COLUMNS = (*MEASURED, "closeness")
Heard = Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Room:
    """What tracks are made with."""

    base: ShippedBase
    pool: Pool

    def job(self, song: Brought, seed: int, seconds: float) -> Job:
        base = self.base
        windows = windows_for(base.codec, seconds)
        frames, defaults = windows[-1].stop, base.manifest.sampling
        plan = base.conditions.plan("", frames, song.feel)
        return Job(
            listener="",
            start=personal([song.noise], seed, frames, base.codec.latent_channels),
            path=sampling(defaults.steps, defaults.shift),
            prompt=base.text.encode([""], seconds)[0].cpu(),
            style=song.style,
            guidance=defaults.guidance,
            windows=windows,
            plan=plan,
            null_plan=plan - base.conditions.plan("", frames),
            look=defaults.steps // 2,
        )

    def canvas(self, job: Job) -> Canvas:
        return Canvas(job.parts, self.base.codec.latent_channels, None)

    @torch.inference_mode()
    def window(self, takes: Sequence["Take"], halfway: Callable[[list[Row]], None] | None = None) -> None:
        """Makes the next window of each."""
        rows = [admit(self.base, take.job, BASE_SLOT, take.canvas) for take in takes]
        for step in range(takes[0].job.path.steps):
            advance(self.base, self.pool, rows)
            if halfway is not None and step + 1 == takes[0].job.look:
                halfway(rows)
        for take, row in zip(takes, rows, strict=True):
            take.canvas.fill(row.latents[0].cpu())

    @torch.inference_mode()
    def hear(self, latents: Tensor, song: Brought) -> Heard:
        """Each reward in usual deviations, and closeness [frames, channels]."""
        rate = self.base.codec.sample_rate
        sound = self.base.codec.decode(latents[None])[0].float().cpu()
        style = self.base.style.embed(sound[None], rate)[0].cpu()
        found = {name: measured.standard(sound, rate) or 0.0 for name, measured in MEASURED.items()}
        return found | {"closeness": closeness(style, song.style, sound_of(sound, rate), song.sound)}


@dataclass(frozen=True, eq=False)
class Take:
    """A track in the making."""

    job: Job
    canvas: Canvas

    def continued(self, other: Job) -> "Take":
        """The same so far; what comes is begun as another."""
        ready = self.canvas.ready
        start = torch.cat([self.job.start[:ready], other.start[ready:]])
        return Take(replace(self.job, start=start), deepcopy(self.canvas))


def score(heard: Heard, dials: Dials) -> float:
    added: float = sum(weight * heard[name] for name, weight in dials)
    return heard["closeness"] + added


def takes(room: Room, song: Brought, seeds: Sequence[int], seconds: float) -> list[Take]:
    jobs = [room.job(song, seed, seconds) for seed in seeds]
    return [Take(job, room.canvas(job)) for job in jobs]


def singles(room: Room, song: Brought, seeds: Sequence[int], seconds: float) -> list[Heard]:
    """One track a seed, made `ROWS` at a time."""
    found = []
    for start in range(0, len(seeds), ROWS):
        some = takes(room, song, seeds[start : start + ROWS], seconds)
        for _ in some[0].job.parts:
            room.window(some)
        found += [room.hear(take.canvas.latents, song) for take in some]
    return found


def beam(room: Room, song: Brought, seeds: Sequence[int], seconds: float) -> Heard:
    """The best `KEPT` after each window go on in as many ways as fill the rows."""
    some = takes(room, song, seeds[:ROWS], seconds)
    for number, _ in enumerate(some[0].job.parts):
        if number:
            others = [room.job(song, seed + 1000 * number, seconds) for seed in seeds[:ROWS]]
            some = [some[place % KEPT].continued(other) for place, other in enumerate(others)]
        room.window(some)
        heard = {take: room.hear(take.canvas.latents[: take.canvas.ready], song) for take in some}
        some.sort(key=lambda take: score(heard[take], ALL), reverse=True)
    return heard[some[0]]


def steered(room: Room, song: Brought, seeds: Sequence[int], seconds: float) -> Heard:
    """Feynman-Kac steering (Singhal et al. 2025, arXiv 2501.06848): halfway through each window the particles are drawn
    anew by what they would become; who is copied goes on with other noise."""
    generator = torch.Generator().manual_seed(seeds[0])
    some = takes(room, song, seeds[:ROWS], seconds)

    def draw(rows: list[Row]) -> None:
        guesses = [row.guess for row in rows]
        scores = torch.tensor([score(room.hear(guess[0].cpu(), song), ALL) for guess in guesses if guess is not None])
        weights = torch.softmax(SHARPNESS * scores, 0)
        drawn = torch.multinomial(weights, len(rows), replacement=True, generator=generator).tolist()
        latents, canvases = [row.latents for row in rows], [deepcopy(take.canvas) for take in some]
        for place, parent in enumerate(drawn):
            guess = guesses[parent]
            assert guess is not None, "every row has come as far"
            time = rows[place].job.path.times[rows[place].step]
            own = (latents[parent] - (1 - time) * guess) / time
            seed = int(torch.randint(2**40, (1,), generator=generator))
            noise = slerp(own, fresh(seed, *own.shape[1:])[None].to(own), RENEWED)
            copied = parent in drawn[:place]
            row = rows[place]
            row.keep, row.line, row.context = rows[parent].keep, rows[parent].line, rows[parent].context
            renewed = torch.where(row.keep, latents[parent], (1 - time) * guess + time * noise)
            row.latents = renewed if copied else latents[parent]
            some[place] = Take(some[place].job, deepcopy(canvases[parent]))

    for _ in some[0].job.parts:
        room.window(some, draw)
    return max((room.hear(take.canvas.latents, song) for take in some), key=lambda heard: score(heard, ALL))


def gains(chosen: Sequence[Heard], usual: Sequence[Sequence[Heard]]) -> list[str]:
    """Of each column, over the mean of a wish's single seeds."""
    found = []
    for column in COLUMNS:
        own = [
            one[column] - statistics.fmean(each[column] for each in many)
            for one, many in zip(chosen, usual, strict=True)
        ]
        half = 1.96 * statistics.stdev(own) / math.sqrt(len(own)) if len(own) > 1 else math.nan
        found.append(f"{statistics.fmean(own):+.2f} ({half:.2f})")
    return found


def table(title: str, rows: Mapping[str, Sequence[str]]) -> None:
    sys.stdout.write(f"\n| {title} | {' | '.join(COLUMNS)} |\n|{'---|' * (1 + len(COLUMNS))}\n")
    for name, cells in rows.items():
        sys.stdout.write(f"| {name} | {' | '.join(cells)} |\n")
    sys.stdout.flush()


def best(heard: Sequence[Heard], dials: Dials) -> Heard:
    return max(heard, key=lambda each: score(each, dials))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wishes", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=6.0, help="of a track of the first table")
    parser.add_argument("--long", type=float, default=16.0, help="of a track of the second; 0 leaves it out")
    parser.add_argument("--songs", type=Path, default=SONG_FEATURES, help="where features of songs are kept")
    options = parser.parse_args()
    torch.set_num_threads(1)
    base = load_shipped(BASE)
    room = Room(base, attach(base.transformer, 2, 8, torch.float32))
    files = sorted(SONGS.glob("*.ogg"))
    files = files[:: max(1, len(files) // options.wishes)][: options.wishes]
    songs = [bring(base, room.pool, file, options.songs)[0] for file in files]
    seeds = [range(100 * place, 100 * place + 8) for place in range(len(songs))]
    short = [singles(room, song, own, options.seconds) for song, own in zip(songs, seeds, strict=True)]
    usual(short)
    table(
        f"tracks of {options.seconds:g} s",
        {
            f"best of {count}, {name}": gains([best(heard[:count], dials) for heard in short], short)
            for count in (4, 8)
            for name, dials in SETTINGS.items()
        },
    )
    if options.long:
        compare(room, songs, seeds, options.long)


def usual(short: Sequence[Sequence[Heard]]) -> None:
    """Says what is usual, as `serving.dials` has it: means, and deviations about the mean of a wish."""
    for name, measured in MEASURED.items():
        means = [statistics.fmean(each[name] for each in heard) for heard in short]
        within = [each[name] - mean for heard, mean in zip(short, means, strict=True) for each in heard]
        mean = measured.mean + measured.deviation * statistics.fmean(means)
        deviation = measured.deviation * math.sqrt(sum(each**2 for each in within) / (len(within) - len(short)))
        sys.stdout.write(f"{name}: mean {mean:.3f}, deviation within a wish {deviation:.4f}\n")
    sys.stdout.flush()


def compare(room: Room, songs: Sequence[Brought], seeds: Sequence[Sequence[int]], seconds: float) -> None:
    """The second table."""
    ways: dict[str, list[Heard]] = {f"best of {ROWS}": [], f"beam, {KEPT} kept": [], f"{ROWS} particles": []}
    spent, single = dict.fromkeys(ways, 0.0), []
    for song, own in zip(songs, seeds, strict=True):
        for way, found in zip(ways, ("best", "beam", "steered"), strict=True):
            began = time.process_time()
            if found == "best":
                single.append(singles(room, song, own[:ROWS], seconds))
                ways[way].append(best(single[-1], ALL))
            else:
                ways[way].append((beam if found == "beam" else steered)(room, song, own, seconds))
            spent[way] += (time.process_time() - began) / len(songs)
    table(
        f"tracks of {seconds:g} s, all dials",
        {f"{way}, {spent[way]:.1f} CPU-s": gains(found, single) for way, found in ways.items()},
    )


if __name__ == "__main__":
    main()
