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
from serving.engine.adapters.scorer import Scorer, describe, described_size
from serving.engine.hearing.sound import SOUND_SIZE
from training.answers import belief
from training.cohorts import priors
from training.controls import actions
from training.preference import EVERY_SIGNAL, Signals
from training.scorer import Array, Heard, Space, Weights, contradicted, fit, space_of
from training.snapshot import ListenerFacts, Pick

Read = Callable[[str], bytes]
MOST_TRACKS = 200  # of a listener, the newest: what is bounded takes bounded time
MOST_PICKS = 50  # and as many picks, each among four tracks
FEWEST = 8  # answers of all together, below which nothing is learned


@dataclass(frozen=True, eq=False)
class Songs:
    """Styles of the songs that requests use [songs, size], and what they sound like on the whole [SOUND_SIZE]."""

    styles: Tensor
    sound: Tensor


@dataclass(frozen=True, eq=False)
class Liking:
    """What was learned of one listener without any gradient."""

    scorer: Scorer
    controls: Controls


def likings(
    listeners: Sequence[ListenerFacts],
    read: Read,
    signals: Signals = EVERY_SIGNAL,
    *,
    others: Sequence[ListenerFacts] = (),
) -> Mapping[UUID, Liking]:
    """Of everyone whose songs can be read, where the answers of all together taught something (see `scorer`), also of
    those who rated little; not of those whose own answers speak against it.

    Tracks whose features cannot be read, or are of another base than the songs, are left out, as is what was described
    before sound was measured.

    Args:
        listeners: of the round.
        read: a blob by its URL; may raise OSError.
        signals: which answers count.
        others: who have no part in the round; their answers, too, tell what all share.
    """
    everyone, of_the_round = [*listeners, *others], {facts.listener_id for facts in listeners}
    read_songs = {facts.listener_id: _songs(facts, read) for facts in everyone}
    sizes = [known.styles.shape[1] for known in read_songs.values() if known is not None]
    size = max(set(sizes), key=sizes.count, default=0)
    songs = {
        listener: known for listener, known in read_songs.items() if known is not None and known.styles.shape[1] == size
    }
    heard = {
        facts.listener_id: _heard(facts, songs[facts.listener_id], read, signals)
        for facts in everyone
        if facts.listener_id in songs
    }
    if sum(each.answers for each in heard.values()) < FEWEST:
        return {}
    space = space_of(list(heard.values()))
    attributes = {facts.listener_id: facts.attributes for facts in everyone}
    found = priors(space, list(heard.values()), [attributes[listener] for listener in heard])
    if found is None:
        return {}
    return {
        listener: _liking(space, fit(space, each, prior), songs[listener], listener.int % 2**32)
        for (listener, each), prior in zip(heard.items(), found, strict=True)
        if listener in of_the_round and not contradicted(space, each, prior)
    }


def _songs(facts: ListenerFacts, read: Read) -> Songs | None:
    """None where there are none, or of several bases, or nobody measured their sound."""
    files = [_features(song.features_url, read) for song in facts.songs[-MAX_SONGS:]]
    known = [file for file in files if file is not None]
    if len({len(style) for style, _ in known}) != 1:
        return None
    return Songs(torch.stack([style for style, _ in known]), torch.stack([sound for _, sound in known]).mean(0))


def _heard(facts: ListenerFacts, songs: Songs, read: Read, signals: Signals) -> Heard:
    tracks = facts.tracks[-MOST_TRACKS:]
    believed = belief(tracks, signals)
    place = {track: index for index, track in enumerate(believed.tracks)}
    rows, places = [], []
    for track in tracks:
        if track.track_id not in place:
            continue
        row = _description(track.features_url, songs, read)
        if row is not None:
            rows.append(row)
            places.append(place[track.track_id])
    empty = np.zeros((0, described_size(songs.styles.shape[1])))
    picks = [known for pick in facts.picks[-MOST_PICKS:] if (known := _picked(pick, songs, read)) is not None]
    return Heard(np.stack(rows) if rows else empty, believed.mean[places], believed.variance[places], tuple(picks))


def _picked(pick: Pick, songs: Songs, read: Read) -> Array | None:
    """Descriptions of its takes, the picked one first; None where that or all others are not there."""
    first = None if pick.picked_url is None else _description(pick.picked_url, songs, read)
    others = [row for url in pick.other_urls if (row := _description(url, songs, read)) is not None]
    return None if first is None or not others else np.stack([first, *others])


def _description(url: str, songs: Songs, read: Read) -> Array | None:
    """Of a track, beside the songs; None where its features are not there, or of another base."""
    file, wanted = _features(url, read), songs.styles.mean(0)
    if file is None or file[0].shape != wanted.shape:
        return None
    described: Array = describe(file[0], wanted, file[1], songs.sound).double().numpy()
    return described


def _features(url: str, read: Read) -> tuple[Tensor, Tensor] | None:
    """Style and sound, all finite; None where one is not there."""
    try:
        file = load(read(url))
        style, sound = file["style"].float(), file["sound"].float()
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    whole = style.ndim == 1 and sound.shape == (SOUND_SIZE,) and bool(torch.cat([style, sound]).isfinite().all())
    return (style, sound) if whole else None


def _liking(space: Space, weights: Weights, songs: Songs, seed: int) -> Liking:
    found = actions(songs.styles.double().numpy(), space, weights, seed)
    centre, scale, rows = _tensors(space.centre, space.scale, space.rows)
    mean, covariance = _tensors(weights.mean, weights.covariance)
    return Liking(Scorer(centre, scale, rows, mean, covariance), Controls(*_tensors(found.styles, found.chances)))


def _tensors(*values: Array) -> list[Tensor]:
    return [torch.from_numpy(value).float() for value in values]
