"""A tune and a random generator to a little score with chords, bass and drums.

Every fact that a caption may state is chosen here, so captions are true by construction.
Not for audio: `render` plays the score.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from training.base.grooves import drum_hits
from training.base.harmony import Chord, harmonise
from training.base.styles import CHORALE_SOUNDS, ENSEMBLES, RANGES, Ensemble, lead_word
from training.base.tunes import Tune

LEAD, CHORDS, BASS, DRUMS = 0, 1, 2, 9
NAMES = ("C", "C sharp", "D", "E flat", "E", "F", "F sharp", "G", "A flat", "A", "B flat", "B")


@dataclass(frozen=True)
class Note:
    """One sounding note; times in seconds."""

    start: float
    length: float
    channel: int
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Facts:
    """What is true of an arrangement and may be said in its caption."""

    style: str
    words: tuple[str, ...]
    instrument: str
    accompanied: bool
    drums: bool
    bpm: int
    pace: str
    key: str
    minor: bool
    kind: str
    loud: str


@dataclass(frozen=True)
class Arrangement:
    """Programs by channel, the whole tune as notes, and its facts."""

    facts: Facts
    programs: dict[int, int]
    kit: int
    notes: list[Note] = field(repr=False)
    # Seconds of a quarter and quarters of a bar, both from the first note on.
    beat: float
    bar: float
    tonic: int
    chords: list[Chord] = field(repr=False)

    @property
    def seconds(self) -> float:
        """When the last note ends."""
        return max(note.start + note.length for note in self.notes)


def arrange(tune: Tune, rng: Generator, ensemble: Ensemble | None = None) -> Arrangement:
    """A random arrangement of a tune, in `ensemble` if it is given."""
    if tune.collection == "bach" and (ensemble is None) and rng.random() < 0.7:
        return _chorale(tune, rng)
    weights = np.array([each.weight for each in ENSEMBLES])
    picked = ensemble or ENSEMBLES[rng.choice(len(ENSEMBLES), p=weights / weights.sum())]
    return _Arranger(tune, rng, picked).arrange()


class _Arranger:
    """Holds the choices of one arrangement while its voices are written."""

    def __init__(self, tune: Tune, rng: Generator, ensemble: Ensemble) -> None:
        self.rng, self.ensemble = rng, ensemble
        self.lead = int(rng.choice(ensemble.leads))
        self.shift = _transposition(tune, self.lead, rng)
        self.tune = tune
        melody = tune.parts[0]
        self.melody = [(onset, length, pitch + self.shift) for onset, length, pitch in melody]
        self.rate, self.pace = _pace(rng, ensemble.pace)
        self.beat = _seconds_per_quarter(self.melody, self.rate)
        self.tonic = (tune.tonic + self.shift) % 12
        self.bar = tune.bar if tune.bar >= 2 else 4.0
        self.loudness = int(rng.integers(72, 112))
        self.swing = ensemble.swing if self.bar in (2.0, 4.0) else 0.0
        self.notes: list[Note] = []

    def arrange(self) -> Arrangement:
        chords = harmonise(self.melody, self.bar, self.tonic, self.tune.minor)
        # A lead without any accompaniment teaches what the instrument is.
        alone = self.rng.random() < 0.12
        groove = "" if alone else self._choice(self.ensemble.grooves)
        programs = {LEAD: self.lead}
        kit = int(self.rng.choice(self.ensemble.kits)) if self.ensemble.kits else 0
        self._melody()
        if not alone:
            programs[CHORDS] = int(self.rng.choice(self.ensemble.chords))
            self._chords(chords, self._choice(self.ensemble.patterns))
            if self.ensemble.basses:
                programs[BASS] = int(self.rng.choice(self.ensemble.basses))
                self._bass(chords)
        if groove:
            self._drums(groove)
        facts = self._facts(bool(groove), not alone)
        heard = [] if alone else chords
        return Arrangement(facts, programs, kit, self.notes, self.beat, self.bar, self.tonic, heard)

    def _choice(self, options: tuple[str, ...]) -> str:
        return str(self.rng.choice(options)) if options else ""

    def _time(self, quarter: float) -> float:
        """Seconds of a place in quarters, the second half of a beat delayed by swing."""
        within = quarter % 1.0
        late = self.swing * 0.5 * (1 - abs(within - 0.5) * 2) if self.swing else 0.0
        return (quarter + late) * self.beat

    def _add(self, onset: float, length: float, channel: int, pitch: int, velocity: float) -> None:
        jitter = float(self.rng.normal(0, 0.004))
        loud = int(np.clip(velocity + self.rng.normal(0, 4), 20, 125))
        start = max(0.0, self._time(onset) + jitter)
        self.notes.append(Note(start, max(0.05, length * self.beat), channel, pitch, loud))

    def _melody(self) -> None:
        for onset, length, pitch in self.melody:
            accent = 10 if onset % self.bar < 1e-6 else 0
            self._add(onset, length * 0.95, LEAD, pitch, self.loudness + accent)

    def _chords(self, chords: list[Chord], pattern: str) -> None:
        centre = int(self.rng.integers(52, 60))
        for chord in chords:
            voicing = chord.voicing(centre)
            for onset, length, picks in _pattern(pattern, chord.length, self.bar):
                for pick in picks:
                    pitch = voicing[pick % len(voicing)] + 12 * (pick // len(voicing))
                    pitch = chord.root_at(38) + (pick * 7) if pattern == "power" else pitch
                    pitch = self.tonic + 48 + 7 * (pick % 2) if pattern == "drone" else pitch
                    self._add(chord.onset + onset, length, CHORDS, pitch, self.loudness - 22)

    def _bass(self, chords: list[Chord]) -> None:
        walking, steady = self.ensemble.name == "jazz", self.ensemble.name in ("electronic", "rock")
        for chord in chords:
            root = chord.root_at(33)
            steps = 0.5 if steady else 1.0 if walking else min(2.0, chord.length)
            for index, onset in enumerate(np.arange(0, chord.length - 1e-6, steps)):
                fifth = index % 2 == 1 and not steady
                pitch = root + ((7 if not walking else int(self.rng.choice([3, 4, 7, 9]))) * fifth)
                self._add(chord.onset + float(onset), steps * 0.9, BASS, pitch, self.loudness - 6)

    def _drums(self, groove: str) -> None:
        bars = int(np.ceil(self.tune.quarters / self.bar))
        for bar in range(bars):
            for onset, pitch, velocity in drum_hits(groove, self.bar, bar, self.rng):
                place = bar * self.bar + onset
                self._add(place, 0.2, DRUMS, pitch, velocity + self.loudness - 92)

    def _facts(self, drums: bool, accompanied: bool) -> Facts:
        return Facts(
            style=self.ensemble.name,
            words=self.ensemble.words,
            instrument=lead_word(self.lead),
            accompanied=accompanied,
            drums=drums,
            bpm=round(60 / self.beat),
            pace=self.pace,
            key=f"{NAMES[self.tonic]} {'minor' if self.tune.minor else 'major'}",
            minor=self.tune.minor,
            kind=self.tune.kind,
            loud="loud" if self.loudness > 100 else "soft" if self.loudness < 82 else "",
        )


def _chorale(tune: Tune, rng: Generator) -> Arrangement:
    """All four voices on one sound."""
    program = int(rng.choice(list(CHORALE_SOUNDS)))
    rate, pace = _pace(rng, (0.9, 2.2))
    beat = _seconds_per_quarter(tune.parts[0], rate)
    shift, loudness = int(rng.integers(-4, 4)), int(rng.integers(75, 108))
    notes = [
        Note(onset * beat, length * beat, voice, pitch + shift, loudness - 4 * (voice > 0))
        for voice, part in enumerate(tune.parts)
        for onset, length, pitch in part
    ]
    word = CHORALE_SOUNDS[program]
    tonic = (tune.tonic + shift) % 12
    facts = Facts(
        style="chorale",
        words=("chorale", "church music", "four part chorale"),
        instrument=word,
        accompanied=True,
        drums=False,
        bpm=round(60 / beat),
        pace=pace,
        key=f"{NAMES[tonic]} {'minor' if tune.minor else 'major'}",
        minor=tune.minor,
        kind="chorale",
        loud="",
    )
    programs = dict.fromkeys(range(4), program)
    return Arrangement(facts, programs, 0, notes, beat, tune.bar if tune.bar >= 2 else 4.0, tonic, [])


def _pace(rng: Generator, span: tuple[float, float]) -> tuple[float, str]:
    """Melody notes a second, and the word for it."""
    rate = float(rng.uniform(*span))
    return rate, "slow" if rate < 2.0 else "fast" if rate > 4.0 else "medium tempo"


def _seconds_per_quarter(melody: list[tuple[float, float, int]], rate: float) -> float:
    quarters = max(onset + length for onset, length, _ in melody) - melody[0][0]
    return float(np.clip(len(melody) / quarters / rate, 60 / 190, 60 / 40))


def _transposition(tune: Tune, lead: int, rng: Generator) -> int:
    """A random key in which the melody lies as well as possible in the lead's range."""
    low, high = RANGES.get(lead, (55, 84))
    pitches = [pitch for _, _, pitch in tune.parts[0]]
    shift = int(rng.integers(-5, 6))
    middle = (min(pitches) + max(pitches)) / 2 + shift
    wanted = (low + high) / 2 + float(rng.uniform(-4, 4))
    return shift + 12 * round((wanted - middle) / 12)


