"""Removes what the model registry holds of erased listeners: their models, and in every run their adapters and their
part of the snapshot. Every step may be repeated; the model goes last.

What a run says itself cannot be taken back over MLflow's API. Runs from before metrics were means alone name each
listener there: while such a run is left, the step stays open and the log names the run.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from uuid import UUID

import structlog

from training.erasing import without
from training.snapshot import sha256
from training.store import Store, named

_QUERIES: Final = named(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True)
class Run:
    """A round's run as the registry has it.

    Attributes:
        round_id: as its tag has it.
        snapshot_sha256: as its tag has it.
        active: False where an operator has deleted it: then its files lie there still, and its tags cannot be changed.
        says: every name and value of its parameters, metrics and tags.
    """

    run_id: str
    round_id: str
    snapshot_sha256: str
    active: bool
    says: str


class Registry(Protocol):
    """What is asked of the registry; every change may be repeated."""

    def runs(self) -> Sequence[Run]: ...

    def names(self, run_id: str, folder: str) -> list[str]:
        """Of files and folders right below a folder of the run's artifacts."""

    def read(self, run_id: str, path: str) -> bytes: ...

    def write(self, run_id: str, folder: str, name: str, data: bytes) -> None: ...

    def remove(self, run_id: str, path: str) -> None:
        """A file or a whole folder."""

    def name_snapshot(self, run_id: str, digest: str) -> None:
        """The run and the versions that came of it name this one."""

    def remove_model(self, listener_id: UUID) -> None:
        """With all its versions; none is no error."""


def is_due(store: Store) -> bool:
    """Whether there is somebody to forget now."""
    return bool(store.rows(_QUERIES["due"]))


def forget(store: Store, registry: Registry) -> int:
    """Removes every listener who is due; answers of how many nothing is left.

    Raises:
        RegistryUnavailable: the rest is due again.
    """
    due = store.rows(_QUERIES["due"])
    if not due:
        return 0
    gone = frozenset(str(row["listener"]) for row in due)
    checked = {str(row["round_id"]): row["sha256"] for row in store.rows(_QUERIES["snapshots"])}
    runs = registry.runs()
    for run in runs:
        _remove_adapters(registry, run, gone)
        # The factory's own snapshots are without them already, so one of the same name is too.
        if checked.get(run.round_id) != run.snapshot_sha256:
            _rewrite_snapshots(registry, run, gone)
    return sum([_remove_model(store, registry, runs, row["erasure_id"], row["listener"]) for row in due])


def _remove_adapters(registry: Registry, run: Run, gone: Collection[str]) -> None:
    for name in registry.names(run.run_id, "adapters"):
        if name in gone:
            registry.remove(run.run_id, f"adapters/{name}")


def _rewrite_snapshots(registry: Registry, run: Run, gone: Collection[str]) -> None:
    names = registry.names(run.run_id, "snapshot")
    digests = [_rewritten(registry, run, name.removesuffix(".json"), gone) for name in names]
    if run.active and digests and run.snapshot_sha256 not in digests:
        registry.name_snapshot(run.run_id, digests[-1])


def _rewritten(registry: Registry, run: Run, before: str, gone: Collection[str]) -> str:
    data = registry.read(run.run_id, f"snapshot/{before}.json")
    if not any(listener.encode() in data for listener in gone):
        return before
    if sha256(data) != before:  # damaged: nobody can read it
        registry.remove(run.run_id, f"snapshot/{before}.json")
        return before
    for listener in gone:
        data = without(data, UUID(listener))
    after = sha256(data)
    if run.active:
        registry.write(run.run_id, "snapshot", f"{after}.json", data)
    registry.remove(run.run_id, f"snapshot/{before}.json")
    return after


def _remove_model(store: Store, registry: Registry, runs: Sequence[Run], erasure_id: UUID, listener: UUID) -> bool:
    registry.remove_model(listener)
    log = structlog.get_logger().bind(erasure_id=str(erasure_id))
    saying = [run.run_id for run in runs if str(listener) in run.says]
    if saying:
        log.warning("runs_name_the_erased", run_ids=saying)
        return False
    store.rows(_QUERIES["confirm"], erasure_id=erasure_id)
    log.info("erased_in_registry")
    return True
