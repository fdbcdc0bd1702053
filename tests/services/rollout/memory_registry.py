"""A model registry in memory that behaves as MLflow does: the same suite runs against both."""

from collections.abc import Mapping

from services.errors import BackendAway
from services.rollout.registry import UnknownVersion


class MemoryRegistry:
    """Aliases and versions by model. While `away`, it answers nobody."""

    def __init__(self) -> None:
        self.away = False
        self.versions: dict[str, int] = {}
        self.named: dict[str, dict[str, int]] = {}

    def register(self, model: str) -> int:
        """A new version of a model, which it makes if there is none."""
        self.versions[model] = self.versions.get(model, 0) + 1
        self.named.setdefault(model, {})
        return self.versions[model]

    def aliases(self, model: str) -> Mapping[str, int]:
        return dict(self._model(model))

    def point(self, model: str, alias: str, version: int) -> None:
        aliases = self._model(model)
        if not 1 <= version <= self.versions[model]:
            raise UnknownVersion(model, f"{model} has no version {version}")
        aliases[alias] = version

    def drop(self, model: str, alias: str) -> None:
        self._model(model).pop(alias, None)

    def _model(self, model: str) -> dict[str, int]:
        if self.away:
            raise BackendAway("mlflow", "MLflow cannot be reached")
        if model not in self.named:
            raise UnknownVersion(model, f"{model} is unknown")
        return self.named[model]
