"""Drum patterns of one bar, by name, on the General MIDI drum map, with light versions, ghost notes and fills.

Times are in beats here and in quarters outside: in compound metre a beat has three parts, else two.
Not for feel: swing and loudness are applied by the arranger.
"""

from numpy.random import Generator

KICK, SNARE, STICK, HAT, PEDAL, OPEN, RIDE, CRASH = 36, 38, 37, 42, 44, 46, 51, 49
LOW_TOM, MID_TOM, HIGH_TOM, TIMPANI, SHAKER, TAMBOURINE = 45, 47, 50, 41, 70, 54
Hit = tuple[float, int, int]
GHOST = 42
# Drums that a light bar keeps.
LIGHT = (HAT, PEDAL, OPEN, RIDE, STICK, SHAKER, TAMBOURINE, TIMPANI, LOW_TOM)


def drum_hits(groove: str, bar: float, pulse: float, rng: Generator, light: bool = False) -> list[Hit]:
    """Hits of a bar: onset in quarters, drum, velocity.

    Args:
        groove: a name in the table below.
        bar: its length in quarters.
        pulse: quarters of a beat.
        light: only what marks the time.
    """
    beats = max(1, round(bar / pulse))
    parts = (1 / 3, 2 / 3) if pulse == 1.5 else (0.5,)
    hits = _PATTERNS[groove](beats, parts)
    if groove in ("rock", "break", "funk", "folk", "march") and rng.random() < 0.6:
        hits += _ghosts(beats, parts, rng)
    if light:
        hits = [(at, drum, velocity - 12) for at, drum, velocity in hits if drum in LIGHT] or hits[:1]
    return [(at * pulse, drum, velocity) for at, drum, velocity in hits if at * pulse < bar - 1e-6]


def fill_hits(groove: str, bar: float, pulse: float, rng: Generator) -> list[Hit]:
    """The last beats of a bar that leads to another section."""
    beats = max(1, round(bar / pulse))
    length = min(beats, int(rng.choice([1, 1, 2])))
    drums = _FILLS.get(groove, (SNARE, SNARE, MID_TOM, LOW_TOM))
    steps = 6 if pulse == 1.5 else int(rng.choice([2, 4]))
    count = length * steps
    hits = []
    for index in range(count):
        if rng.random() < 0.88:
            drum = drums[index * len(drums) // count]
            hits.append(((beats - length + index / steps) * pulse, drum, 78 + round(28 * index / count)))
    return hits


def _ghosts(beats: int, parts: tuple[float, ...], rng: Generator) -> list[Hit]:
    places = [beat + part / 2 for beat in range(beats) for part in (*parts, 1.5)]
    return [(at, SNARE, GHOST) for at in places if at < beats and rng.random() < 0.2]


def _off(beats: int, parts: tuple[float, ...]) -> list[float]:
    return [beat + parts[-1] for beat in range(beats)]


def _all(beats: int, parts: tuple[float, ...]) -> list[float]:
    return [beat + part for beat in range(beats) for part in (0.0, *parts)]


def _finest(parts: tuple[float, ...]) -> tuple[float, ...]:
    return parts if len(parts) == 2 else (0.25, 0.5, 0.75)


def _back(beats: int) -> list[int]:
    """Where the snare falls: two and four, in three only the last."""
    return [beats - 1] if beats % 2 else list(range(1, beats, 2))


def _four(beats: int, parts: tuple[float, ...]) -> list[Hit]:
    hits: list[Hit] = [(at, KICK, 110) for at in range(beats)]
    hits += [(at, OPEN, 80) for at in _off(beats, parts)]
    return hits + [(at, SNARE, 88) for at in _back(beats)]


def _break(beats: int, parts: tuple[float, ...]) -> list[Hit]:
    hits: list[Hit] = [(0.0, KICK, 110), (beats * 0.625, KICK, 100)]
    hits += [(at, SNARE, 102) for at in _back(beats)]
    return hits + [(at, HAT, 72 if at % 1 else 82) for at in _all(beats, _finest(parts))]


def _rock(beats: int, parts: tuple[float, ...]) -> list[Hit]:
    hits: list[Hit] = [(at, KICK, 110) for at in range(0, beats, 2)]
    hits += [(at, SNARE, 106) for at in _back(beats)]
    return hits + [(at, HAT, 70 if at % 1 else 84) for at in _all(beats, parts)]


def _half(beats: int, parts: tuple[float, ...]) -> list[Hit]:
    hits: list[Hit] = [(0.0, KICK, 108), (beats / 2, SNARE, 102)]
    return hits + [(at, HAT, 74) for at in _all(beats, parts)]


def _funk(beats: int, parts: tuple[float, ...]) -> list[Hit]:
    hits: list[Hit] = [(0.0, KICK, 110), (0.75, KICK, 88), (beats / 2 + 0.5, KICK, 100)]
    hits += [(at, SNARE, 102) for at in _back(beats)]
    return hits + [(at, HAT, 66 if at % 1 else 82) for at in _all(beats, _finest(parts))]


def _march(beats: int, parts: tuple[float, ...]) -> list[Hit]:
    hits: list[Hit] = [(at, KICK, 102) for at in range(0, beats, 2)]
    hits += [(at, SNARE, 92) for at in range(beats)]
    return hits + [(at + (1 - parts[-1]) / 2, SNARE, 60) for at in _off(beats, parts)]


def _folk(beats: int, parts: tuple[float, ...]) -> list[Hit]:
    hits: list[Hit] = [(at, KICK, 88) for at in range(0, beats, 2)]
    hits += [(at, STICK, 80) for at in _back(beats)]
    return hits + [(at, SHAKER, 70 if at % 1 == 0 else 54) for at in _all(beats, parts)]


def _bodhran(beats: int, parts: tuple[float, ...]) -> list[Hit]:
    return [(at, LOW_TOM if at % 1.0 else TIMPANI, 62 if at % 1.0 else 94) for at in _all(beats, parts)]


def _timpani(beats: int, parts: tuple[float, ...]) -> list[Hit]:
    return [(0.0, TIMPANI, 92), (beats - 1 + parts[-1], TIMPANI, 64)]


def _ride(beats: int, parts: tuple[float, ...]) -> list[Hit]:
    hits: list[Hit] = [(at, RIDE, 78) for at in range(beats)]
    hits += [(at + parts[-1], RIDE, 60) for at in _back(beats)]
    return hits + [(at, PEDAL, 64) for at in _back(beats)]


def _brushes(beats: int, parts: tuple[float, ...]) -> list[Hit]:
    hits: list[Hit] = [(at, SNARE, 44) for at in _all(beats, parts)]
    return hits + [(at, PEDAL, 62) for at in _back(beats)] + [(0.0, KICK, 60)]


_PATTERNS = {
    "four": _four, "break": _break, "rock": _rock, "half": _half, "funk": _funk, "march": _march, "folk": _folk,
    "bodhran": _bodhran, "timpani": _timpani, "ride": _ride, "brushes": _brushes,
}  # fmt: skip
_FILLS = {
    "timpani": (TIMPANI,), "bodhran": (LOW_TOM, TIMPANI), "march": (SNARE,), "folk": (STICK, LOW_TOM),
    "rock": (SNARE, HIGH_TOM, MID_TOM, LOW_TOM), "brushes": (SNARE, MID_TOM),
}  # fmt: skip
