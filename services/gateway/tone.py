"""What a listener's own words about sound change in their next tracks: the tone. Pure.

Only words that were said count, by what is believed of them: ratings that speak against a word take from it, and a word
that is taken back changes nothing any more. Words about anything but sound reach no tone (decision 0713).
"""

from collections.abc import Iterable

from schemas.api import TasteWord
from schemas.generation import MAX_TONE_DB, TONES, Tone


def tone_of(words: Iterable[TasteWord]) -> Tone:
    """The sum of what was said, within what a tone may be."""
    said = [(word.liking, TONES[word.word]) for word in words if word.corrected and word.word in TONES]
    return Tone(
        bass_db=_within(sum(liking * tone.bass_db for liking, tone in said)),
        treble_db=_within(sum(liking * tone.treble_db for liking, tone in said)),
    )


def _within(decibels: float) -> float:
    return round(max(-MAX_TONE_DB, min(MAX_TONE_DB, decibels)), 2)
