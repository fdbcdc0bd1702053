"""One round from its row to its versions: snapshot, training, registration, end.

Each phase leaves something that the next start finds: the snapshot's hash, the checkpoint, versions with tags, and at
last one transaction that ends the round. So a round may be killed anywhere and has one version a listener in the end.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from schemas.registry import AdapterRef
from serving.engine.bases.base import Base
from training import checkpoint, snapshot
from training.blobs import Blobs
from training.measuring import measuring
from training.methods import method
from training.registry import version_tags
from training.settings import Settings
from training.snapshot import Snapshot
from training.store import Round, Store, Version
from training.train import Outcome, Place, Report, Result, Training

MOST_OTHERS: Final = 96  # listeners beside the round's own from whom it learns what all share (decision 0710)


class Versions(Protocol):
    """What a round needs of the registry."""

    def run_of(self, round_id: UUID, params: Mapping[str, object], snapshot: bytes, snapshot_sha256: str) -> str: ...

    def log_metrics(self, run_id: str, losses: tuple[float, ...], scores: Mapping[str, float]) -> None: ...

    def version(
        self, run_id: str, round_id: UUID, listener_id: UUID, data: bytes, tags: Mapping[str, str], *, candidate: bool
    ) -> int: ...

    def finish(self, run_id: str) -> None: ...


@dataclass(frozen=True)
class Room:
    """What a round works with. Base and registry are opened only when their phase comes."""

    settings: Settings
    store: Store
    blobs: Blobs
    base: Callable[[], Base]
    registry: Callable[[], Versions]
    report: Callable[[str, Mapping[str, float]], None]


def finish(room: Room, current: Round) -> int:
    """Works on a round until it has ended.

    Returns:
        How many adapters it registered.
    """
    base = room.base()
    data, digest = _snapshot(room, current, base)
    facts = snapshot.load(data, digest)
    place = Place(
        room.settings.factory_folder / "rounds" / str(current.round_id) / "checkpoint.pt",
        room.settings.factory_checkpoint_s,
        room.settings.factory_slots,
    )
    trained = Training(base, facts, digest, room.blobs, place).run(_step_report(room, current))
    versions = _register(room, current, facts, data, trained)
    troubles = _troubles(facts, trained)
    learned = {entry.facts.listener_id: entry.facts.learned for entry in facts.listeners}
    for listener in troubles:
        learned.pop(listener, None)
    detail = _detail(trained, facts)
    room.store.finish_round(current.round_id, versions, learned, troubles, room.settings.rest, detail, trained.losses)
    room.report("left_out", {"listeners": len(troubles)})
    checkpoint.remove(place.path)
    return len(versions)


def _troubles(facts: Snapshot, trained: Result) -> dict[UUID, str]:
    """Those who were not trained for a reason of their own; that no adapter came of a training is none."""
    read = {left.listener_id: left.reason for left in facts.left_out}
    return read | {UUID(outcome.listener_id): outcome.refused for outcome in trained.outcomes if outcome.broken}


def _snapshot(room: Room, current: Round, base: Base) -> tuple[bytes, str]:
    room.report("snapshot", {"listeners": len(current.listeners)})
    if current.snapshot_sha256 is not None:
        return room.blobs.read(room.blobs.url(_key(current.snapshot_sha256))), current.snapshot_sha256
    room.store.set_detail(current.round_id, "reading what there is to learn from")
    recipe = room.settings.recipe
    facts = room.store.facts(current.listeners)
    others = room.store.others(current.listeners, MOST_OTHERS)
    made_by = method(recipe.method, measuring(base, room.blobs.read))
    data = snapshot.build(base.manifest.base_hash, recipe, facts, made_by, others).dump()
    digest = snapshot.sha256(data)
    room.blobs.write_once(_key(digest), data)
    room.store.set_snapshot(current.round_id, digest)
    return data, digest


def _step_report(room: Room, current: Round) -> Report:
    shown = -1

    def report(metrics: Mapping[str, float]) -> None:
        nonlocal shown
        room.report("training", metrics)
        percent = int(100 * metrics["rows_steps"] / metrics["rows_steps_total"])
        if percent // 5 != shown:
            shown = percent // 5
            room.store.set_detail(current.round_id, f"training {len(current.listeners)} listeners: {percent} %")

    return report


def _register(room: Room, current: Round, facts: Snapshot, data: bytes, trained: Result) -> list[Version]:
    accepted = [outcome for outcome in trained.outcomes if not outcome.refused]
    room.report("registering", {"adapters": len(accepted)})
    room.store.set_detail(current.round_id, f"registering {len(accepted)} adapters")
    registry = room.registry()
    digest = snapshot.sha256(data)
    params = facts.recipe.model_dump() | {"base_hash": facts.base_hash, "listeners": len(facts.listeners)}
    run_id = registry.run_of(current.round_id, params, data, digest)
    room.store.set_run(current.round_id, run_id)
    versions = [_version(room, registry, run_id, current, facts, digest, outcome) for outcome in accepted]
    for outcome in trained.outcomes:
        if outcome.refused and outcome.url:
            # For whoever asks why: no row names it, so nothing serves it.
            _version(room, registry, run_id, current, facts, digest, outcome)
    registry.log_metrics(run_id, trained.losses, _summary(trained))
    registry.finish(run_id)
    return versions


def _version(
    room: Room, registry: Versions, run_id: str, current: Round, facts: Snapshot, digest: str, outcome: Outcome
) -> Version:
    listener_id, method = UUID(outcome.listener_id), _method(facts, outcome)
    tags = version_tags(
        {
            "base_hash": facts.base_hash,
            "rank": facts.recipe.rank,
            "targets": "attention and feed-forward of every layer",
            "sha256": outcome.sha256,
            "url": outcome.url,
            "snapshot_sha256": digest,
            "method": method,
            **{f"score.{name}": f"{value:.6g}" for name, value in outcome.scores.items()},
            **({"refused": outcome.refused} if outcome.refused else {}),
            **({"without_factors": outcome.bare} if outcome.bare else {}),
        }
    )
    data = room.blobs.read(outcome.url)
    candidate = not outcome.refused
    number = registry.version(run_id, current.round_id, listener_id, data, tags, candidate=candidate)
    adapter = AdapterRef(
        listener_id=listener_id, version=number, url=outcome.url, sha256=outcome.sha256, base_hash=facts.base_hash
    )
    return Version(adapter, facts.recipe.rank, digest, outcome.scores, method)


def _method(facts: Snapshot, outcome: Outcome) -> str:
    """How a version was made: by the recipe's method, by the songs alone, or by choice among what is sampled."""
    if outcome.bare:
        return "selection"
    entry = next(entry for entry in facts.listeners if str(entry.facts.listener_id) == outcome.listener_id)
    if not entry.has_feedback:
        return "songs"
    # Songs alone, of somebody who brought none.
    return "signed" if facts.recipe.method == "songs" else facts.recipe.method


def _summary(trained: Result) -> dict[str, float]:
    """Means over listeners of each score. Nobody is named: a run's metrics cannot be removed, and each listener's own
    scores are tags of their version, which can."""
    judged = [outcome for outcome in trained.outcomes if outcome.scores]
    names = sorted({name for outcome in judged for name in outcome.scores})
    summary = {}
    for name in names:
        values = [outcome.scores[name] for outcome in judged if name in outcome.scores]
        summary[f"mean_{name}"] = sum(values) / len(values)
    return summary | {"accepted": len(trained.outcomes) - _refused(trained), "refused": _refused(trained)}


def _detail(trained: Result, facts: Snapshot) -> str:
    reasons = [f"{left.listener_id}: {left.reason}" for left in facts.left_out]
    reasons += [
        f"{each.listener_id}: {each.refused or each.bare}" for each in trained.outcomes if each.refused or each.bare
    ]
    return f"{len(reasons)} without an adapter: {'; '.join(reasons)}"[:2000] if reasons else ""


def _refused(trained: Result) -> int:
    return sum(bool(outcome.refused) for outcome in trained.outcomes)


def _key(digest: str) -> str:
    return f"snapshots/{digest}.json"
