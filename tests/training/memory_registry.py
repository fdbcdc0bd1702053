"""A model registry in memory that behaves as MLflow does in what rounds and erasures ask: the same suite runs against
both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from schemas.registry import model_name
from training.forgetting import Run


@dataclass
class Stored:
    """A run with its artifacts by path."""

    round_id: str
    snapshot_sha256: str
    active: bool = True
    says: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


class MemoryRegistry:
    """Runs by id, and versions by model: each with the run and the tags that it has."""

    def __init__(self) -> None:
        self.stored: dict[str, Stored] = {}
        self.models: dict[str, list[tuple[str, dict[str, str]]]] = {}

    def run_of(self, round_id: UUID, params: Mapping[str, object], snapshot: bytes, snapshot_sha256: str) -> str:
        run_id, says = uuid4().hex, {name: str(value) for name, value in params.items()}
        path = f"snapshot/{snapshot_sha256}.json"
        self.stored[run_id] = Stored(str(round_id), snapshot_sha256, says=says, files={path: snapshot})
        return run_id

    def log_metrics(self, run_id: str, losses: Sequence[float], scores: Mapping[str, float]) -> None:
        self.stored[run_id].says |= {"losses": str(losses), **{name: str(value) for name, value in scores.items()}}

    def version(
        self, run_id: str, round_id: UUID, listener_id: UUID, data: bytes, tags: Mapping[str, str], *, candidate: bool
    ) -> int:
        self.stored[run_id].files[f"adapters/{listener_id}/{tags['encore.sha256']}.safetensors"] = data
        versions = self.models.setdefault(model_name(listener_id), [])
        versions.append((run_id, {**tags, "encore.round_id": str(round_id), "candidate": str(candidate)}))
        return len(versions)

    def runs(self) -> list[Run]:
        return [
            Run(run_id, each.round_id, each.snapshot_sha256, each.active, str(each.says))
            for run_id, each in self.stored.items()
        ]

    def names(self, run_id: str, folder: str) -> list[str]:
        paths = [path.split("/") for path in self.stored[run_id].files if path.startswith(f"{folder}/")]
        depth = folder.count("/") + 1
        return sorted({parts[depth] for parts in paths})

    def read(self, run_id: str, path: str) -> bytes:
        return self.stored[run_id].files[path]

    def write(self, run_id: str, folder: str, name: str, data: bytes) -> None:
        self.stored[run_id].files[f"{folder}/{name}"] = data

    def remove(self, run_id: str, path: str) -> None:
        files = self.stored[run_id].files
        for each in [each for each in files if each == path or each.startswith(f"{path}/")]:
            del files[each]

    def name_snapshot(self, run_id: str, digest: str) -> None:
        if not self.stored[run_id].active:
            raise ValueError("a deleted run's tags cannot be set")
        for versions in self.models.values():
            for of, tags in versions:
                if of == run_id:
                    tags["encore.snapshot_sha256"] = digest
        self.stored[run_id].snapshot_sha256 = digest

    def remove_model(self, listener_id: UUID) -> None:
        self.models.pop(model_name(listener_id), None)

    def delete_run(self, run_id: str) -> None:
        """As an operator does on MLflow's page."""
        self.stored[run_id].active = False

    def versions(self, listener_id: UUID) -> list[dict[str, str]]:
        """The tags of each version of the listener."""
        return [tags for _, tags in self.models.get(model_name(listener_id), [])]

    def traces(self, text: str) -> list[str]:
        """Where something names this."""
        found = [name for name in self.models if text in name]
        for run_id, each in self.stored.items():
            found += [run_id] if text in str(each.says) else []
            found += [path for path, data in each.files.items() if text in path or text.encode() in data]
        return found