def _pattern(name: str, length: float, bar: float) -> list[tuple[float, float, tuple[int, ...]]]:
    """Onsets and lengths in quarters, and which chord tones sound."""
    triple = bar in (3.0, 1.5, 4.5)
    if name in ("pad", "block", "drone"):
        return [(0.0, length, (0, 1, 2))]
    if name == "power":
        return [(float(at), 0.45, (0, 1)) for at in np.arange(0, length - 1e-6, 0.5)]
    if name == "arpeggio":
        return _broken((0, 1, 2, 3, 2, 1), length)
    if name == "alberti":
        return _broken((0, 2, 1, 2), length)
    if name == "pulse":
        return [(float(at), 0.22, (0, 1, 2)) for at in np.arange(0, length - 1e-6, 0.5)]
    if name == "offbeat":
        start = 1.0 if triple else 0.5
        return [(float(at), 0.4, (0, 1, 2)) for at in np.arange(start, length - 1e-6, 1.0)]
    if name == "comp":
        return [(0.0, 0.7, (0, 1, 2)), (min(1.5, length / 2), 0.4, (0, 1, 2))]
    return [(float(at), 0.9, (0, 1, 2, 3)) for at in np.arange(0, length - 1e-6, 1.0)]


def _broken(order: tuple[int, ...], length: float) -> list[tuple[float, float, tuple[int, ...]]]:
    """One chord tone at a time, in eighths."""
    times = np.arange(0, length - 1e-6, 0.5)
    return [(float(at), 0.5, (order[i % len(order)],)) for i, at in enumerate(times)]
