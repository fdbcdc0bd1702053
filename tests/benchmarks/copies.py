"""How surely a repeated song is found, and how often another one is taken for it.

    python -m tests.benchmarks.copies

The even ones of the study's songs, ten seconds of each through the codec, as they are and a semitone or five percent
away; and tracks that the base makes after each. Not untouched: see what docs/benchmarks.md says of the choice.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from librosa.effects import pitch_shift, time_stretch
from torch import Tensor
from torch.nn import functional

from serving.audio import read_song
from serving.engine.bases.shipped.checkpoint import ShippedBase, load_shipped
from serving.engine.hearing.melody import notes_of, repeated
from serving.originals import MOST
from training.base.judges.making import through_codec
from training.base.render import SAMPLE_RATE
from training.base.uploads import tracks, upload

SONGS = Path("training/study/songs")
BEGIN_S, LONG_S = 2, 10
SONG_S = 180  # of the songs by which the cost is told


class Pair(NamedTuple):
    """What one sound says of another: correlation of notes, cosine of styles."""

    kind: str
    notes: float
    style: float


def main() -> None:
    torch.set_num_threads(1)
    base = load_shipped(Path("serving/base"))
    files = sorted(SONGS.glob("*.ogg"))
    songs = {file.stem: torch.from_numpy(read_song(file.read_bytes()).waveform).float() for file in files}
    notes = {name: notes_of(song, SAMPLE_RATE) for name, song in songs.items()}
    styles = {name: base.style.embed(song[None], SAMPLE_RATE)[0] for name, song in songs.items()}
    pairs = []
    for file in files[1::2]:
        for kind, sound in _sounds(base, file, songs[file.stem]):
            own, style = notes_of(sound, SAMPLE_RATE), base.style.embed(sound[None], SAMPLE_RATE)[0]
            for name in songs:
                told = kind if name == file.stem else _other(kind, file.stem, name)
                cosine = float(functional.cosine_similarity(style, styles[name], dim=0))
                pairs.append(Pair(told, repeated(own, notes[name]), cosine))
        sys.stderr.write(f"{file.stem}\n")
    sys.stdout.write(_table(pairs) + _cost(next(iter(songs.values()))))


def _sounds(base: ShippedBase, file: Path, song: Tensor) -> Iterator[tuple[str, Tensor]]:
    excerpt = song[BEGIN_S * SAMPLE_RATE : (BEGIN_S + LONG_S) * SAMPLE_RATE].numpy()
    changed = {
        "the song": excerpt,
        "a semitone down": pitch_shift(excerpt, sr=SAMPLE_RATE, n_steps=-1),
        "a semitone up": pitch_shift(excerpt, sr=SAMPLE_RATE, n_steps=1),
        "5 % slower": time_stretch(excerpt, rate=0.95),
        "5 % faster": time_stretch(excerpt, rate=1.05),
    }
    for kind, audio in changed.items():
        whole = len(audio) // (2 * base.codec.samples_per_frame) * 2 * base.codec.samples_per_frame
        yield kind, through_codec(base, torch.from_numpy(audio[:whole]).float()[None])[0]
    with torch.inference_mode():
        for track in tracks(base, upload(base, file), None, 0):
            yield "a track made after it", track


def _other(kind: str, one: str, two: str) -> str:
    """What a pair of different songs is called."""
    if kind.startswith("a track"):
        return "a track and another song"
    return "another song of the style" if one[:-2] == two[:-2] else "another song"


def _table(pairs: list[Pair]) -> str:
    lines = ["| pair | pairs | taken for a copy | correlation: least, median, most | style: least, median, most |"]
    lines.append("|---|---|---|---|---|")
    for kind in dict.fromkeys(pair.kind for pair in pairs):
        of = [pair for pair in pairs if pair.kind == kind]
        found = sum(pair.notes >= MOST for pair in of)
        notes, style = (_spread([getattr(pair, name) for pair in of]) for name in ("notes", "style"))
        lines.append(f"| {kind} | {len(of)} | {found} ({found / len(of):.1%}) | {notes} | {style} |")
    return "\n".join(lines) + "\n"


def _spread(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in np.quantile(values, [0, 0.5, 1]))


def _cost(song: Tensor) -> str:
    """Processor time of one track of ten seconds beside three songs, and beside twenty."""
    whole = song.repeat(-(-SONG_S * SAMPLE_RATE // len(song)))[: SONG_S * SAMPLE_RATE]
    known, track = notes_of(whole, SAMPLE_RATE), song[: LONG_S * SAMPLE_RATE]
    lines = []
    for count in (3, 20):
        began = time.process_time()
        notes = notes_of(track, SAMPLE_RATE)
        for _ in range(count):
            repeated(notes, known)
        lines.append(f"{time.process_time() - began:.3f} s of processor time beside {count} songs of {SONG_S} s\n")
    return "".join(lines)


if __name__ == "__main__":
    main()
