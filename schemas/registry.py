"""Names shared by the factory, the rollout service and the engine when they speak of adapters."""

from typing import Annotated, Final
from uuid import UUID

from pydantic import Field

from schemas.base import Frozen, Sha256

CHAMPION: Final = "champion"
CANDIDATE: Final = "candidate"
PREVIOUS: Final = "previous"


def model_name(listener_id: UUID) -> str:
    """The listener's registered model in MLflow."""
    return f"listener-{listener_id}"


class AdapterRef(Frozen):
    """One immutable adapter version: where its bytes are and how to know them."""

    listener_id: UUID
    version: Annotated[int, Field(ge=1)]
    url: str
    sha256: Sha256
    base_hash: Sha256

    @property
    def model_version(self) -> str:
        return f"{model_name(self.listener_id)}/{self.version}"


class AdapterManifest(Frozen):
    """Stored in the safetensors metadata of an adapter."""

    base_hash: Sha256
    rank: Annotated[int, Field(ge=1)]
    alpha: Annotated[float, Field(gt=0)]
    targets: tuple[str, ...]
    snapshot_sha256: Sha256
    steps: Annotated[int, Field(ge=0)]
    listener_id: UUID | None = None
