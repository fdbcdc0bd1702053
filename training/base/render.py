"""Tunes and recordings to clips of one length and level, with their facts beside them.

    python -m training.base.render [--recordings FOLDER]

Writes `clips.npy` (16-bit, [clips, samples]) and `clips.jsonl` into the working folder.
Not for listening: clips are mono at the codec's rate.
"""

import argparse
import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.engine.bases.shipped.codec import REFERENCE_RMS
from training.base.arrange import Arrangement, arrange
from training.base.config import ClipConfig, Recipe
from training.base.recordings import Recording, found, passage
from training.base.score import DRUMS, Note
from training.base.tunes import Tune, load_tunes

SAMPLE_RATE = 22_050
SAMPLES_PER_FRAME = 1024
GAIN = 0.25
PEAK = 0.99
# Root mean square under which a piece of a recording is a pause.
QUIET = 0.005
Audio = NDArray[np.float32]

# Folder name to the words that describe its music, and the licence its package states.
GENRES = {
    "wesnoth": "orchestral fantasy", "warzone": "electronic ambient",
    "ufoai": "electronic science fiction", "nexuiz": "electronic rock", "asc-music": "electronic",
    "hyperrogue": "atmospheric", "planetblupi": "cheerful electronic", "singularity": "calm electronic",
}  # fmt: skip


class Player:
    """A synthesizer with the soundfont loaded; one per process."""

    def __init__(self, soundfont: str, sample_rate: int = SAMPLE_RATE) -> None:
        import fluidsynth

        self.sample_rate = sample_rate
        self._synth = fluidsynth.Synth(gain=GAIN, samplerate=float(sample_rate))
        self._synth.setting("synth.chorus.active", 0)
        self._font = self._synth.sfload(soundfont)

    def play(self, arrangement: Arrangement, start: float, seconds: float) -> Audio:
        """Stereo audio from `start` for `seconds` [samples, 2], not levelled."""
        self._synth.system_reset()
        for channel, program in arrangement.programs.items():
            self._synth.program_select(channel, self._font, 0, program)
        self._synth.program_select(DRUMS, self._font, 128, arrangement.kit)
        pieces, now = [], 0
        for at, note, on in _events(arrangement.notes, start, seconds):
            due = int(at * self.sample_rate)
            if due > now:
                pieces.append(self._synth.get_samples(due - now))
                now = due
            if on:
                self._synth.noteon(note.channel, note.pitch, note.velocity)
            else:
                self._synth.noteoff(note.channel, note.pitch)
        pieces.append(self._synth.get_samples(max(0, int(seconds * self.sample_rate) - now)))
        audio = np.concatenate(pieces).reshape(-1, 2)[: int(seconds * self.sample_rate)]
        return audio.astype(np.float32) / np.float32(32768)


def _events(notes: list[Note], start: float, seconds: float) -> list[tuple[float, Note, bool]]:
    """Note-ons and note-offs within a window, in time order, offs before ons."""
    events = []
    for note in notes:
        begin = note.start - start
        if 0 <= begin < seconds and 0 < note.pitch < 128:
            events.append((begin, note, True))
            if begin + note.length < seconds:
                events.append((begin + note.length, note, False))
    return sorted(events, key=lambda event: (event[0], event[2]))


def level(audio: Audio) -> Audio:
    """Audio at the reference level, softer where its peaks would clip."""
    rms = float(np.sqrt(np.mean(audio**2))) + 1e-9
    gain = REFERENCE_RMS / rms
    peak = float(np.abs(audio).max()) * gain
    return (audio * (gain * min(1.0, PEAK / max(peak, 1e-9)))).astype(np.float32)


@lru_cache
def _player(soundfont: str) -> Player:
    return Player(soundfont)


@lru_cache
def _training_tunes(cache: Path) -> list[Tune]:
    return [tune for tune in load_tunes(cache) if not tune.held_out]


def compose(recipe: Recipe, index: int) -> tuple[str, Arrangement, list[float]]:
    """A tune's title, one arrangement of it, and the seconds at which its clips begin.

    All decided by the recipe's seed and the arrangement's number.
    """
    clips = recipe.clips
    rng = np.random.default_rng([recipe.seed, index])
    tunes = _training_tunes(recipe.work / "tunes.json")
    # A quarter from the chorales, which are few; the rest in proportion.
    pool = [tune for tune in tunes if (tune.collection == "bach") == (rng.random() < 0.12)]
    tune = pool[int(rng.integers(len(pool)))] if pool else tunes[0]
    arrangement = arrange(tune, rng)
    last = max(0.0, arrangement.seconds - clips.frames * SAMPLES_PER_FRAME / SAMPLE_RATE)
    parts = clips.clips_per_arrangement
    starts = [last * (part + float(rng.uniform(0, 0.9))) / parts for part in range(parts)]
    return tune.title, arrangement, starts


