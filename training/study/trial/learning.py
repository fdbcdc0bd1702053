"""From what listeners heard to versions: the product's own methods, training and gate, on one branch's facts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid5

import numpy as np
import torch
from torch import Tensor

from schemas.generation import Competitor
from schemas.registry import AdapterRef
from serving.engine.bases.base import Base
from training.blobs import Blobs
from training.liking import Liking, likings
from training.measuring import measuring
from training.methods import METHODS, diffusion_kto, flow_dpo, signed, staged_rewards
from training.methods.steering import Steering, steer
from training.preference import Belief, Hearing, Signals, estimate
from training.snapshot import Contest, Example, ListenerFacts, RatedTrack, Recipe, Song, build, sha256
from training.study.trial.approaches import Branch, Signal
from training.study.trial.records import Record
from training.train import Place, Training

NAMESPACE = UUID("6f0c3c52-5a2b-4c55-9a0e-3c2f0a3d7a10")
DAY = datetime(2026, 1, 1, tzinfo=UTC)
FIT: Mapping[Signal, Signals] = {
    "stars": Signals(listening=False),
    "time": Signals(stars=False),
    "both": Signals(),
    "permuted": Signals(listening=False),
    "none": Signals(stars=False, listening=False),
}
PARENTS = 3
# Adapters whose examples say how sure it is what was liked.
BY_SIGNAL: Mapping[str | None, Callable[[ListenerFacts, Signals], tuple[Example, ...]]] = {
    "signed": signed.examples,
    "threshold_guided": signed.examples,
    "diffusion_kto": diffusion_kto.examples,
    "flow_dpo": flow_dpo.examples,
}


@dataclass(frozen=True, eq=False)
class Version:
    """All that was learned of one listener; nothing of it is the songs alone."""

    adapter: AdapterRef | None = None
    steering: Steering | None = None
    parents: tuple[Tensor, ...] = ()
    liking: Liking | None = None
    refused: str = ""


@dataclass(frozen=True, eq=False)
class Pupil:
    """What is known of one listener when a version is made: song files, mean style of the songs, tracks oldest first,
    the adapter so far, tracks that won a contest of seeds, oldest first, and whether their style is held out of all
    that is shared."""

    number: int
    song_files: tuple[str, ...]
    songs: Tensor
    heard: Sequence[Record]
    champion: AdapterRef | None
    won: Sequence[Record] = ()
    unseen: bool = False


def permuted(records: Sequence[Record], rng: np.random.Generator) -> list[Record]:
    """The placebo: the same stars and shares, dealt out anew among the tracks of the listener."""
    order = rng.permutation(len(records))
    return [
        replace(record, stars=records[other].stars, heard=records[other].heard)
        for record, other in zip(records, order, strict=True)
    ]


def believe(records: Sequence[Record], seconds: float, signal: Signal) -> Belief:
    """Satisfaction with each of these tracks."""
    hearings = [Hearing(_id(r.key), r.heard * seconds, seconds, () if r.stars is None else (r.stars,)) for r in records]
    return estimate(hearings, signals=FIT[signal])


def versions(
    base: Base,
    branch: Branch,
    pupils: Sequence[Pupil],
    others: Sequence[Pupil],
    recipe: Recipe,
    seconds: float,
    blobs: Blobs,
    folder: Path,
) -> list[Version]:
    """One for each listener.

    Args:
        base: without a pool.
        branch: what is learned from what.
        pupils: their songs and what they heard.
        others: who only tell what all share.
        recipe: of the adapters.
        seconds: of a track.
        blobs: where features lie and versions go.
        folder: for the training's own files.

    Raises:
        RuntimeError: somebody could not be trained at all; a study of that would measure nothing.
    """
    approach = branch.made_by
    facts = _everyone(pupils, seconds)
    adapters = _adapters(base, branch, facts, recipe, blobs, folder) if approach.adapter else {}
    liked: Mapping[UUID, Liking] = {}
    if approach.choose > 1 or approach.controlled:
        liked = _liked(pupils, others, branch.signal, seconds, blobs)
    found = []
    for pupil in pupils:
        belief = believe(pupil.heard, seconds, branch.signal)
        adapter, refused = adapters.get(_id(f"listener {pupil.number}"), (None, ""))
        known = heard_of(pupil.heard, belief)
        found.append(
            Version(
                adapter=adapter or pupil.champion,
                steering=_steering(pupil.songs, known, belief) if approach.steered else None,
                parents=_parents(known, belief) if approach.bred else (),
                liking=liked.get(_id(f"listener {pupil.number}")),
                refused=refused,
            )
        )
    return found


def heard_of(records: Sequence[Record], belief: Belief) -> list[Record]:
    """Those of these tracks that something is believed of, in the belief's order: who left at once says nothing."""
    named = {_id(record.key): record for record in records}
    return [named[track] for track in belief.tracks]


