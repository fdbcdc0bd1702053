"""Flow-DPO on pairs of a listener's own tracks that are ahead in everything that was measured.

Diffusion-DPO (Wallace et al. 2023, arXiv 2311.12908) for velocities, with one B for all times (Liu et al. 2025, arXiv
2501.13918): of two tracks the better is to gain more than the worse, both seen from the old version (see
`losses.flow_dpo`). Two remedies against what pairs are known for:

- A pair counts only where its winner is believed to be ahead with a chance of `SURE`, and behind in nothing that is
  measured: stars and listening, each by itself. Pairs of one measure teach that measure (multi-preference pairs:
  MR-FlowDPO, arXiv 2512.10264; GenSR-Pref, arXiv 2508.17229).
- The loser's safeguard (Diffusion-SDPO, arXiv 2511.03317): pushing the loser away must not carry the winner with it.

A pair is trained under the prompt that both were made with, and where there are two under none: the songs' style is all
that its tracks were asked for in common. Half of the rows are songs. Below so many pairs songs are all there is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from uuid import UUID

import numpy as np
from scipy.special import ndtr

from training.answers import belief
from training.methods.signed import MOST_RATED, SONG_SHARE
from training.methods.weighted_sft import condition
from training.preference import EVERY_SIGNAL, Belief, Signals
from training.snapshot import Example, ListenerFacts, Loser, RatedTrack

SURE = 0.75
FEWEST, MOST = 4, 24
# A track's target is never 1, which is a song's.
SUREST = 0.999
SILENT = Signals(stars=False, listening=False, pairs=False)


def examples(facts: ListenerFacts, signals: Signals = EVERY_SIGNAL) -> tuple[Example, ...]:
    """The listener's songs under no prompt, then the pairs, surest first, as winners with their losers; the target is
    the chance that the winner is the better one."""
    songs = [Example.of_song(song) for song in facts.songs]
    found = pairs(facts, signals)[:MOST]
    if len(found) < FEWEST:
        return tuple(songs)
    weight = round((len(songs) * (1 - SONG_SHARE) / SONG_SHARE or len(found)) / len(found), 6)
    return (*songs, *(_example(*pair, weight) for pair in found))


def pairs(facts: ListenerFacts, signals: Signals) -> list[tuple[float, RatedTrack, RatedTrack]]:
    """Chance that the winner is the better one, winner and loser; surest first."""
    found = belief(facts.tracks, signals)
    place = {track: number for number, track in enumerate(found.tracks)}
    measures = _measures(facts, signals)
    told = [track for track in facts.tracks if track.track_id in place][-MOST_RATED:]
    kept = []
    for one, other in combinations(told, 2):
        chance = _ahead(found, place[one.track_id], place[other.track_id])
        winner, loser = (one, other) if chance >= 0.5 else (other, one)
        sure = max(chance, 1 - chance)
        if sure >= SURE and all(each[winner.track_id] >= each[loser.track_id] for each in measures):
            kept.append((min(sure, SUREST), winner, loser))
    return sorted(kept, key=lambda pair: (-pair[0], pair[1].track_id, pair[2].track_id))


def _ahead(found: Belief, one: int, other: int) -> float:
    """Chance that the first is the better one, as if they were known independently."""
    apart = found.mean[one] - found.mean[other]
    return float(ndtr(apart / np.sqrt(found.variance[one] + found.variance[other])))


def _measures(facts: ListenerFacts, signals: Signals) -> Sequence[Mapping[UUID, float]]:
    """What each signal that counts says by itself."""
    found: list[Mapping[UUID, float]] = []
    for name in ("stars", "listening"):
        if getattr(signals, name):
            alone = belief(facts.tracks, replace(SILENT, **{name: True}))
            found.append(dict(zip(alone.tracks, alone.mean.tolist(), strict=True)))
    return found


def _example(chance: float, winner: RatedTrack, loser: RatedTrack, weight: float) -> Example:
    alike = condition(winner.prompt) == condition(loser.prompt)
    return Example(
        source=winner.track_id,
        features_url=winner.features_url,
        prompt=winner.prompt if alike else "",
        weight=weight,
        target=round(chance, 6),
        loser=Loser(source=loser.track_id, features_url=loser.features_url),
    )