def _render(job: tuple[Recipe, int]) -> list[tuple[dict[str, Any], NDArray[np.int16]]]:
    """All clips of one arrangement."""
    recipe, index = job
    player = _player(recipe.clips.soundfont)
    title, arrangement, starts = compose(recipe, index)
    samples = recipe.clips.frames * SAMPLES_PER_FRAME
    about = {"group": index, "tune": title, "facts": asdict(arrangement.facts)}
    made = []
    for start in starts:
        audio = level(player.play(arrangement, start, samples / SAMPLE_RATE).mean(1))
        made.append((about, _to_int16(_fit(audio, samples))))
    return made


def _fit(audio: Audio, samples: int) -> Audio:
    return np.pad(audio, (0, max(0, samples - len(audio))))[:samples]


def _to_int16(audio: Audio) -> NDArray[np.int16]:
    return (audio * 32767).astype(np.int16)


def _passages(job: tuple[Recipe, int, Recording, int]) -> list[tuple[dict[str, Any], NDArray[np.int16]]]:
    """Runs of consecutive clips out of one recording, loud enough to be music."""
    recipe, number, recording, runs = job
    clips, rng = recipe.clips, np.random.default_rng([recipe.seed, 1 << 20, number])
    samples = clips.frames * SAMPLES_PER_FRAME
    seconds = clips.recording_run * samples / SAMPLE_RATE
    genre = next((word for key, word in GENRES.items() if key in str(recording.path)), "instrumental")
    made = []
    with recording.open() as file:
        room = file.frames / file.samplerate - seconds
        for run in range(runs if room > 0 else 0):
            audio = passage(file, float(rng.uniform(0, room)), seconds, SAMPLE_RATE)
            group = clips.arrangements + number * runs + run
            about = {"group": group, "recording": recording.path.name, "genre": genre}
            pieces = [_fit(part, samples) for part in _cut(audio, samples)]
            made += [(about, _to_int16(level(piece))) for piece in pieces if np.sqrt(np.mean(piece**2)) > QUIET]
    return made


def _recording_jobs(recipe: Recipe, folder: Path) -> Iterator[tuple[Recipe, int, Recording, int]]:
    """As many runs of every recording, and at least one."""
    recordings, clips = found(folder), recipe.clips
    runs = max(1, round(clips.recording_clips / clips.recording_run / max(1, len(recordings))))
    for number, recording in enumerate(recordings):
        yield recipe, number, recording, runs


def _cut(audio: Audio, samples: int) -> list[Audio]:
    return [audio[at : at + samples] for at in range(0, len(audio) - samples // 2, samples)]


def render(recipe: Recipe, recordings: Path | None) -> int:
    """Renders every clip that is not there yet; returns how many there are."""
    load_tunes(recipe.work / "tunes.json")
    clips = recipe.clips
    room = clips.arrangements * clips.clips_per_arrangement + 2 * clips.recording_clips
    partial, index_path = recipe.work / "clips.partial.npy", recipe.work / "clips.jsonl"
    done = _done(index_path) if partial.exists() else []
    if done:
        store = np.lib.format.open_memmap(partial, "r+")
    else:
        shape = (room, clips.frames * SAMPLES_PER_FRAME)
        store = np.lib.format.open_memmap(partial, "w+", np.int16, shape)
    count = len(done)
    first = max((json.loads(line)["group"] for line in done), default=-1) + 1
    with (
        get_context("spawn").Pool(clips.workers) as pool,
        index_path.open("w", buffering=1) as index,
    ):
        index.writelines(line + "\n" for line in done)
        jobs = ((recipe, number) for number in range(first, clips.arrangements))
        rendered = pool.imap(_render, jobs, 8)
        recorded = pool.imap(_passages, _recording_jobs(recipe, recordings)) if recordings else iter(())
        for about, audio in itertools.chain.from_iterable(itertools.chain(rendered, recorded)):
            if count < len(store):
                store[count] = audio
                index.write(json.dumps(about) + "\n")
                count += 1
    store.flush()
    partial.replace(recipe.work / "clips.npy")
    return count


def _done(index: Path) -> list[str]:
    """Lines of whole rendered arrangements that an interrupted run left behind."""
    lines = index.read_text().splitlines(keepends=True) if index.exists() else []
    whole = [line.strip() for line in lines if line.endswith("\n") and '"facts"' in line]
    groups = [json.loads(line)["group"] for line in whole]
    # The last arrangement may lack a clip; it is made again.
    return [line for line, group in zip(whole, groups, strict=True) if group < groups[-1]]


def read_clips(work: Path) -> tuple[NDArray[np.int16], list[dict[str, Any]]]:
    """The clips, mapped into memory, and what is known about each."""
    abouts = [json.loads(line) for line in (work / "clips.jsonl").read_text().splitlines()]
    # Copied where written to, which nobody does: torch warns of what cannot be written to.
    store: NDArray[np.int16] = np.load(work / "clips.npy", mmap_mode="c")
    return store[: len(abouts)], abouts


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=Path, help="folder of unpacked music packages")
    parser.add_argument("--arrangements", type=int, default=ClipConfig().arrangements)
    options = parser.parse_args()
    recipe = Recipe(clips=ClipConfig(arrangements=options.arrangements))
    print(render(recipe, options.recordings), "clips")


if __name__ == "__main__":
    main()
