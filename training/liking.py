"""What each listener of a round likes, for their version files: from rated tracks to a scorer and controls."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from schemas.generation import MAX_SONGS
from serving.engine.adapters.controls import Controls
from serving.engine.adapters.scorer import Scorer, describe
from training.answers import belief
from training.controls import actions
from training.preference import EVERY_SIGNAL, Signals
from training.scorer import Array, Heard, Space, Weights, admitted, fit, others_mean, space_of
from training.snapshot import ListenerFacts

Read = Callable[[str], bytes]
MOST_TRACKS = 200  # of a listener, the newest: what is bounded takes bounded time


@dataclass(frozen=True, eq=False)
class Liking:
    """What was learned of one listener without any gradient."""

    scorer: Scorer
    controls: Controls


def likings(
    listeners: Sequence[ListenerFacts], read: Read, size: int, signals: Signals = EVERY_SIGNAL
) -> Mapping[UUID, Liking]:
    """Of those listeners whose ratings foretell each other; the others are the prior of each.

    Tracks whose features cannot be read, or are of another base, are left out.

    Args:
        listeners: of the round.
        read: a blob by its URL; may raise OSError.
        size: of a description under the base.
        signals: which answers count.
    """
    songs = {facts.listener_id: _songs(facts, read) for facts in listeners}
    heard = {}
    for facts in listeners:
        styles = songs[facts.listener_id]
        found = None if styles is None else _heard(facts, styles.mean(0), read, size, signals)
        if found is not None:
            heard[facts.listener_id] = found
    if sum(len(each.mean) for each in heard.values()) < 2:
        return {}
    space = space_of(list(heard.values()))
    own = [fit(space, each) for each in heard.values()]
    cohort = others_mean(own, [len(each.mean) for each in heard.values()])
    found_likings = {}
    for (listener, each), prior in zip(heard.items(), cohort, strict=True):
        styles = songs[listener]
        if styles is not None and admitted(space, each, prior):
            found_likings[listener] = _liking(space, fit(space, each, prior), styles, listener.int % 2**32)
    return found_likings


def _songs(facts: ListenerFacts, read: Read) -> Tensor | None:
    """Styles of the songs that requests use [songs, size]; None where there are none, or of several bases."""
    read_styles = [_tensor(song.features_url, read, "style") for song in facts.songs[-MAX_SONGS:]]
    styles = [style for style in read_styles if style is not None]
    return torch.stack(styles) if len({len(style) for style in styles}) == 1 else None


def _heard(facts: ListenerFacts, wanted: Tensor, read: Read, size: int, signals: Signals) -> Heard | None:
    """None where nothing rated can be read."""
    believed = belief(facts.tracks[-MOST_TRACKS:], signals)
    place = {track: index for index, track in enumerate(believed.tracks)}
    rows, places = [], []
    for track in facts.tracks[-MOST_TRACKS:]:
        if track.track_id not in place:
            continue
        style, latents = (_tensor(track.features_url, read, name) for name in ("style", "latents"))
        if style is None or latents is None or style.shape != wanted.shape or len(latents) < 2:
            continue
        description = describe(style, latents, wanted)
        if len(description) == size:
            rows.append(description.double().numpy())
            places.append(place[track.track_id])
    if not rows:
        return None
    return Heard(np.stack(rows), believed.mean[places], believed.variance[places])


def _tensor(url: str, read: Read, name: str) -> Tensor | None:
    try:
        value = load(read(url))[name].float()
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    return value if bool(value.isfinite().all()) else None


def _liking(space: Space, weights: Weights, songs: Tensor, seed: int) -> Liking:
    found = actions(songs.double().numpy(), space, weights, seed)
    return Liking(
        Scorer(*_tensors(space.centre, space.scale, space.rows, weights.mean, weights.covariance)),
        Controls(*_tensors(found.styles, found.chances)),
    )


def _tensors(*values: Array) -> list[Tensor]:
    return [torch.from_numpy(value).float() for value in values]
