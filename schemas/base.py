"""The base model and the identifiers that every other schema is made of."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)", re.ASCII
)


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


def _read_uuid(value: object) -> object:
    """The one form of RFC 9562: pydantic alone also reads braces, `urn:uuid:` and no hyphens."""
    if not isinstance(value, str):
        return value
    if not _UUID.fullmatch(value):
        raise PydanticCustomError("uuid_text", "Input should be a UUID such as 019a0000-0000-7000-8000-000000000000")
    return UUID(value)


def _read_time(value: object) -> object:
    """RFC 3339: pydantic alone also reads numbers and times without seconds. A leap second is the second after it."""
    if not isinstance(value, str):
        return value
    wrong = PydanticCustomError("time_text", "Input should be a time such as 2026-01-01T12:00:00Z")
    if not _TIME.fullmatch(value):
        raise wrong
    leap = value[17:19] == "60"
    text = f"{value[:17]}59{value[19:]}" if leap else value
    try:
        return datetime.fromisoformat(text.upper()) + timedelta(seconds=leap)
    except (ValueError, OverflowError) as error:
        raise wrong from error


def _read_whole(value: object) -> object:
    """JSON knows one kind of number: 4.0 is the integer 4 (JSON Schema 2020-12, section 6.1.1)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _read_stamp(value: object) -> object:
    """An attribute that was free before it got a meaning: whatever else stands there says nothing."""
    try:
        return _read_time(value) if isinstance(value, str | datetime) else None
    except PydanticCustomError:
        return None


# How identifiers, times and numbers are written in events: what the JSON Schema allows, and nothing beside it.
Uuid = Annotated[UUID, BeforeValidator(_read_uuid)]
Uuid7 = Annotated[UUID, BeforeValidator(_read_uuid), AfterValidator(_require_version_7)]
Moment = Annotated[AwareDatetime, BeforeValidator(_read_time)]
Stamp = Annotated[AwareDatetime | None, BeforeValidator(_read_stamp), WithJsonSchema({})]
WHOLE: Final = BeforeValidator(_read_whole)
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
