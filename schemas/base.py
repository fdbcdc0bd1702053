"""The base model and the identifiers that every other schema is made of."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

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
    if isinstance(value, datetime):
        return value
    wrong = PydanticCustomError("time_text", "Input should be a time such as 2026-01-01T12:00:00Z")
    if not isinstance(value, str) or not _TIME.fullmatch(value):
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


def _read_mark(value: object) -> object:
    """The same for a field of `data` that was free before."""
    try:
        return _read_uuid(value) if isinstance(value, str | UUID) else None
    except PydanticCustomError:
        return None


@dataclass(frozen=True, eq=False)
class _Text:
    """Reads the usual text of a value inside the validator's own machine, faster than Python could. Whatever is not
    written so goes to `slow`, which alone decides what else is taken; `kind` and `says` are the error for all that is
    not."""

    pattern: str
    fast: CoreSchema
    slow: Callable[[object], object]
    kind: str
    says: str

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        usual = core_schema.chain_schema([core_schema.str_schema(pattern=self.pattern), self.fast])
        other = core_schema.no_info_before_validator_function(self.slow, handler(source))
        either = core_schema.union_schema(
            [usual, other], mode="left_to_right", custom_error_type=self.kind, custom_error_message=self.says
        )
        return core_schema.json_or_python_schema(json_schema=either, python_schema=other)

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(self.fast)


_UUID_TEXT: Final = _Text(
    pattern="^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
    fast=core_schema.uuid_schema(),
    slow=_read_uuid,
    kind="uuid_text",
    says="Input should be a UUID such as 019a0000-0000-7000-8000-000000000000",
)
_TIME_PATTERN: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-]00:00)$"
)
_TIME_TEXT: Final = _Text(
    pattern=_TIME_PATTERN,
    fast=core_schema.datetime_schema(tz_constraint="aware"),
    slow=_read_time,
    kind="time_text",
    says="Input should be a time such as 2026-01-01T12:00:00Z",
)
_STAMP_TEXT: Final = replace(_TIME_TEXT, slow=_read_stamp)

# How identifiers, times and numbers are written in events: what the JSON Schema allows, and nothing beside it.
Uuid = Annotated[UUID, _UUID_TEXT]
Uuid7 = Annotated[UUID, _UUID_TEXT, AfterValidator(_require_version_7)]
Mark = Annotated[UUID | None, replace(_UUID_TEXT, slow=_read_mark), WithJsonSchema({})]
Moment = Annotated[AwareDatetime, _TIME_TEXT]
Stamp = Annotated[AwareDatetime | None, _STAMP_TEXT, WithJsonSchema({})]
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
