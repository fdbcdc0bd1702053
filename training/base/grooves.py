"""Drum patterns of one bar, by name, on the General MIDI drum map.

Not for feel: swing and loudness are applied by the arranger.
"""

import numpy as np
from numpy.random import Generator

KICK, SNARE, STICK, HAT, OPEN, RIDE, CRASH, LOW_TOM, TIMPANI = 36, 38, 37, 42, 46, 51, 49, 45, 41
Hit = tuple[float, int, int]


def drum_hits(groove: str, bar: float, index: int, rng: Generator) -> list[Hit]:
    """Hits of bar number `index`: onset in quarters, drum, velocity."""
    hits = _PATTERNS[groove](bar)
    if index % 8 == 0 and groove in ("rock", "break", "march"):
        hits.append((0.0, CRASH, 90))
    if index % 4 == 3 and rng.random() < 0.5:
        hits += [(bar - 0.5, SNARE, 80), (bar - 0.25, SNARE, 92)]
    return hits


def _beats(bar: float, step: float = 1.0) -> list[float]:
    return [float(at) for at in np.arange(0, bar - 1e-6, step)]


def _four(bar: float) -> list[Hit]:
    hits: list[Hit] = [(at, KICK, 112) for at in _beats(bar)]
    hits += [(at + 0.5, OPEN, 84) for at in _beats(bar)]
    return hits + [(at, SNARE, 92) for at in _beats(bar)[1::2]]


def _break(bar: float) -> list[Hit]:
    hits: list[Hit] = [(0.0, KICK, 112), (bar * 0.625, KICK, 104)]
    hits += [(at, SNARE, 106) for at in _beats(bar)[1::2]]
    return hits + [(at, HAT, 74) for at in _beats(bar, 0.25)]


def _rock(bar: float) -> list[Hit]:
    hits: list[Hit] = [(at, KICK, 114) for at in _beats(bar)[::2]]
    hits += [(at, SNARE, 112) for at in _beats(bar)[1::2]]
    return hits + [(at, HAT, 84) for at in _beats(bar, 0.5)]


def _march(bar: float) -> list[Hit]:
    hits: list[Hit] = [(at, KICK, 104) for at in _beats(bar)[::2]]
    hits += [(at, SNARE, 96) for at in _beats(bar)]
    return hits + [(at + 0.75, SNARE, 70) for at in _beats(bar)]


def _folk(bar: float) -> list[Hit]:
    hits: list[Hit] = [(at, KICK, 90) for at in _beats(bar)[::2]]
    hits += [(at, STICK, 84) for at in _beats(bar)[1::2]]
    return hits + [(at, 70, 64) for at in _beats(bar, 0.5)]


def _bodhran(bar: float) -> list[Hit]:
    return [(at, LOW_TOM if at % 1.0 else TIMPANI, 98 - int(30 * (at % 1.0 > 0))) for at in
            _beats(bar, 0.5)]  # fmt: skip


def _timpani(bar: float) -> list[Hit]:
    return [(0.0, TIMPANI, 96), (bar - 0.5, TIMPANI, 70)]


def _ride(bar: float) -> list[Hit]:
    hits: list[Hit] = [(at, RIDE, 80) for at in _beats(bar)]
    hits += [(at + 0.5, RIDE, 66) for at in _beats(bar)[1::2]]
    return hits + [(at, HAT, 66) for at in _beats(bar)[1::2]]


_PATTERNS = {
    "four": _four, "break": _break, "rock": _rock, "march": _march, "folk": _folk,
    "bodhran": _bodhran, "timpani": _timpani, "ride": _ride,
}  # fmt: skip
