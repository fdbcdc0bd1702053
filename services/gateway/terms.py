"""How long sound is kept."""

from dataclasses import dataclass
from typing import Final

MEASURED_S: Final = 300.0
"""A song is measured before its row is there; so long it stays for whoever looks into what was just taken in."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Seconds that sound is kept; None: of a track for ever, of a song as long as the song."""

    tracks_s: float | None
    songs_s: float | None = MEASURED_S
