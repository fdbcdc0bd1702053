"""How long sound is kept."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

_CACHED_S: Final = 31_536_000
"""A year: what never changes may be cached so long (RFC 9111 has no "for ever")."""
MEASURED_S: Final = 300.0
"""A song is measured before its row is there; so long it stays for whoever looks into what was just taken in."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Seconds that sound is kept; None: of a track for ever, of a song as long as the song."""

    tracks_s: float | None
    songs_s: float | None = MEASURED_S

    def cached_s(self, age: timedelta) -> int:
        """Seconds for which a browser may keep the sound of a track of this age: no longer than we do."""
        if self.tracks_s is None:
            return _CACHED_S
        return max(0, min(_CACHED_S, int(self.tracks_s - age.total_seconds())))
