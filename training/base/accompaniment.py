"""What chords, bass and second voices play in one texture: onsets and lengths in quarters, pitches, accents.

Not for chords themselves: see `harmony`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from training.base.harmony import MAJOR_STEPS, MINOR_STEPS, Chord

# Orders in which a broken chord is played; 3 is the lowest tone an octave up.
ORDERS = ((0, 1, 2, 3, 2, 1), (0, 2, 1, 2), (0, 1, 2, 1), (0, 2, 3, 2), (2, 1, 0, 1), (0, 1, 2, 3))
CHARLESTONS = ((0.0, 1.5), (0.5, 2.0), (0.0, 2.5), (1.5,), (0.5, 1.5, 3.0))
LOWEST_BASS = 31


@dataclass(frozen=True)
class Stroke:
    """Chord tones struck together, by number from the lowest; `accent` in MIDI velocity."""

    onset: float
    length: float
    tones: tuple[int, ...]
    accent: float = 0.0


def pattern(name: str, chord: Chord, pulse: float, variant: int) -> list[Stroke]:
    """How a chord is played.

    Args:
        name: of the patterns in `styles`.
        pulse: quarters of a beat.
        variant: any number; chooses among orders and rhythms of one kind.
    """
    length = chord.length
    beats = [float(at) for at in np.arange(0, length - 1e-6, pulse)]
    last = pulse * (2 / 3 if pulse == 1.5 else 0.5)
    every = tuple(range(len(chord.tones)))
    if name in ("pad", "drone"):
        return [Stroke(0.0, length, every)]
    if name == "block":
        half = length / 2 if variant % 2 and length > pulse else length
        return [Stroke(at, half * 0.92, every) for at in np.arange(0, length - 1e-6, half)]
    if name == "power":
        return [Stroke(at, 0.42, (0, 1), 0 if at % pulse else 6) for at in np.arange(0, length - 1e-6, 0.5)]
    if name == "arpeggio":
        return _broken(ORDERS[variant % len(ORDERS)], length, 0.5)
    if name == "alberti":
        return _broken((0, 2, 1, 2), length, 0.5)
    if name == "pulse":
        return [Stroke(at, 0.22, every, 0 if at % 1 else 5) for at in np.arange(0, length - 1e-6, 0.5)]
    if name == "offbeat":
        return [Stroke(at, 0.4, every) for at in (beats[1:] if length == 3 else [at + last for at in beats])]
    if name == "comp":
        rhythm = CHARLESTONS[variant % len(CHARLESTONS)]
        return [Stroke(at, 0.5, every) for at in rhythm if at < length]
    strums = [Stroke(at, pulse * 0.6, (0, 1, 2, 3), 4) for at in beats]
    ups = [Stroke(at + last, pulse * 0.3, (1, 2, 3), -10) for at in beats if (round(at / pulse) + variant) % 2]
    return strums + ups


def _broken(order: tuple[int, ...], length: float, step: float) -> list[Stroke]:
    """One chord tone at a time; the first of a chord rings."""
    times = np.arange(0, length - 1e-6, step)
    return [
        Stroke(float(at), step * (2 if at == 0 else 1.4), (order[i % len(order)],), 0 if i else 6)
        for i, at in enumerate(times)
    ]


def bass_line(
    style: str, chord: Chord, following: Chord | None, pulse: float, rng: Generator
) -> list[tuple[float, float, int]]:
    """Onset in the chord, length and pitch of a bass under one chord.

    Args:
        style: "root", "two" (root and fifth), "walk" or "eighths".
        following: the chord to lead to, if there is one.
    """
    root = chord.root_at(LOWEST_BASS)
    fifth = root + (chord.tones[2] - chord.root) % 12
    if style == "root":
        return [(0.0, chord.length * 0.95, root)]
    if style == "eighths":
        line = [(float(at), 0.45, root) for at in np.arange(0, chord.length - 1e-6, 0.5)]
        return [(at, length, pitch + 12 * (i % 4 == 3)) for i, (at, length, pitch) in enumerate(line)]
    times = [float(at) for at in np.arange(0, chord.length - 1e-6, pulse)]
    if style == "two":
        return [(at, pulse * 0.85, fifth if i % 2 else root) for i, at in enumerate(times)]
    pitches = [root, *(root + (int(rng.choice(chord.tones)) - root) % 12 for _ in times[1:])]
    if following is not None and len(times) > 1:
        pitches[-1] = _approach(following.root_at(LOWEST_BASS), pitches[-2], rng)
    return [(at, pulse * 0.9, pitch) for at, pitch in zip(times, pitches, strict=True)]


def _approach(target: int, before: int, rng: Generator) -> int:
    """A half or whole step from the next root, on the side the line comes from."""
    return target + int(rng.choice([1, 2])) * (1 if before > target else -1)


def third_below(pitch: int, tonic: int, minor: bool) -> int:
    """Two steps of the scale under a pitch; a sixth where the third is no note of the scale."""
    steps = MINOR_STEPS if minor else MAJOR_STEPS
    scale = {(tonic + step) % 12 for step in steps}
    return next((pitch - down for down in (3, 4, 8, 9) if (pitch - down) % 12 in scale), pitch - 12)


def guide_tone(chord: Chord, near: int) -> int:
    """The third or the last tone of a chord, whichever lies nearer to the note before."""
    options = [near + (tone - near + 6) % 12 - 6 for tone in (chord.tones[1], chord.tones[-1])]
    return min(options, key=lambda pitch: abs(pitch - near))


def spread(count: int, seconds: float) -> Sequence[float]:
    """Delays of the tones of a strummed chord, from the lowest up."""
    return [index * seconds / max(1, count - 1) for index in range(count)]
