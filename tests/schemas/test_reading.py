"""Identifiers and times are read fast; what is taken, what it means and what is said of the rest stays the same."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.base import Moment, Stamp, Uuid, Uuid7
from schemas.events import EARLIEST, LATEST

UUIDS: TypeAdapter[UUID] = TypeAdapter(Uuid)
SEVENS: TypeAdapter[UUID] = TypeAdapter(Uuid7)
TIMES: TypeAdapter[datetime] = TypeAdapter(Moment)
STAMPS: TypeAdapter[datetime | None] = TypeAdapter(Stamp)
SEVEN = "019A0000-0000-7000-8000-00000000000f"
SPAN = (EARLIEST.replace(tzinfo=None), LATEST.replace(tzinfo=None))
ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def read(reader: TypeAdapter[Any], value: object) -> Any:
    """From JSON; where it is refused, the kind of the error."""
    try:
        return reader.validate_json(json.dumps(value))
    except ValidationError as error:
        (only,) = error.errors()
        assert only["loc"] == ()
        return only["type"]


@given(st.uuids())
def test_every_uuid_is_read_as_written(value: UUID) -> None:
    assert read(UUIDS, str(value)) == read(UUIDS, str(value).upper()) == value


@given(st.datetimes(*SPAN, timezones=ZONES))
def test_every_time_is_the_same_moment(moment: datetime) -> None:
    for written in (moment.isoformat(), moment.astimezone(UTC).isoformat().replace("+00:00", "Z")):
        found = read(TIMES, written)
        assert found == read(STAMPS, written) == TIMES.validate_python(written) == moment
        assert found.utcoffset() is not None


@pytest.mark.parametrize("text", ["2026-06-30T23:59:60Z", "2026-07-01t00:00:00z", "2026-07-01T00:00:00.0000000009Z"])
def test_unusual_texts_of_a_time_are_read_too(text: str) -> None:
    assert read(TIMES, text) == datetime(2026, 7, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [f"{{{SEVEN}}}", f"urn:uuid:{SEVEN}", SEVEN.replace("-", ""), SEVEN + "\n", "", "٠" * 8 + SEVEN[8:], 7, None],
)
def test_any_other_text_is_no_uuid(value: object) -> None:
    assert read(UUIDS, value) == read(SEVENS, value) == "uuid_text"


def test_an_event_id_is_of_version_7() -> None:
    assert read(SEVENS, SEVEN) == UUID(SEVEN)
    assert read(SEVENS, SEVEN.replace("-7", "-4", 1)) == "value_error"


@pytest.mark.parametrize(
    "value",
    [
        "2026-01-01",
        "2026-01-01T12:00Z",
        "2026-01-01T12:00:00",
        "2026-02-30T12:00:00Z",
        "0000-01-01T00:00:00Z",
        "",
        1767225600,
        1767225600000.0,
        "1767225600",
        True,
        None,
        [],
    ],
)
def test_anything_else_is_no_time_and_as_a_stamp_says_nothing(value: object) -> None:
    assert read(TIMES, value) == "time_text"
    assert read(STAMPS, value) is None
    with pytest.raises(ValidationError, match="Input should be a time such as"):
        TIMES.validate_python(value)