def judged(
    pupils: Sequence[Pupil], others: Sequence[Pupil], signal: Signal, seconds: float, blobs: Blobs
) -> list[Version]:
    """Versions as they were served: the adapter of each pupil, and a judge of seeds learned from what they heard."""
    liked = _liked(pupils, others, signal, seconds, blobs)
    return [Version(pupil.champion, liking=liked.get(_id(f"listener {pupil.number}"))) for pupil in pupils]


def _everyone(pupils: Sequence[Pupil], seconds: float) -> dict[UUID, ListenerFacts]:
    return {_id(f"listener {pupil.number}"): _facts(pupil, seconds) for pupil in pupils}


def _liked(
    pupils: Sequence[Pupil], others: Sequence[Pupil], signal: Signal, seconds: float, blobs: Blobs
) -> dict[UUID, Liking]:
    """As a round of the product has it; who comes from a style that is held out is a round alone, so that nobody else
    learns from them."""
    shared = list(_everyone([pupil for pupil in pupils if not pupil.unseen], seconds).values())
    told = list(_everyone(others, seconds).values())
    found = dict(likings(shared, blobs.read, FIT[signal], others=told))
    for facts in _everyone([pupil for pupil in pupils if pupil.unseen], seconds).values():
        found |= likings([facts], blobs.read, FIT[signal], others=[*shared, *told])
    return found


def _steering(songs: Tensor, known: Sequence[Record], belief: Belief) -> Steering:
    styles = torch.stack([record.tensors["style"] for record in known]) if known else torch.zeros(0, len(songs))
    octaves = np.log2([record.bpm for record in known])
    return steer(songs.double().numpy(), styles.double().numpy(), octaves, [record.minor for record in known], belief)


def _parents(known: Sequence[Record], belief: Belief) -> tuple[Tensor, ...]:
    """Starts of what is believed to be liked best."""
    best = np.argsort(-belief.mean)[:PARENTS]
    return tuple(known[int(place)].tensors["start"] for place in best if belief.mean[place] > 0)


def _adapters(
    base: Base, branch: Branch, facts: Mapping[UUID, ListenerFacts], recipe: Recipe, blobs: Blobs, folder: Path
) -> dict[UUID, tuple[AdapterRef | None, str]]:
    """A new adapter, or why there is none."""
    snapshot = build(base.manifest.base_hash, recipe, facts.values(), _method(base, branch, blobs))
    place = Place(folder / "training.pt", every_s=300.0, slots=len(facts))
    training = Training(base, snapshot, sha256(snapshot.dump()), blobs, place)
    found: dict[UUID, tuple[AdapterRef | None, str]] = {}
    for each in training.run(lambda _: None).outcomes:
        if each.broken:
            raise RuntimeError(f"listener {each.listener_id}: {each.refused}")
        listener = UUID(each.listener_id)
        found[listener] = (None, each.refused)
        if not each.refused:
            hashes = {"sha256": each.sha256, "base_hash": base.manifest.base_hash}
            found[listener] = AdapterRef(listener_id=listener, version=1, url=each.url, **hashes), each.bare
    return found


def _method(base: Base, branch: Branch, blobs: Blobs) -> Callable[[ListenerFacts], tuple[Example, ...]]:
    name = branch.made_by.adapter
    if name in BY_SIGNAL:
        return lambda facts: BY_SIGNAL[name](facts, FIT[branch.signal])
    if name == "staged_rewards":
        measure = measuring(base, blobs.read)
        return lambda facts: staged_rewards.examples(facts, measure, FIT[branch.signal])
    return METHODS[str(name)]


def _facts(pupil: Pupil, seconds: float) -> ListenerFacts:
    songs = tuple(
        Song(song_id=_id(file), features_url=file, created_at=DAY + timedelta(seconds=place))
        for place, file in enumerate(pupil.song_files)
    )
    tracks = tuple(
        RatedTrack(
            track_id=_id(record.key),
            features_url=record.file,
            prompt=record.prompt,
            arm="champion",
            stars=record.stars,
            heard=round(record.heard, 4),
            seconds=seconds,
            rated_at=DAY + timedelta(days=1, seconds=place),
        )
        for place, record in enumerate(pupil.heard)
        if record.stars is not None
    )
    listener = _id(f"listener {pupil.number}")
    contests = tuple(_contest(record, place) for place, record in enumerate(pupil.won))
    return ListenerFacts(listener_id=listener, songs=songs, tracks=tracks, contests=contests, champion=pupil.champion)


def _contest(record: Record, place: int) -> Contest:
    """As the product stores it."""
    seeds = (Competitor(seed=seed, final=score, chosen=seed == 0) for seed, score in enumerate(record.scores))
    return Contest(
        track_id=_id(record.key),
        features_url=record.file,
        prompt=record.prompt,
        competitors=tuple(seeds),
        made_at=DAY + timedelta(days=1, seconds=place),
    )


def _id(name: str) -> UUID:
    return uuid5(NAMESPACE, name)
