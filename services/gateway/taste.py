"""What a listener seems to like, in plain words: from the words of their rated prompts and their own corrections. Pure.

A word's liking is how far tracks whose prompt had it were rated above the listener's mean, drawn to nothing while few
were rated. A correction counts as many ratings. Not what music is made by: that is in the listener's version, in
numbers that have no names.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from schemas.api import TasteWord, TasteWordKind

WORDS: Final[Mapping[TasteWordKind, tuple[str, ...]]] = {
    "instrument": (
        "accordion", "banjo", "bass", "bells", "brass", "cello", "choir", "clarinet", "drums", "fiddle", "flute",
        "guitar", "harp", "harpsichord", "oboe", "organ", "piano", "saxophone", "strings", "synth", "trumpet", "violin",
        "voice",
    ),
    "mood": (
        "calm", "cheerful", "dark", "dreamy", "energetic", "happy", "lively", "melancholy", "peaceful", "sad", "solemn",
    ),
    "tempo": ("slow", "moderate", "fast"),
    "brightness": ("bright", "warm", "soft"),
}  # fmt: skip
KIND_OF: Final = {word: kind for kind, words in WORDS.items() for word in words}
PRIOR: Final = 4.0  # ratings that knowing nothing is worth
CORRECTION: Final = 12.0  # ratings that a listener's own word is worth
FULL: Final = 2.0  # stars above the mean that are full liking
_WORD: Final = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class TasteFacts:
    """What a taste is told from: rated prompts with their stars, and the listener's corrections by word."""

    songs: int
    version: int | None
    rated: Sequence[tuple[str, int]]
    corrections: Mapping[str, float]


def words_of(rated: Sequence[tuple[str, int]], corrections: Mapping[str, float]) -> list[TasteWord]:
    """What is believed of each word that a rated prompt had or that was corrected, the most liked first.

    Args:
        rated: prompt and stars of each rated track.
        corrections: liking in [-1, 1] by word.
    """
    middle = fmean(stars for _, stars in rated) if rated else 0.0
    above: dict[str, list[float]] = {word: [] for word in corrections}
    for prompt, stars in rated:
        for word in set(_WORD.findall(prompt.casefold())) & KIND_OF.keys():
            above.setdefault(word, []).append(max(-1.0, min(1.0, (stars - middle) / FULL)))
    found = [_believed(word, values, corrections.get(word)) for word, values in above.items()]
    return sorted(found, key=lambda each: (-each.liking, each.word))


def _believed(word: str, values: Sequence[float], corrected: float | None) -> TasteWord:
    own = 0.0 if corrected is None else CORRECTION
    weight = len(values) + own
    liking = (sum(values) + own * (corrected or 0.0)) / (weight + PRIOR)
    sure = weight / (weight + PRIOR)
    return TasteWord(
        word=word,
        kind=KIND_OF[word],
        liking=round(liking, 3),
        sure=round(sure, 3),
        ratings=len(values),
        corrected=corrected is not None,
        says=_sentence(word, liking, sure),
    )


def _sentence(word: str, liking: float, sure: float) -> str:
    if abs(liking) < 0.1:
        return f"no opinion on {word}"
    how = "surely" if sure > 0.7 else "probably" if sure > 0.4 else "perhaps"
    return f"{how} {'likes' if liking > 0 else 'dislikes'} {word}"
