"""Three rewards in MusicRL's order: adherence and quality first, what the listener likes on top, each step bounded.

MusicRL (Cideron et al. 2024, arXiv 2402.04229) rewards how well a prompt is kept and how good the recording is, added
on one scale, under a bound on the KL divergence from where it started; then what users prefer, under a bound from
*that* model. It samples anew in every step. A listener has some twenty tracks, so each stage here takes the optimum of
its bounded problem in closed form on the tracks that are there (relative entropy policy search, Peters, Muelling and
Altun 2010):

    max_w sum w_i r_i  with  KL(w | p) <= bound,    w_i ~ p_i exp(r_i / eta)

p is uniform in the first stage and the first stage's weights in the second. eta is the smallest that keeps the bound,
and not below `COLDEST`: rewards that hardly differ move hardly anything. Bounds are those of a choice: the best of N
tracks lies log N - (N - 1) / N from the model that made them (Beirami et al. 2024, arXiv 2401.01879), of 2 in the first
stage, of 4 in the second.

Flow matching with weights w draws the version from the mean of its own tracks towards their weighted mean. Trained is
that difference alone, a_i = n w_i - 1, in the bounded form of `losses.signed`: with r = 1/2 + 1/2 min(a, 1), drawn
max(a, 1) times as often, the least lies at v_old + sum_i a_i (v_i - v_old) / sum_i max(a_i, 1). The a of a listener add
up to nothing, so that what all tracks share, guidance above all, drops out, and middling tracks hold the version where
it was.

Half of the rows are songs. Below so many rated tracks, or where nothing tells them apart, songs are all there is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.answers import belief
from training.methods.signed import FEWEST_RATED, MOST_RATED, SONG_SHARE, weighed
from training.preference import EVERY_SIGNAL, Belief, Signals
from training.snapshot import Example, ListenerFacts, RatedTrack

Vector = NDArray[np.float64]

# What tracks usually differ by: of adherence most states are true or false, of production decision 0716 tells.
USUAL_ADHERENCE, USUAL_QUALITY = 0.4, 0.05
# Usual deviations from the middle that one track may be ahead or behind by in one reward.
FARTHEST: Final = 2.0
COLDEST: Final = 0.5
# Standard deviations of what is believed of a track that are taken off: who is not known is not praised.
PESSIMISM: Final = 1.0
FIRST_CHOICE, SECOND_CHOICE = 2, 4
HALVINGS: Final = 60
# A track's target is never 1, which is a song's.
SUREST = 0.999


@dataclass(frozen=True)
class Measured:
    """What is heard of one track without knowing its listener; None = nothing is told.

    Attributes:
        adherence: share of what the prompt states that is heard, in [0, 1].
        quality: of production, in [0, 1].
    """

    adherence: float | None = None
    quality: float | None = None


Measure = Callable[[RatedTrack], Measured]


def examples(facts: ListenerFacts, measure: Measure, signals: Signals = EVERY_SIGNAL) -> tuple[Example, ...]:
    """The listener's songs under no prompt and with target 1, then the rated tracks that were heard, oldest first."""
    songs = [Example.of_song(song) for song in facts.songs]
    return (*songs, *_tracks(facts, measure, signals, len(songs) * (1 - SONG_SHARE) / SONG_SHARE))


def staged(measured: Vector, liked: Vector) -> Vector:
    """Weights of tracks after both stages [tracks], their sum 1.

    Args:
        measured: adherence and quality together, in usual deviations [tracks].
        liked: what the listener is believed to think, pessimistically, in deviations of satisfaction [tracks].
    """
    uniform = np.full(len(measured), 1 / len(measured))
    return bounded(liked, bounded(measured, uniform, choice_of(FIRST_CHOICE)), choice_of(SECOND_CHOICE))


def bounded(reward: Vector, reference: Vector, bound: float) -> Vector:
    """The weights of most reward within a KL divergence from the reference, and no colder than `COLDEST` [tracks].

    Args:
        reward: finite [tracks].
        reference: > 0, with the sum 1 [tracks].
        bound: in nats, >= 0.
    """
    coldest = tilted(reward, reference, 1 / COLDEST)
    if divergence(coldest, reference) <= bound:
        return coldest
    low, high = 0.0, 1 / COLDEST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        within = divergence(tilted(reward, reference, middle), reference) <= bound
        low, high = (middle, high) if within else (low, middle)
    return tilted(reward, reference, low)


def tilted(reward: Vector, reference: Vector, slope: float) -> Vector:
    """In proportion to p exp(slope r), with the sum 1 [tracks]."""
    found = reference * np.exp(slope * (reward - reward.max()))
    weights: Vector = found / found.sum()
    return weights


def divergence(weights: Vector, reference: Vector) -> float:
    """KL(weights | reference) in nats; the reference is > 0 [tracks]."""
    some = weights > 0
    return float(weights[some] @ np.log(weights[some] / reference[some]))


def choice_of(count: int) -> float:
    """KL divergence in nats of the best of so many tracks from any one of them."""
    return float(np.log(count)) - (count - 1) / count


def pessimistic(found: Belief) -> Vector:
    """What each track is surely worth to the listener, in deviations of satisfaction [tracks]."""
    worth: Vector = found.mean - PESSIMISM * np.sqrt(found.variance)
    return worth


def _tracks(facts: ListenerFacts, measure: Measure, signals: Signals, together: float) -> list[Example]:
    """Weighing `together` as much as a song each; without songs they share a weight of their number."""
    found = belief(facts.tracks, signals)
    liked = dict(zip(found.tracks, pessimistic(found), strict=True))
    rated = [track for track in facts.tracks if track.track_id in liked][-MOST_RATED:]
    if len(rated) < FEWEST_RATED:
        return []
    heard = _together([measure(track) for track in rated])
    ahead = len(rated) * staged(heard, np.array([liked[track.track_id] for track in rated])) - 1
    if np.abs(ahead).max() < 1e-6:
        return []
    return weighed(rated, np.minimum(0.5 + 0.5 * ahead, SUREST), np.maximum(ahead, 1.0), together)


def _together(measured: Sequence[Measured]) -> Vector:
    """Adherence and quality on one scale, added [tracks]."""
    adherence, quality = ([getattr(each, name) for each in measured] for name in ("adherence", "quality"))
    return _standard(adherence, USUAL_ADHERENCE) + _standard(quality, USUAL_QUALITY)


def _standard(values: Sequence[float | None], usual: float) -> Vector:
    """About their mean in usual deviations, within `FARTHEST`; what is not told is in the middle [tracks]."""
    known = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    if np.isnan(known).all():
        return np.zeros(len(known))
    return np.nan_to_num(np.clip((known - np.nanmean(known)) / usual, -FARTHEST, FARTHEST))
