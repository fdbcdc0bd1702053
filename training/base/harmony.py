"""Chords for a melody: one diatonic chord a bar (two in long bars), by the notes it holds and by the cadences of
phrases; in some styles with sevenths.

Not for style: no modulation; a floor that is always consonant.
"""

from dataclasses import dataclass, replace

Melody = list[tuple[float, float, int]]

# Scale degree of the root, its triad in semitones above the tonic, and how common it is.
MAJOR = (
    (0, (0, 4, 7), 0.30), (7, (7, 11, 2), 0.22), (5, (5, 9, 0), 0.18),
    (9, (9, 0, 4), 0.10), (2, (2, 5, 9), 0.10), (4, (4, 7, 11), 0.02),
)  # fmt: skip
MINOR = (
    (0, (0, 3, 7), 0.30), (7, (7, 10, 2), 0.10), (7, (7, 11, 2), 0.10), (5, (5, 8, 0), 0.15),
    (8, (8, 0, 3), 0.12), (10, (10, 2, 5), 0.16), (3, (3, 7, 10), 0.12),
)  # fmt: skip
MAJOR_STEPS, MINOR_STEPS = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
PHRASE_BARS = 4
# What home weighs at the ends of a tune, and what it weighs more where an eight-bar period ends.
HOME, PERIOD = 0.4, 0.15
REPEATED = 0.08
# Bars that hold two chords.
HALVED = (4.0, 6.0, 8.0)


@dataclass(frozen=True)
class Chord:
    """A chord from `onset` for `length` quarters; root and tones (root, third, fifth, maybe seventh) as pitch
    classes."""

    onset: float
    length: float
    root: int
    tones: tuple[int, ...]

    def root_at(self, low: int) -> int:
        """The lowest pitch of the root that is not under `low`."""
        return low + (self.root - low) % 12

    def voicing(self, centre: int) -> list[int]:
        """The tones as pitches around `centre`, ascending, so that chords move little."""
        return sorted(centre - 6 + (tone - centre + 6) % 12 for tone in self.tones)


def harmonise(melody: Melody, bar: float, tonic: int, minor: bool) -> list[Chord]:
    """Chords from the first quarter to the last."""
    end = max(onset + length for onset, length, _ in melody)
    span = bar / 2 if bar in HALVED else bar
    chords: list[Chord] = []
    onset = 0.0
    while onset < end - 1e-6:
        ends = onset == 0 or onset + span >= end - 1e-6
        period = round((onset + span) / bar, 6) % (2 * PHRASE_BARS) == 0
        before = chords[-1].root if chords else -1
        root, tones = _best(melody, onset, onset + span, tonic, minor, HOME if ends else PERIOD * period, before)
        chords.append(Chord(onset, span, root, tones))
        onset += span
    return chords


def with_sevenths(chords: list[Chord], tonic: int, minor: bool) -> list[Chord]:
    """The same with each chord's seventh out of the scale; the dominant's is always the minor one."""
    scale = {(tonic + step) % 12 for step in (MINOR_STEPS if minor else MAJOR_STEPS)}

    def seventh(chord: Chord) -> int:
        low, high = (chord.root + 10) % 12, (chord.root + 11) % 12
        return low if low in scale or chord.root == (tonic + 7) % 12 else high

    return [replace(chord, tones=(*chord.tones, seventh(chord))) for chord in chords]


def _best(
    melody: Melody, start: float, end: float, tonic: int, minor: bool, home: float, before: int
) -> tuple[int, tuple[int, ...]]:
    weights = [0.0] * 12
    for onset, length, pitch in melody:
        overlap = min(end, onset + length) - max(start, onset)
        if overlap > 0:
            # What falls on the start of the span decides its harmony.
            weights[(pitch - tonic) % 12] += overlap * (1.8 if onset <= start + 1e-6 else 1.0)
    options = MINOR if minor else MAJOR
    total = sum(weights) or 1.0

    def fit(option: tuple[int, tuple[int, int, int], float]) -> float:
        root, tones, prior = option
        same = REPEATED if (root + tonic) % 12 == before else 0.0
        return sum(weights[t] for t in tones) / total + prior - same + (home if root == 0 else 0)

    root, tones, _ = max(options, key=fit)
    return (root + tonic) % 12, tuple((tone + tonic) % 12 for tone in tones)
