"""Those who play an arrangement: each writes the notes of one part, with its timing and loudness.

Not for choices that captions state: see `arrange`.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from training.base.accompaniment import bass_line, guide_tone, pattern, spread, third_below
from training.base.form import FULL, SPARSE, Form
from training.base.grooves import CRASH, KICK, drum_hits, fill_hits
from training.base.harmony import Chord, Melody
from training.base.score import BASS, CHORDS, COUNTER, DRUMS, LEAD, Note, Tempo

# How much softer than the melody the others play, in MIDI velocity.
BEHIND = {LEAD: 0.0, CHORDS: 42.0, BASS: 32.0, COUNTER: 26.0, DRUMS: 14.0}
# Standard deviation of onsets around their place, in seconds, and of velocities.
TIMING = {LEAD: 0.010, CHORDS: 0.006, BASS: 0.006, COUNTER: 0.010, DRUMS: 0.004}
TOUCH = 3.5
# Phrases of chords move with the melody's, but less.
FOLLOWING = 0.6
# Semitones by which chords lie under the melody's middle, and where they lie at most and at least.
UNDER, CHORDS_WITHIN = 15, (48, 60)
STRUM_SECONDS = 0.022
BREATH, LEGATO = 0.72, 0.96


@dataclass
class Players:
    """What all parts agree on, and the notes they have written."""

    rng: Generator
    tempo: Tempo
    form: Form
    bar: float
    pulse: float
    swing: float
    loudness: int
    tonic: int
    minor: bool
    notes: list[Note] = field(default_factory=list)

    def melody(self, melody: Melody, legato: float, channel: int = LEAD) -> None:
        """The lead: louder on strong beats and towards the top, with a breath after each phrase."""
        pitches = [pitch for _, _, pitch in melody]
        middle = (min(pitches) + max(pitches)) / 2
        for (onset, length, pitch), following in zip(melody, [*melody[1:], None], strict=True):
            strong = 7 if self._on(onset, self.bar) else 3 if self._on(onset, self.pulse) else -2
            high = 0.5 * float(np.clip(pitch - middle, -8, 8))
            breath = self._breathes(onset, length, following)
            held = length * (BREATH if breath else legato)
            self._add(onset, held if following else length, channel, pitch, strong + high)

    def second_voice(self, melody: Melody, chords: list[Chord], kind: str) -> None:
        """Full sections have a second voice: thirds and sixths under the melody, or a line of long notes."""
        if kind == "thirds":
            below = [(at, length, third_below(pitch, self.tonic, self.minor)) for at, length, pitch in melody]
            for onset, length, pitch in below:
                if self._texture(onset) == FULL and length >= 0.5:
                    self._add(onset, length * LEGATO, COUNTER, pitch, 0)
            return
        near = round(float(np.mean([pitch for _, _, pitch in melody]))) - 10
        for chord in chords:
            near = guide_tone(chord, near)
            if self._texture(chord.onset) == FULL:
                self._add(chord.onset, chord.length * LEGATO, COUNTER, near, -4)

    def chords(self, chords: list[Chord], names: dict[str, str], lead_middle: float, strummed: bool) -> None:
        """Chords in the pattern of each texture, the last one held."""
        centre = int(np.clip(lead_middle - UNDER, *CHORDS_WITHIN))
        variants = {texture: int(self.rng.integers(12)) for texture in names}
        for index, chord in enumerate(chords):
            texture = self._texture(chord.onset)
            last = index == len(chords) - 1
            name = names[texture]
            strokes = pattern("pad" if last and name != "drone" else name, chord, self.pulse, variants[texture])
            for stroke in strokes:
                delays = spread(len(stroke.tones), STRUM_SECONDS if strummed else 0.0)
                for tone, delay in zip(stroke.tones, delays, strict=True):
                    pitch = self._tone(chord, name, tone, centre)
                    self._add(chord.onset + stroke.onset, stroke.length, CHORDS, pitch, stroke.accent, delay)

    def _tone(self, chord: Chord, name: str, tone: int, centre: int) -> int:
        if name == "power":
            return chord.root_at(38) + 7 * (tone % 2)
        if name == "drone":
            return self.tonic + 48 + 7 * (tone % 2)
        voicing = chord.voicing(centre)
        return voicing[tone % len(voicing)] + 12 * (tone // len(voicing))

    def bass(self, chords: list[Chord], styles: dict[str, str]) -> None:
        """A bass in the style of each texture, the last note held."""
        for chord, following in zip(chords, [*chords[1:], None], strict=True):
            style = styles[self._texture(chord.onset)] if following else "root"
            for onset, length, pitch in bass_line(style, chord, following, self.pulse, self.rng):
                self._add(chord.onset + onset, length, BASS, pitch, 3 if onset == 0 else 0)

    def drums(self, grooves: dict[str, str]) -> None:
        """A groove for each texture, a fill before another section, a stroke at the very end."""
        for bar in range(self.form.bars - 1):
            texture = self._texture(bar * self.bar)
            light = texture == SPARSE or bar < self.form.intro
            hits = drum_hits(grooves[texture], self.bar, self.pulse, self.rng, light)
            if self.form.ends_section(bar) or bar == self.form.intro - 1:
                fill = fill_hits(grooves[texture], self.bar, self.pulse, self.rng)
                begin = min((at for at, _, _ in fill), default=self.bar)
                hits = [hit for hit in hits if hit[0] < begin] + fill
            if self.form.ends_section(bar - 1) and texture == FULL:
                hits.append((0.0, CRASH, 92))
            for onset, drum, velocity in hits:
                self._add(bar * self.bar + onset, 0.2, DRUMS, drum, velocity - 98)
        end = (self.form.bars - 1) * self.bar
        for drum in (KICK, CRASH) if grooves[FULL] not in ("timpani", "bodhran", "brushes") else (KICK,):
            self._add(end, 0.5, DRUMS, drum, -6)

    def _add(self, onset: float, length: float, channel: int, pitch: int, accent: float, delay: float = 0.0) -> None:
        level = self.form.level(onset / self.bar) * (1.0 if channel in (LEAD, COUNTER) else FOLLOWING)
        wanted = self.loudness + level + accent - BEHIND[channel] + float(self.rng.normal(0, TOUCH))
        begin = self.tempo.seconds(self._swung(onset))
        end = self.tempo.seconds(self._swung(onset + length))
        late = delay + float(np.clip(self.rng.normal(0, TIMING[channel]), -0.025, 0.025))
        start = max(0.0, begin + late)
        self.notes.append(Note(start, max(0.05, end - begin), channel, pitch, int(np.clip(wanted, 22, 125))))

    def _swung(self, quarter: float) -> float:
        """A place in quarters, the second half of a beat delayed by swing."""
        return quarter + self.swing * 0.5 * (1 - abs(quarter % 1.0 - 0.5) * 2) if self.swing else quarter

    def _texture(self, onset: float) -> str:
        return self.form.section(int(onset / self.bar + 1e-6)).texture

    def _breathes(self, onset: float, length: float, following: tuple[float, float, int] | None) -> bool:
        """Whether a note is the last of a phrase: long, in its last bar, or before a rest."""
        if following is None:
            return False
        last_bar = self.form.ends_phrase(int((onset + length - 1e-6) / self.bar))
        return last_bar and length >= self.pulse and following[0] >= onset + length - 1e-6

    @staticmethod
    def _on(onset: float, grid: float) -> bool:
        return abs(onset / grid - round(onset / grid)) < 1e-4
