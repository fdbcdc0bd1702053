"""The compatibility rules: laws over random schemas and documents, and the changes that people make."""

from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from infra.documents.compatibility import breaches, full_breaches

NAMES = st.sampled_from(["a", "b", "c"])
Schema = dict[str, Any]


def bounded(low: str, high: str, values: st.SearchStrategy[int]) -> st.SearchStrategy[Schema]:
    return st.fixed_dictionaries({}, optional={low: values, high: values})


SCALARS = st.one_of(
    st.just({}),
    st.builds(lambda kind, bounds: {"type": kind, **bounds}, st.sampled_from(["integer", "number"]),
              bounded("minimum", "maximum", st.integers(-3, 3))),
    st.builds(lambda bounds: {"type": "string", **bounds}, bounded("minLength", "maxLength", st.integers(0, 3))),
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": ["string", "null"]}]),
    st.lists(st.sampled_from([0, 1, 2, "x", "yy", None, True]), min_size=1, max_size=3).map(lambda v: {"enum": v}),
    st.sampled_from([0, "x", None]).map(lambda value: {"const": value}),
)  # fmt: skip


def grown(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    fields = st.dictionaries(NAMES, inner, max_size=3)
    objects = st.builds(
        lambda properties, required, rest: {"type": "object", "properties": properties, "required": required, **rest},
        fields, st.lists(NAMES, unique=True, max_size=2),
        st.sampled_from([{}, {"additionalProperties": False}, {"additionalProperties": {"type": "integer"}}]),
    )  # fmt: skip
    return st.one_of(
        objects,
        inner.map(lambda items: {"type": "array", "items": items}),
        st.lists(inner, min_size=1, max_size=2).map(lambda branches: {"anyOf": branches}),
    )


SCHEMAS = st.recursive(SCALARS, grown, max_leaves=5)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-4, 4), st.sampled_from([0.5, 1.0]), st.text("xy", max_size=4))
DOCUMENTS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=5
)


def is_valid(document: Any, schema: Schema) -> bool:
    return bool(jsonschema.Draft202012Validator(schema).is_valid(document))


@settings(max_examples=150, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(SCHEMAS, SCHEMAS, st.lists(DOCUMENTS, min_size=5, max_size=20))
def test_no_breach_means_that_whatever_is_written_can_be_read(writer: Schema, reader: Schema, found: list[Any]) -> None:
    assume(not breaches(writer, reader))
    for document in found:
        assert is_valid(document, reader) or not is_valid(document, writer)


@settings(max_examples=100)
@given(SCHEMAS)
def test_a_schema_reads_itself(schema: Schema) -> None:
    assert breaches(schema, schema) == []


BASE: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "stars": {"type": "integer", "minimum": 1, "maximum": 5},
        "kind": {"enum": ["a", "b"]},
        "note": {"anyOf": [{"type": "string", "maxLength": 9}, {"type": "null"}]},
    },
    "required": ["stars"],
}


def changed(required: list[str] | None = None, closed: bool = True, **fields: Schema | None) -> Schema:
    kept = {name: node for name, node in (BASE["properties"] | fields).items() if node is not None}
    return (
        BASE
        | {"properties": kept, "required": required or ["stars"]}
        | ({} if closed else {"additionalProperties": {}})
    )


@pytest.mark.parametrize(
    ("new", "direction"),
    [
        (changed(required=["stars", "kind"]), "new cannot read the old"),
        (changed(required=["kind"]), "old cannot read the new"),
        (changed(stars=None, required=["kind"]), "new cannot read the old"),
        (changed(note=None), "new cannot read the old"),
        (changed(mood={"type": "string"}), "old cannot read the new"),
        (changed(stars={"type": "integer", "minimum": 1, "maximum": 4}), "new cannot read the old"),
        (changed(stars={"type": "integer", "minimum": 0, "maximum": 5}), "old cannot read the new"),
        (changed(stars={"type": "number", "minimum": 1, "maximum": 5}), "old cannot read the new"),
        (changed(kind={"enum": ["a"]}), "new cannot read the old"),
        (changed(kind={"enum": ["a", "b", "c"]}), "old cannot read the new"),
        (changed(note={"type": "string", "maxLength": 9}), "new cannot read the old"),
        (changed(kind={"type": "string", "pattern": "^[ab]$"}), "new cannot read the old"),
    ],
)
def test_a_change_that_some_reader_cannot_follow_is_named(new: Schema, direction: str) -> None:
    assert any(direction in breach for breach in full_breaches(BASE, new))


def test_an_open_schema_may_get_an_optional_field_of_any_kind() -> None:
    assert full_breaches(changed(closed=False), changed(closed=False, mood={})) == []


def test_prose_and_defaults_change_nothing() -> None:
    assert full_breaches(BASE, {**BASE, "title": "T", "description": "words", "default": {}}) == []


def test_definitions_are_followed() -> None:
    old = {"$ref": "#/$defs/A", "$defs": {"A": {"type": "integer", "maximum": 5}}}
    new = {"$ref": "#/$defs/B", "$defs": {"B": {"type": "integer", "maximum": 6}}}
    assert breaches(old, new) == []
    assert breaches(new, old) == ["$: maximum is 5 for the reader, 6 for the writer"]


def test_what_has_no_rule_is_a_breach() -> None:
    assert breaches({"type": "array"}, {"type": "array", "contains": {}}) == ["$: no rule for contains"]
