"""Songs, and signed, centred, bounded weights on the listener's own tracks: liked, middling and disliked.

After DiffusionNFT (Zheng et al. 2025, arXiv 2509.16117): of the same model's own work what was liked pulls and what was
not pushes, and the loss bounds how far (`losses.signed`). A track's target is

    r = 1/2 + 1/2 clip((s - c) / Z, -1, 1)

with s the believed satisfaction (see `preference`: the rater's offset, gain and carelessness are taken out, and what is
unsure lies near the middle) and c such that the pulls and pushes of a listener cancel. Centred they must be: tracks
are made under guidance, so all of them differ alike from the unguided velocity that is trained, and only where the
signs add up to nothing does that difference drop out.

Half of the rows are songs. Below so many rated tracks, or with no two of different standing, songs are all there is.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.answers import belief
from training.preference import EVERY_SIGNAL, Signals
from training.snapshot import Example, ListenerFacts, RatedTrack

Vector = NDArray[np.float64]

FEWEST_RATED = 8
# The newest: what older versions made says little of where this one goes wrong.
MOST_RATED = 24
# Standard deviations of satisfaction from the middle to the full weight.
FULL = 1.0
# How much likelier a row of a track is that stands out: TGO (arXiv 2605.04653) weights by the distance to the middle.
EMPHASIS = 2.0
SONG_SHARE = 0.5
HALVINGS = 60


def examples(facts: ListenerFacts, signals: Signals = EVERY_SIGNAL) -> tuple[Example, ...]:
    """The listener's songs under no prompt and with target 1, then the rated tracks that were heard, oldest first."""
    songs = [Example.of_song(song) for song in facts.songs]
    return (*songs, *_tracks(facts, signals, len(songs) * (1 - SONG_SHARE) / SONG_SHARE))


def targets(satisfaction: Vector) -> tuple[Vector, Vector]:
    """Targets and weights of tracks whose pulls and pushes cancel: sum of w (2 r - 1) is 0.

    Args:
        satisfaction: believed of each track, not all alike [tracks].

    Returns:
        r in [0, 1] [tracks], w >= 1 [tracks].
    """
    low, high = float(satisfaction.min()), float(satisfaction.max())
    for _ in range(HALVINGS):
        centre = (low + high) / 2
        pull, weight = _pulls(satisfaction, centre)
        low, high = (centre, high) if float(weight @ pull) > 0 else (low, centre)
    return 0.5 + 0.5 * pull, weight


def _pulls(satisfaction: Vector, centre: float) -> tuple[Vector, Vector]:
    pull = np.clip((satisfaction - centre) / FULL, -1.0, 1.0)
    return pull, 1.0 + EMPHASIS * np.abs(pull)


def _tracks(facts: ListenerFacts, signals: Signals, together: float) -> list[Example]:
    """Weighing `together` as much as a song each; without songs they share a weight of their number."""
    found = belief(facts.tracks, signals)
    satisfaction = dict(zip(found.tracks, found.mean, strict=True))
    rated = [track for track in facts.tracks if track.track_id in satisfaction][-MOST_RATED:]
    values = np.array([satisfaction[track.track_id] for track in rated])
    if len(rated) < FEWEST_RATED or np.ptp(values) == 0:
        return []
    target, weight = targets(values)
    return weighed(rated, target, weight, together)


def weighed(rated: Sequence[RatedTrack], target: Vector, weight: Vector, together: float) -> list[Example]:
    """Rated tracks with these targets and weights.

    Args:
        target: in [0, 1] [tracks].
        weight: > 0; scaled to add up to `together`, or where that is 0 to the tracks' number [tracks].
        together: >= 0.
    """
    scale = (together or len(rated)) / weight.sum()
    return [
        Example(
            source=track.track_id,
            features_url=track.features_url,
            prompt=track.prompt,
            weight=round(float(w), 6),
            target=round(float(r), 6),
        )
        for track, w, r in zip(rated, weight * scale, target, strict=True)
    ]
