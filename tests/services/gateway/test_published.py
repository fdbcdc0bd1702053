"""The gate and the published JSON Schema are of one mind: what the schema refuses the gate refuses, and what it allows
the gate can read."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import jsonschema
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import FormatChecker

from infra.documents.events import schema, types
from services.gateway.intake import read

FAMILIES = ("pair", "play", "rating")
TYPES = {name: family for family in FAMILIES for name in types(family)}
UUID7 = "019a0000-0000-7000-8000-00000000000a"

# The formats of JSON Schema 2020-12 as their own grammars say it; jsonschema's need packages of their own.
FORMATS = FormatChecker(formats=())


@FORMATS.checks("uuid", raises=ValueError)
def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or str(UUID(value)) == value.lower()


@FORMATS.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    if not isinstance(value, str):
        return True
    separators = len(value) >= 20 and value[10] in "Tt" and value[13] == value[16] == ":"
    return separators and datetime.fromisoformat(value.upper()).tzinfo is not None


CHECKS = {family: jsonschema.Draft202012Validator(schema(family), format_checker=FORMATS) for family in FAMILIES}

uuids = st.uuids().map(str) | st.uuids().map(lambda value: str(value).upper())
times = st.datetimes(timezones=st.just(UTC)).map(lambda value: value.isoformat())
milliseconds = st.integers(0, 3_600_000) | st.integers(0, 3_600_000).map(float)
stretches = st.lists(st.integers(0, 3_600_000), min_size=2, max_size=2, unique=True).map(sorted)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
DATA: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "pair": st.fixed_dictionaries(
        {"pair_id": uuids, "choice": st.sampled_from(["first", "second", "tie", "both_bad"])}
    ),
    "rating": st.fixed_dictionaries({"track_id": uuids, "stars": st.integers(1, 5) | st.integers(1, 5).map(float)}),
    "play": st.fixed_dictionaries(
        {"play_id": uuids, "track_id": uuids, "position_ms": milliseconds},
        optional={"heard": st.none() | stretches.map(lambda both: {"from_ms": both[0], "to_ms": both[1]})},
    ),
}  # fmt: skip


@st.composite
def written(draw: st.DrawFn) -> dict[str, Any]:
    """An event that the schema allows."""
    kind = draw(st.sampled_from(sorted(TYPES)))
    event: dict[str, Any] = {
        "id": UUID7,
        "type": kind,
        "source": draw(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=200)),
        "subject": draw(uuids),
        "time": draw(times),
        "data": draw(DATA[TYPES[kind]]) | draw(st.dictionaries(texts.map("x{}".format), texts, max_size=2)),
    }
    optional = {"specversion": "1.0", "datacontenttype": "application/json", "traceparent": draw(texts)}
    return event | {name: optional[name] for name in draw(st.lists(st.sampled_from(sorted(optional)), unique=True))}


anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts, uuids, times,
    st.sampled_from(["4", "1.0", "2026-01-01T00:00Z", "1700000000", f"{{{UUID7}}}", f"urn:uuid:{UUID7}",
                     UUID7.replace("-", ""), "2026-01-01 00:00:00Z", "2026-01-01T00:00:00", [], {}, "a" * 201]),
)  # fmt: skip


@given(written())
def test_what_the_schema_allows_is_read(event: dict[str, Any]) -> None:
    assert CHECKS[TYPES[event["type"]]].is_valid(event)
    events, rejected = read([event])
    assert not rejected, rejected
    assert str(events[0].event.subject) == event["subject"].lower()


@given(written(), st.data())
def test_what_the_schema_refuses_is_refused(event: dict[str, Any], data: st.DataObject) -> None:
    """One value of an event is replaced by anything, or left out."""
    holder = data.draw(st.sampled_from([event, event["data"]]))
    name = data.draw(st.sampled_from(sorted(holder)))
    check = CHECKS[TYPES[event["type"]]]
    if data.draw(st.integers(0, 4)) == 0:
        del holder[name]
    else:
        holder[name] = data.draw(anything)
    events, _ = read([event])
    assert not events or check.is_valid(event)
