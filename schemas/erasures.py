"""The part of the HTTP API with which a listener is erased."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from schemas.api import PrincipalKind
from schemas.base import Frozen

ErasedStore = Literal[
    "gateway", "blobs", "feedback", "archives", "rollout", "training", "mlflow", "engine", "kafka", "audit"
]
"""Where something of a listener may lie: rows of the gateway, of feedback, of rollout and of training in PostgreSQL,
files, archived months of events, the model registry, what the engine keeps at hand, the log, the audit."""
Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]*\S[^\x00]*$")]


class ErasureStep(Frozen):
    """What one store says. While `confirmed_at` is null, something may lie there still; `waits_for` says until when or
    what, where time alone does not bring it."""

    store: ErasedStore
    confirmed_at: AwareDatetime | None
    waits_for: str | None = None


class ErasureView(Frozen):
    """`done_at` is null until every store has confirmed."""

    erasure_id: UUID
    asked_by: PrincipalKind
    reason: str
    asked_at: AwareDatetime
    done_at: AwareDatetime | None
    steps: list[ErasureStep]
