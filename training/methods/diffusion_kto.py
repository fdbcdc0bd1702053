"""Diffusion-KTO: what was liked made likelier than under the old version, what was disliked less likely; no pairs.

Li, Kallidromitis, Gokul, Kato and Kozuka 2024 (arXiv 2404.04465), after Kahneman and Tversky's utility: what counts is
gain or loss against a point of reference, and each further step of either counts less (`losses.kahneman_tversky`). So
a disliked track pushes away until that is done, and no further.

A label is all that the loss takes: liked or not. It is the side of the listener's middle, 0, on which a track is
believed to lie (see `preference`), and a row is the likelier to be drawn the surer that is:

    r = P(s > 0) = Phi(mean / deviation),    weight |2 r - 1|, liked and disliked with the same sum

Both classes weigh the same, as the paper asks of few labels, and because tracks are made under guidance, which would
else be trained in (see `signed`). Half of the rows are songs. Below so many rated tracks, or where all lie on one side,
songs are all there is.
"""

import numpy as np
from scipy.special import ndtr

from training.answers import belief
from training.methods.signed import FEWEST_RATED, MOST_RATED, SONG_SHARE
from training.preference import EVERY_SIGNAL, Signals
from training.snapshot import Example, ListenerFacts

# A track's target is never 1, which is a song's.
SUREST = 0.999


def examples(facts: ListenerFacts, signals: Signals = EVERY_SIGNAL) -> tuple[Example, ...]:
    """The listener's songs under no prompt and with target 1, then the rated tracks that were heard, oldest first, with
    the chance that each was liked."""
    songs = [Example.of_song(song) for song in facts.songs]
    return (*songs, *_tracks(facts, signals, len(songs) * (1 - SONG_SHARE) / SONG_SHARE))


def _tracks(facts: ListenerFacts, signals: Signals, together: float) -> list[Example]:
    """Weighing `together` as much as a song each; without songs they share a weight of their number."""
    found = belief(facts.tracks, signals)
    chances = dict(zip(found.tracks, ndtr(found.mean / np.sqrt(found.variance)), strict=True))
    rated = [track for track in facts.tracks if track.track_id in chances][-MOST_RATED:]
    liked = np.clip([chances[track.track_id] for track in rated], 1 - SUREST, SUREST)
    sure = np.abs(2 * liked - 1)
    sides = [sure[side].sum() for side in (liked >= 0.5, liked < 0.5)]
    if len(rated) < FEWEST_RATED or min(sides) < 1e-6:
        return []
    share = (together or len(rated)) / 2
    weight = sure * np.where(liked >= 0.5, share / sides[0], share / sides[1])
    return [
        Example(
            source=track.track_id,
            features_url=track.features_url,
            prompt=track.prompt,
            weight=max(round(float(w), 6), 1e-6),
            target=round(float(r), 6),
        )
        for track, w, r in zip(rated, weight, liked, strict=True)
    ]
