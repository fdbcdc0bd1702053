"""The cold start: what the songs alone give, frozen when a listener's first songs are first used. Pure.

It is what learning is measured against, so nothing that comes later may change it: neither newer songs nor another
default of the engine. Another base model reads other features; it has a cold start of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final

from schemas.generation import Controls

FRESH: Final = 0.6  # the noise recipe at sign-up: SLERP of the songs' noises, then this far towards fresh noise


@dataclass(frozen=True, slots=True)
class ColdStart:
    """Feature files of the first songs, the style and noise recipe that they gave, and the base they were read by."""

    songs: tuple[str, ...]
    controls: Controls
    base_hash: str


def frozen(songs: Sequence[Mapping[str, Any]], base_hash: str) -> ColdStart:
    """The cold start of these songs, rows of the query `song_features`.

    A song that was described before styles were recorded leaves the mean to the engine, which takes the same files.
    """
    styles = [song["style"] for song in songs]
    known = all(styles) and len({len(style) for style in styles}) == 1
    style = tuple(fmean(values) for values in zip(*styles, strict=True)) if known else None
    return ColdStart(
        songs=tuple(song["features_url"] for song in songs),
        controls=Controls(style=style, fresh=FRESH),
        base_hash=base_hash,
    )


def stored(row: Mapping[str, Any]) -> ColdStart:
    """As a row of gateway.cold_starts has it."""
    return ColdStart(tuple(row["songs"]), Controls.model_validate(row["controls"]), row["base_hash"])
