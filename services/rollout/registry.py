"""Moves aliases in the model registry, over MLflow's REST API: this process carries no MLflow client.

It does not decide which version an alias should name.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Protocol, Self

import httpx

from services.errors import BackendAway, ServiceError

ALIAS: Final = "/api/2.0/mlflow/registered-models/alias"
MODEL: Final = "/api/2.0/mlflow/registered-models/get"


class UnknownVersion(ServiceError):
    """The registry has no such model, or no such version of it: deleted, or never made."""

    def __init__(self, model: str, message: str) -> None:
        super().__init__("unknown_version", message, status=404)
        self.model = model


class RefusedByRegistry(BackendAway):
    """The registry answers, but not as asked: what is wrong may concern this one model only."""


class Registry(Protocol):
    """Aliases of registered models. Every change may be repeated."""

    def aliases(self, model: str) -> Mapping[str, int]:
        """Version by alias.

        Raises:
            UnknownVersion: no such model.
            BackendAway: the registry cannot be reached; as RefusedByRegistry: it answered with an error.
        """

    def point(self, model: str, alias: str, version: int) -> None:
        """Let the alias name this version; raises as `aliases` does."""

    def drop(self, model: str, alias: str) -> None:
        """Take the alias away, if it is there; raises as `aliases` does."""


class MlflowRegistry:
    """A `Registry` that is an MLflow tracking server."""

    def __init__(self, url: str, login: tuple[str, str] | None = None, timeout_s: float = 10.0) -> None:
        """`login` is user and password, where it asks for them."""
        self._client = httpx.Client(base_url=url, auth=login, timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def aliases(self, model: str) -> Mapping[str, int]:
        answer = self._ask("GET", MODEL, model, params={"name": model})
        return {each["alias"]: int(each["version"]) for each in answer["registered_model"].get("aliases", [])}

    def point(self, model: str, alias: str, version: int) -> None:
        self._ask("POST", ALIAS, model, json={"name": model, "alias": alias, "version": str(version)})

    def drop(self, model: str, alias: str) -> None:
        self._ask("DELETE", ALIAS, model, json={"name": model, "alias": alias})

    def _ask(self, method: str, path: str, model: str, **content: Any) -> Any:
        try:
            answer = self._client.request(method, path, **content)
        except httpx.TransportError as error:
            raise BackendAway("mlflow", f"MLflow cannot be reached: {type(error).__name__}") from error
        if answer.status_code == httpx.codes.NOT_FOUND and "RESOURCE_DOES_NOT_EXIST" in answer.text:
            raise UnknownVersion(model, f"{model}: {answer.json().get('message', 'not found')}")
        if answer.status_code == httpx.codes.FORBIDDEN and method != "GET":
            # Who may change every model is refused where there is none; reading says so.
            self.aliases(model)
        if not answer.is_success:
            raise RefusedByRegistry(
                "mlflow", f"MLflow answered {answer.status_code} to {method} {path}: {answer.text[:200]}"
            )
        return answer.json()
