"""Tunes of the music21 corpus as plain notes: melodies, first violins of quartets, four-part chorales.

Not for expression: ornaments, repeats and words are dropped, what remains is what the
arranger needs.
"""

import json
import os
import re
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np

from training.base.judges.notes import key

# Collections whose tunes are in the public domain and whose encodings the corpus may pass on without further terms.
# Not taken: the Essen folk songs (no commercial use), Palestrina (rights reserved), Monteverdi and the trecento (after
# editions in copyright).
COLLECTIONS = {
    "ryansMammoth": "Ryan's Mammoth Collection (1883)",
    "oneills1850": "O'Neill's Music of Ireland (1903)",
    "airdsAirs": "Aird's Airs (1782-1803)",
    "bach": "J. S. Bach, chorales",
    "miscFolk": "Northumbrian Minstrelsy (1882) and American fife tunes",
    "haydn": "J. Haydn, string quartets",
    "mozart": "W. A. Mozart, string quartets",
    "beethoven": "L. van Beethoven, string quartets",
}
MOVEMENTS = ("haydn", "mozart", "beethoven")
# Bars of a movement that make one tune, and how much of them the first part must sound.
PASSAGE_BARS = 32
SOUNDING_SHARE = 0.75
HELD_OUT_SHARE = 12
MIN_NOTES = 24
MIN_QUARTERS = 12.0
# Shorter ones are mostly a first signature that does not hold for the tune.
MIN_BAR = 2.0
DANCES = ("reel", "jig", "hornpipe", "strathspey", "waltz", "polka", "march", "clog", "air")
Part = list[tuple[float, float, int]]


@dataclass(frozen=True)
class Tune:
    """One tune: `parts` hold (onset, length, MIDI pitch) in quarters, the melody first.

    Bars begin at multiples of `bar`, so that an upbeat lies in the first of them; `pulse` is the quarters of a beat.
    """

    title: str
    collection: str
    kind: str
    tonic: int
    minor: bool
    bar: float
    parts: list[Part]
    pulse: float = 1.0

    @property
    def held_out(self) -> bool:
        """Whether the tune is kept from training, for demo songs and judging."""
        return zlib.crc32(self.title.lower().encode()) % HELD_OUT_SHARE == 0

    @property
    def quarters(self) -> float:
        """Length of the melody in quarters."""
        return max(onset + length for onset, length, _ in self.parts[0])


def load_tunes(cache: Path) -> list[Tune]:
    """All usable tunes, read once from the corpus and then from `cache`."""
    if not cache.exists():
        tunes = read_corpus()
        cache.parent.mkdir(parents=True, exist_ok=True)
        partial = cache.with_suffix(".partial")
        partial.write_text(json.dumps([asdict(tune) for tune in tunes]))
        partial.replace(cache)
    return [Tune(**raw) for raw in json.loads(cache.read_text())]


def read_corpus() -> list[Tune]:
    """Parses the collections of the installed corpus, in name order, on every core."""
    from music21 import corpus

    files = [
        str(path)
        for folder in COLLECTIONS
        for path in sorted(map(str, corpus.getComposer(folder)))
        if not path.endswith(".krn")
    ]
    with Pool(os.cpu_count()) as pool:
        found = pool.map(_read_file, files, chunksize=1)
    return [tune for tunes in found for tune in tunes]


def _read_file(path: str) -> list[Tune]:
    from music21 import converter, exceptions21

    collection = next(name for name in COLLECTIONS if f"/{name}/" in path.replace("\\", "/"))
    try:
        parsed = converter.parse(path)
    except exceptions21.Music21Exception:
        return []
    tunes = []
    for score in getattr(parsed, "scores", None) or [parsed]:
        # The corpus holds tunes that music21 itself cannot read to the end.
        try:
            tunes += _tunes(score, collection, Path(path))
        except (exceptions21.Music21Exception, ValueError, ZeroDivisionError, AttributeError):
            continue
    return tunes


def _tunes(score: Any, collection: str, path: Path) -> list[Tune]:
    """The tune of a score, or those of a movement."""
    voices = [sorted(_notes(part)) for part in score.parts]
    if not voices or not voices[0] or (collection == "bach" and len(voices) != 4):
        return []
    tune = _tune(score, collection, path, voices if collection == "bach" else voices[:1])
    if collection in MOVEMENTS:
        return [passage for passage in _passages(tune) if _long_enough(passage)]
    return [tune] if _long_enough(tune) else []


def _tune(score: Any, collection: str, path: Path, voices: list[Part]) -> Tune:
    work = f"{collection} {path.parent.name} {path.stem}"
    title = work if collection in MOVEMENTS else (score.metadata and score.metadata.title) or path.stem
    first = score.parts[0].flatten()
    signature = next(iter(first.getElementsByClass("TimeSignature")), None)
    tonic, minor = _key(voices[0], next(iter(first.getElementsByClass("KeySignature")), None))
    bar = float(signature.barDuration.quarterLength) if signature else 4.0
    measure = next(iter(score.parts[0].getElementsByClass("Measure")), None)
    upbeat = float(measure.paddingLeft) if measure is not None else 0.0
    return Tune(
        title=re.sub(r"\s+", " ", str(title)).strip(),
        collection=collection,
        kind="tune" if collection in MOVEMENTS else _kind(f"{title} {path.stem}", collection),
        tonic=tonic,
        minor=minor,
        bar=bar,
        parts=[[(onset + upbeat, length, pitch) for onset, length, pitch in part] for part in voices],
        pulse=1.5 if signature and signature.denominator == 8 and signature.numerator % 3 == 0 else 1.0,
    )


def _passages(tune: Tune) -> Iterable[Tune]:
    """A movement as tunes of `PASSAGE_BARS` bars, each in the key that it is in."""
    span = tune.bar * PASSAGE_BARS
    for begin in range(int(tune.quarters // span) + 1):
        notes = [
            (onset - begin * span, length, pitch)
            for onset, length, pitch in tune.parts[0]
            if begin * span <= onset < (begin + 1) * span
        ]
        if sum(length for _, length, _ in notes) >= SOUNDING_SHARE * span:
            tonic, minor = _key(notes, None)
            yield replace(tune, parts=[notes], tonic=tonic, minor=minor)


def _long_enough(tune: Tune) -> bool:
    return len(tune.parts[0]) >= MIN_NOTES and tune.quarters >= MIN_QUARTERS and tune.bar >= MIN_BAR


def _notes(part: Any) -> Iterable[tuple[float, float, int]]:
    for note in part.flatten().notes:
        if note.duration.quarterLength > 0:
            pitch = note.pitches[-1].midi
            yield float(note.offset), float(note.duration.quarterLength), int(pitch)


def _key(melody: Part, signature: Any) -> tuple[int, bool]:
    """Tonic and mode: the signature, with the mode decided by the notes themselves."""
    tonic, found_minor = key(np.array([(onset, onset + length, pitch) for onset, length, pitch in melody]))
    if signature is not None:
        major = (signature.sharps * 7) % 12
        minor = (major + 9) % 12
        if tonic not in (major, minor):
            last = melody[-1][2] % 12
            return (minor, True) if last == minor else (major, False)
    return tonic, found_minor


def _kind(text: str, collection: str) -> str:
    words = text.lower()
    found = [name for name in DANCES if name in words]
    return found[0] if found else ("chorale" if collection == "bach" else "tune")
