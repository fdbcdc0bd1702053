"""Fits what a half-made track's spectrogram says of how it will sound (decision 0722), and puts it beside the base.

    python -m training.base.sketch [--base FOLDER] [--songs FOLDER] [--tracks 4]

Tracks are made by the base itself after each song alone, looked at halfway as the engine does, and heard when they are
done. The strength of the ridge is the one that serves songs best that it has not seen.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from serving.engine.adapters.pool import BASE_SLOT, Pool, attach
from serving.engine.bases.shipped.checkpoint import ShippedBase, load_shipped
from serving.engine.bases.shipped.sketch import Fitted, numbers_of, write_sketch
from serving.engine.batch import Row, admit, advance
from serving.engine.hearing.sound import sound_of
from serving.engine.music.noise import personal
from serving.engine.music.plan import drawn
from serving.engine.params import Job
from serving.engine.schedule import sampling
from serving.engine.windows import Canvas
from training.base.judges.sets import levelled
from training.base.ship import DEFAULT_FOLDER
from training.base.uploads import Upload, upload

SONGS: Final = Path(__file__).parents[1] / "study" / "songs"
STRENGTHS: Final = (0.01, 0.03, 0.1, 0.3, 1.0)  # against numbers and sounds of deviation 1
FOLDS: Final = 5
AT_ONCE: Final = 4


@dataclass(frozen=True, eq=False)
class Seen:
    """Tracks of one song: what was read halfway [tracks, numbers], and style and sound in the end [tracks, heard]."""

    numbers: Tensor
    heard: Tensor


@torch.inference_mode()
def seen(base: ShippedBase, pool: Pool, song: Upload, seeds: Sequence[int]) -> Seen:
    """Makes a track a seed, a few at a time."""
    numbers, heard = [], []
    for first in range(0, len(seeds), AT_ONCE):
        rows = [_row(base, song, seed) for seed in seeds[first : first + AT_ONCE]]
        for _ in range(rows[0].job.path.steps):
            advance(base, pool, rows)
        guesses = [row.guess for row in rows if row.guess is not None]
        numbers.append(numbers_of(base.codec, torch.cat(guesses)))
        heard += [_heard(base, row.latents) for row in rows]
    return Seen(torch.cat(numbers), torch.stack(heard))


def fitted(songs: Sequence[Seen], strength: float) -> Fitted:
    """The ridge of so much strength over the tracks of all songs."""
    numbers, heard = (torch.cat([getattr(song, name) for song in songs]) for name in ("numbers", "heard"))
    centre, scale = numbers.mean(0), numbers.std(0).clamp_min(1e-6)
    usual, spread = heard.mean(0), heard.std(0).clamp_min(1e-6)
    told, wanted = ((numbers - centre) / scale).double(), ((heard - usual) / spread).double()
    gram = told.T @ told / len(told) + strength * torch.eye(told.shape[1], dtype=torch.float64)
    weights = torch.linalg.solve(gram, told.T @ wanted / len(told)).float() * spread
    return Fitted(centre, scale, weights, usual)


def strongest(songs: Sequence[Seen]) -> float:
    """Of `STRENGTHS` the one whose error on songs that were left out is least."""
    return min(STRENGTHS, key=lambda strength: sum(_missed(songs, strength, fold) for fold in range(FOLDS)))


def _missed(songs: Sequence[Seen], strength: float, fold: int) -> float:
    """Squared error on every fifth song, in the deviations of what was heard."""
    out = songs[fold::FOLDS]
    model = fitted([song for song in songs if song not in out], strength)
    spread = torch.cat([song.heard for song in songs]).std(0).clamp_min(1e-6)
    return sum(float(((model(song.numbers) - song.heard) / spread).square().sum()) for song in out)


def _row(base: ShippedBase, song: Upload, seed: int) -> Row:
    frames, channels = song.latents.shape
    defaults = base.manifest.sampling
    plan = base.conditions.plan("", frames, drawn([song.feel], seed))
    job = Job(
        listener="",
        start=personal([song.noise], seed, frames, channels),
        path=sampling(defaults.steps, defaults.shift),
        prompt=torch.zeros(base.conditions.prompt_shape),
        style=song.style,
        guidance=defaults.guidance,
        plan=plan,
        null_plan=plan,
        look=defaults.steps // 2,
    )
    return admit(base, job, BASE_SLOT, Canvas(job.parts, channels, None))


def _heard(base: ShippedBase, latents: Tensor) -> Tensor:
    """Style and sound of latents [1, frames, channels] -> [STYLE_SIZE + SOUND_SIZE]."""
    waveform = levelled(base.codec.decode(latents))[0]
    rate = base.codec.sample_rate
    return torch.cat([base.style.embed(waveform[None], rate)[0], sound_of(waveform, rate)])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--songs", type=Path, default=SONGS)
    parser.add_argument("--tracks", type=int, default=4, help="after each song")
    options = parser.parse_args()
    paths = sorted(options.songs.glob("*.ogg"))
    if len(paths) < FOLDS:
        parser.error(f"--songs: expected {FOLDS} files *.ogg or more, {options.songs} has {len(paths)}")
    exact, base = load_shipped(options.base), load_shipped(options.base, dtype=torch.bfloat16)
    pool = attach(base.transformer, 2, 1, torch.bfloat16)
    found = []
    for place, path in enumerate(paths):
        first = options.tracks * place
        found.append(seen(base, pool, upload(exact, path), range(first, first + options.tracks)))
        print(f"{path.stem}: {options.tracks} tracks", flush=True)
    strength = strongest(found)
    write_sketch(options.base, base.manifest.base_hash, fitted(found, strength))
    print(f"strength {strength:g}")


if __name__ == "__main__":
    main()
