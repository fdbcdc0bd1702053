"""Tunes of the music21 corpus as plain notes: melodies and four-part chorales.

Not for expression: ornaments, repeats and words are dropped, what remains is what the
arranger needs.
"""

import json
import re
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from multiprocessing import Pool
from pathlib import Path
from typing import Any

# Collections whose tunes are in the public domain.
COLLECTIONS = {
    "ryansMammoth": "Ryan's Mammoth Collection (1883)",
    "oneills1850": "O'Neill's Music of Ireland (1903)",
    "airdsAirs": "Aird's Airs (1782-1803)",
    "bach": "J. S. Bach, chorales",
}
HELD_OUT_SHARE = 12
MIN_NOTES = 24
MIN_QUARTERS = 12.0
DANCES = ("reel", "jig", "hornpipe", "strathspey", "waltz", "polka", "march", "clog", "air")


@dataclass(frozen=True)
class Tune:
    """One tune: `parts` hold (onset, length, MIDI pitch) in quarters, the melody first."""

    title: str
    collection: str
    kind: str
    tonic: int
    minor: bool
    bar: float
    parts: list[list[tuple[float, float, int]]]

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
    """Parses the four collections of the installed corpus, in name order."""
    from music21 import corpus

    files = [
        str(path)
        for folder in COLLECTIONS
        for path in sorted(map(str, corpus.getComposer(folder)))
        if not path.endswith(".krn")
    ]
    with Pool(2) as pool:
        found = pool.map(_read_file, files, chunksize=4)
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
            tune = _tune(score, collection, Path(path).stem)
        except (exceptions21.Music21Exception, ValueError, ZeroDivisionError, AttributeError):
            continue
        if tune is not None:
            tunes.append(tune)
    return tunes


def _tune(score: Any, collection: str, stem: str) -> Tune | None:
    voices = [list(_notes(part)) for part in score.parts]
    if collection == "bach" and len(voices) != 4:
        return None
    voices = voices if collection == "bach" else voices[:1]
    if not voices or len(voices[0]) < MIN_NOTES:
        return None
    title = (score.metadata and score.metadata.title) or stem
    first = score.parts[0].flatten()
    key = next(iter(first.getElementsByClass("KeySignature")), None)
    signature = next(iter(first.getElementsByClass("TimeSignature")), None)
    tonic, minor = _key(score, key)
    tune = Tune(
        title=re.sub(r"\s+", " ", str(title)).strip(),
        collection=collection,
        kind=_kind(str(title) + " " + stem, collection),
        tonic=tonic,
        minor=minor,
        bar=float(signature.barDuration.quarterLength) if signature else 4.0,
        parts=voices,
    )
    return tune if tune.quarters >= MIN_QUARTERS else None


def _notes(part: Any) -> Iterable[tuple[float, float, int]]:
    for note in part.flatten().notes:
        if note.duration.quarterLength > 0:
            pitch = note.pitches[-1].midi
            yield float(note.offset), float(note.duration.quarterLength), int(pitch)


def _key(score: Any, signature: Any) -> tuple[int, bool]:
    """Tonic and mode: the signature, with the mode decided by the notes themselves."""
    found = score.analyze("key")
    if signature is not None:
        major = (signature.sharps * 7) % 12
        minor = (major + 9) % 12
        if found.tonic.pitchClass not in (major, minor):
            last = int(score.parts[0].flatten().notes[-1].pitches[-1].midi) % 12
            return (minor, True) if last == minor else (major, False)
    return int(found.tonic.pitchClass), found.mode == "minor"


def _kind(text: str, collection: str) -> str:
    words = text.lower()
    found = [name for name in DANCES if name in words]
    return found[0] if found else ("chorale" if collection == "bach" else "tune")
