"""The form of an arrangement: an introduction, sections of eight bars with their own texture, phrases of four.

Not for notes: how a texture sounds is decided in `accompaniment` and `grooves`.
"""

import math
from dataclasses import dataclass

from numpy.random import Generator

SECTION_BARS, PHRASE_BARS = 8, 4
# Textures, and how much louder than the middle one each is played.
SPARSE, PLAIN, FULL = "sparse", "plain", "full"
LEVELS = {SPARSE: -7.0, PLAIN: 0.0, FULL: 6.0}
# What follows a texture; a section that only repeats the last is rare.
AFTER = {SPARSE: (PLAIN, PLAIN, FULL), PLAIN: (FULL, SPARSE, PLAIN), FULL: (SPARSE, PLAIN, PLAIN)}
ARC = 7.0


@dataclass(frozen=True)
class Section:
    """Bars from `first` to before `last`."""

    first: int
    last: int
    texture: str


@dataclass(frozen=True)
class Form:
    """Bars of the introduction, the sections after it, and how much louder the end is than the beginning."""

    intro: int
    sections: tuple[Section, ...]
    slope: float

    @property
    def bars(self) -> int:
        """Bars up to the end of the tune."""
        return self.sections[-1].last

    def section(self, bar: int) -> Section:
        """The section that a bar is in; the introduction belongs to the first."""
        return next((each for each in self.sections if bar < each.last), self.sections[-1])

    def level(self, place: float) -> float:
        """How much louder than usual (MIDI velocity) a place in bars is: section, arc of its phrase, slope of the
        whole."""
        within = ((place - self.intro) / PHRASE_BARS) % 1.0
        swell = ARC * (math.sin(math.pi * within) - 0.6)
        return LEVELS[self.section(int(place)).texture] + swell + self.slope * (place / self.bars - 0.5)

    def ends_phrase(self, bar: int) -> bool:
        """Whether a bar is the last of a phrase."""
        return (bar - self.intro) % PHRASE_BARS == PHRASE_BARS - 1

    def ends_section(self, bar: int) -> bool:
        """Whether another section follows after a bar."""
        return any(each.last == bar + 1 for each in self.sections[:-1])


def draw_form(tune_bars: int, intro: int, rng: Generator) -> Form:
    """Sections over a tune of so many bars; what is left over at the end belongs to the last."""
    count = max(1, tune_bars // SECTION_BARS)
    texture = str(rng.choice([SPARSE, PLAIN, PLAIN]))
    sections = []
    for index in range(count):
        first = intro + index * SECTION_BARS
        last = intro + tune_bars if index == count - 1 else first + SECTION_BARS
        sections.append(Section(first if index else 0, last, texture))
        texture = str(rng.choice(AFTER[texture]))
    return Form(intro, tuple(sections), float(rng.uniform(-10, 14)))
