"""The base model and the identifiers that every other schema is made of."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints


class Frozen(BaseModel):
    """Immutable, and strict about unknown fields: a misspelt field is an error, not a silence."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Open(BaseModel):
    """Immutable, and deaf to fields it does not know: events of a later writer stay readable, and CloudEvents allows
    extension attributes."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def _require_version_7(value: UUID) -> UUID:
    if value.version != 7:
        raise ValueError("a UUID of version 7 (RFC 9562) is expected")
    return value


Uuid7 = Annotated[UUID, AfterValidator(_require_version_7)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
CohortKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
CohortValue = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$")]


class Problem(Frozen):
    """The one shape of every error: what is wrong, in which field, and what was expected there."""

    code: str
    message: str
    field: str | None = None
    expected: str | None = None
    request_id: str | None = None
