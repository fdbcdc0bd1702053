"""Chords for a melody: one diatonic triad a bar (two in long bars), by the notes it holds.

Not for style: no sevenths, no modulation; a floor that is always consonant.
"""

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Chord:
    """A triad from `onset` for `length` quarters; root and tones as pitch classes."""

    onset: float
    length: float
    root: int
    tones: tuple[int, int, int]

    def root_at(self, low: int) -> int:
        """The lowest pitch of the root that is not under `low`."""
        return low + (self.root - low) % 12

    def voicing(self, centre: int) -> list[int]:
        """The tones as pitches around `centre`, ascending, so that chords move little."""
        return sorted(centre - 6 + (tone - centre + 6) % 12 for tone in self.tones)


def harmonise(melody: Melody, bar: float, tonic: int, minor: bool) -> list[Chord]:
    """Chords from the first quarter to the last."""
    end = max(onset + length for onset, length, _ in melody)
    span = bar / 2 if bar >= 4 else bar
    chords: list[Chord] = []
    onset = 0.0
    while onset < end - 1e-6:
        last = onset + span >= end - 1e-6
        root, tones = _best(melody, onset, onset + span, tonic, minor, onset == 0 or last)
        chords.append(Chord(onset, span, root, tones))
        onset += span
    return chords


def _best(
    melody: Melody, start: float, end: float, tonic: int, minor: bool, home: bool
) -> tuple[int, tuple[int, int, int]]:
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
        return sum(weights[t] for t in tones) / total + prior + (0.4 if home and root == 0 else 0)

    root, tones, _ = max(options, key=fit)
    first, third, fifth = ((tone + tonic) % 12 for tone in tones)
    return (root + tonic) % 12, (first, third, fifth)
