"""What each listener of a round likes, as scorers for their version files: from rated tracks to fitted weights."""

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from schemas.generation import MAX_SONGS
from serving.engine.adapters.scorer import Scorer, describe
from training.methods.weighted_sft import offset
from training.scorer import Array, Heard, Space, Weights, admitted, fit, others_mean, space_of
from training.snapshot import ListenerFacts

Read = Callable[[str], bytes]
# How unsure the satisfaction with a track is when all that is known is its stars, as a share of what varies.
UNSURE = 0.3
MOST_TRACKS = 200  # of a listener, the newest: what is bounded takes bounded time


def scorers(listeners: Sequence[ListenerFacts], read: Read, size: int) -> Mapping[UUID, Scorer]:
    """Of those listeners whose ratings foretell each other; the others are the prior of each.

    Tracks whose features cannot be read, or are of another base, are left out.

    Args:
        listeners: of the round.
        read: a blob by its URL; may raise OSError.
        size: of a description under the base.
    """
    heard = {facts.listener_id: found for facts in listeners if (found := _heard(facts, read, size)) is not None}
    if not heard or sum(len(each.mean) for each in heard.values()) < 2:
        return {}
    space = space_of(list(heard.values()))
    own = [fit(space, each) for each in heard.values()]
    cohort = others_mean(own, [len(each.mean) for each in heard.values()])
    return {
        listener: _scorer(space, fit(space, each, prior))
        for (listener, each), prior in zip(heard.items(), cohort, strict=True)
        if admitted(space, each, prior)
    }


def _heard(facts: ListenerFacts, read: Read, size: int) -> Heard | None:
    """None where nothing rated can be read, or there is no song to be like."""
    read_styles = [_tensor(song.features_url, read, "style") for song in facts.songs[-MAX_SONGS:]]
    styles = [style for style in read_styles if style is not None]
    if len({len(style) for style in styles}) != 1:
        return None
    wanted, middle = torch.stack(styles).mean(0), offset(facts.tracks)
    rows, stars = [], []
    for track in facts.tracks[-MOST_TRACKS:]:
        style, latents = (_tensor(track.features_url, read, name) for name in ("style", "latents"))
        if style is None or latents is None or style.shape != wanted.shape or len(latents) < 2:
            continue
        description = describe(style, latents, wanted)
        if len(description) == size:
            rows.append(description.double().numpy())
            stars.append(track.stars - middle)
    if not rows:
        return None
    mean = np.array(stars) * (1 - UNSURE)
    return Heard(np.stack(rows), mean, np.full(len(mean), UNSURE))


def _tensor(url: str, read: Read, name: str) -> Tensor | None:
    try:
        value = load(read(url))[name].float()
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    return value if bool(value.isfinite().all()) else None


def _scorer(space: Space, weights: Weights) -> Scorer:
    values: tuple[Array, ...] = (space.centre, space.scale, space.rows, weights.mean, weights.covariance)
    return Scorer(*(torch.from_numpy(value).float() for value in values))
