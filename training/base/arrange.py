"""A tune and a random generator to a little score: the melody in front, chords, bass, a second voice and drums.

Every fact that a caption may state is chosen here, so captions are true by construction.
Not for audio: `render` plays the score.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from training.base.form import FULL, PLAIN, SPARSE, draw_form
from training.base.harmony import Chord, Melody, harmonise, with_sevenths
from training.base.players import Players
from training.base.score import BASS, CHORDS, COUNTER, LEAD, Note, Tempo
from training.base.styles import CHORALE_SOUNDS, ENSEMBLES, RANGES, STRUMMED, Ensemble, lead_word
from training.base.tunes import Tune

NAMES = ("C", "C sharp", "D", "E flat", "E", "F", "F sharp", "G", "A flat", "A", "B flat", "B")


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
    # Seconds of quarters, and quarters of a bar; bars are counted from the first second on.
    tempo: Tempo
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
    """Draws the choices of one arrangement, then lets the players write."""

    def __init__(self, tune: Tune, rng: Generator, ensemble: Ensemble) -> None:
        self.rng, self.ensemble, self.tune = rng, ensemble, tune
        self.lead = int(rng.choice(ensemble.leads))
        self.shift = _transposition(tune, self.lead, rng)
        self.tonic = (tune.tonic + self.shift) % 12
        self.bar = tune.bar if tune.bar >= 2 else 4.0
        # A lead without any accompaniment teaches what the instrument is.
        self.alone = rng.random() < 0.10
        self.drummed = "" if self.alone else self._choice(ensemble.grooves)
        bars = math.ceil((tune.quarters - 1e-6) / self.bar)
        self.form = draw_form(bars, 0 if self.alone else int(rng.choice([0, 0, 1, 2, 4])), rng)
        melody = [(onset, length, pitch + self.shift) for onset, length, pitch in tune.parts[0]]
        rate = float(rng.uniform(*ensemble.pace))
        self.beat = _seconds_per_quarter(melody, rate)
        self.pace = _pace_word(melody, self.beat)
        lead_in = self.form.intro * self.bar
        self.melody = _to_the_end([(at + lead_in, length, pitch) for at, length, pitch in melody], self.end)
        self.loudness = int(rng.integers(76, 112))

    @property
    def end(self) -> float:
        """Where the last bar ends, in quarters."""
        return self.form.bars * self.bar

    def arrange(self) -> Arrangement:
        chords = self._harmony()
        tempo = _slowing(self.beat, self.end, self.bar, self.rng)
        swing = float(self.rng.choice(self.ensemble.swings)) if self.tune.pulse == 1.0 else 0.0
        players = Players(
            self.rng, tempo, self.form, self.bar, self.tune.pulse, swing, self.loudness, self.tonic, self.tune.minor
        )
        players.melody(self.melody, float(self.rng.choice([0.82, 0.92, 0.98])))
        programs = {LEAD: self.lead} if self.alone else self._accompany(players, chords)
        kit = int(self.rng.choice(self.ensemble.kits)) if self.ensemble.kits else 0
        if self.drummed:
            players.drums(self._by_texture(self.ensemble.grooves, self.drummed))
        heard = [] if self.alone else chords
        notes = sorted(players.notes, key=lambda note: note.start)
        return Arrangement(self._facts(), programs, kit, notes, tempo, self.bar, self.tonic, heard)

    def _harmony(self) -> list[Chord]:
        chords = harmonise(self.melody, self.bar, self.tonic, self.tune.minor)
        return with_sevenths(chords, self.tonic, self.tune.minor) if self.ensemble.sevenths else chords

    def _accompany(self, players: Players, chords: list[Chord]) -> dict[int, int]:
        """Lets chords, bass and a second voice play; returns all programs by channel."""
        programs = {LEAD: self.lead, CHORDS: int(self.rng.choice(self.ensemble.chords))}
        middle = float(np.median([pitch for _, _, pitch in self.melody]))
        names = self._by_texture(self.ensemble.patterns, self._choice(self.ensemble.patterns))
        if "pad" in self.ensemble.patterns:
            names[SPARSE] = "pad"
        players.chords(chords, names, middle, programs[CHORDS] in STRUMMED)
        if self.ensemble.basses:
            programs[BASS] = int(self.rng.choice(self.ensemble.basses))
            styles = self._by_texture(self.ensemble.lines, self._choice(self.ensemble.lines))
            players.bass(chords, styles | {SPARSE: "root"})
        kind = self._choice(self.ensemble.seconds)
        if kind:
            programs[COUNTER] = self.lead if kind == "thirds" else programs[CHORDS]
            players.second_voice(self.melody, chords, kind)
        return programs

    def _by_texture(self, options: tuple[str, ...], plain: str) -> dict[str, str]:
        """The same for sparse and plain sections, maybe another for full ones."""
        others = tuple(option for option in options if option)
        return {SPARSE: plain, PLAIN: plain, FULL: self._choice(others)}

    def _choice(self, options: tuple[str, ...]) -> str:
        return str(self.rng.choice(options)) if options else ""

    def _facts(self) -> Facts:
        return Facts(
            style=self.ensemble.name,
            words=self.ensemble.words,
            instrument=lead_word(self.lead),
            accompanied=not self.alone,
            drums=bool(self.drummed),
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
    beat = _seconds_per_quarter(tune.parts[0], float(rng.uniform(0.9, 2.2)))
    shift, loudness = int(rng.integers(-4, 4)), int(rng.integers(75, 108))
    bar = tune.bar if tune.bar >= 2 else 4.0
    bars = math.ceil((tune.quarters - 1e-6) / bar)
    form = draw_form(bars, 0, rng)
    tempo = _slowing(beat, bars * bar, bar, rng)
    word = CHORALE_SOUNDS[program]
    notes = [
        Note(
            tempo.seconds(onset),
            tempo.seconds(onset + length) - tempo.seconds(onset),
            voice,
            pitch + shift,
            int(np.clip(loudness + form.level(onset / bar) - 12 * (voice > 0), 22, 125)),
        )
        for voice, part in enumerate(tune.parts)
        for onset, length, pitch in part
    ]
    tonic = (tune.tonic + shift) % 12
    facts = Facts(
        style="chorale",
        words=("chorale", "church music", "four part chorale"),
        instrument=word,
        accompanied=True,
        drums=False,
        bpm=round(60 / beat),
        pace=_pace_word(tune.parts[0], beat),
        key=f"{NAMES[tonic]} {'minor' if tune.minor else 'major'}",
        minor=tune.minor,
        kind="chorale",
        loud="",
    )
    programs = dict.fromkeys(range(4), program)
    return Arrangement(facts, programs, 0, notes, tempo, bar, tonic, [])


def _slowing(beat: float, end: float, bar: float, rng: Generator) -> Tempo:
    """A steady tempo; in two of three arrangements the last two bars slow down."""
    by = float(rng.uniform(0.15, 0.6)) if rng.random() < 0.65 else 0.0
    over = min(2 * bar, end)
    return Tempo(beat, end - over, over, by)


def _to_the_end(melody: Melody, end: float) -> Melody:
    """The melody with its last note held until the last bar ends."""
    onset, _, pitch = melody[-1]
    return [*melody[:-1], (onset, max(0.25, end - onset), pitch)]


def _seconds_per_quarter(melody: Melody, rate: float) -> float:
    """Seconds of a quarter at which the melody has so many notes a second, within what musicians play."""
    return float(np.clip(_notes_per_quarter(melody) / rate, 60 / 190, 60 / 40))


def _pace_word(melody: Melody, beat: float) -> str:
    """What a listener would call so many melody notes a second."""
    rate = _notes_per_quarter(melody) / beat
    return "slow" if rate < 2.0 else "fast" if rate > 4.0 else "medium tempo"


def _notes_per_quarter(melody: Melody) -> float:
    return len(melody) / (max(onset + length for onset, length, _ in melody) - melody[0][0])


def _transposition(tune: Tune, lead: int, rng: Generator) -> int:
    """A random key in which the melody lies as well as possible in the lead's range."""
    low, high = RANGES.get(lead, (55, 84))
    pitches = [pitch for _, _, pitch in tune.parts[0]]
    shift = int(rng.integers(-5, 6))
    middle = (min(pitches) + max(pitches)) / 2 + shift
    wanted = (low + high) / 2 + float(rng.uniform(-4, 4))
    return shift + 12 * round((wanted - middle) / 12)
