"""Pure: may documents written under one JSON Schema be read under another? Covers what our events use.

Sound, not complete: an empty answer is a promise that every document valid under `writer` is valid under `reader`;
whatever the rules cannot see through is named as a breach.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

PROSE = frozenset({"$schema", "$id", "$defs", "title", "description", "default", "examples", "discriminator"})
LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
SAME = ("pattern", "format", "multipleOf", "uniqueItems", "propertyNames", "not", "allOf", "if")
RULED = {
    *PROSE, *LOWER, *UPPER, *SAME, "$ref", "type", "enum", "const", "anyOf", "oneOf", "items", "properties", "required",
    "additionalProperties",
}  # fmt: skip


def breaches(writer: Schema, reader: Schema) -> list[str]:
    """What a reader of `reader` may refuse in documents of `writer`; empty when nothing."""
    return list(_Pair(writer, reader).compare(writer, reader, "$"))


def full_breaches(old: Schema, new: Schema) -> list[str]:
    """FULL compatibility of two versions: each can read what the other writes."""
    backward = [f"the new cannot read the old: {breach}" for breach in breaches(old, new)]
    return backward + [f"the old cannot read the new: {breach}" for breach in breaches(new, old)]


class _Pair:
    """Two schemas with the definitions that their references point into. Recursion in schemas is not supported."""

    def __init__(self, writer: Schema, reader: Schema) -> None:
        self.writer, self.reader = writer, reader

    def compare(self, writer: Schema, reader: Schema, path: str) -> Iterator[str]:
        writer, reader = _resolved(writer, self.writer), _resolved(reader, self.reader)
        unknown = (set(reader) | set(writer)) - RULED
        if unknown:
            yield f"{path}: no rule for {', '.join(sorted(unknown))}"
        elif _branches(writer) is not None or _branches(reader) is not None:
            yield from self._alternatives(writer, reader, path)
        elif not _values_fit(writer, reader):
            yield from self._plain(writer, reader, path)

    def _alternatives(self, writer: Schema, reader: Schema, path: str) -> Iterator[str]:
        """Each way to write must fit one way to read."""
        if _beside_branches(writer) or _beside_branches(reader):
            yield f"{path}: no rule for constraints beside alternatives"
            return
        if "oneOf" in reader and "oneOf" not in writer:
            yield f"{path}: exactly one alternative may hold now"
            return
        if "oneOf" in reader and [*map(dict, reader["oneOf"])] != [*map(dict, writer["oneOf"])]:
            yield f"{path}: no rule for changed oneOf"
            return
        ways = _branches(reader) or [reader]
        for number, branch in enumerate(_branches(writer) or [writer]):
            if all(list(self.compare(branch, way, path)) for way in ways):
                yield f"{path}: alternative {number} of the writer fits none of the reader's"

    def _plain(self, writer: Schema, reader: Schema, path: str) -> Iterator[str]:
        if "enum" in reader or "const" in reader:
            yield f"{path}: values are limited to {_allowed(reader)}"
            return
        yield from _types(writer, reader, path)
        yield from _bounds(writer, reader, path)
        for key in SAME:
            if key in reader and reader[key] != writer.get(key):
                yield f"{path}: {key} must be {reader[key]!r}"
        if "items" in reader:
            yield from self.compare(_schema(writer.get("items")), _schema(reader["items"]), f"{path}[]")
        yield from self._fields(writer, reader, path)

    def _fields(self, writer: Schema, reader: Schema, path: str) -> Iterator[str]:
        written, read = writer.get("properties", {}), reader.get("properties", {})
        for name in set(reader.get("required", ())) - set(writer.get("required", ())):
            yield f"{path}.{name}: required by the reader, not by the writer"
        if not set(read) and "additionalProperties" not in reader:
            return
        others = _schema(reader.get("additionalProperties"))
        unnamed = _schema(writer.get("additionalProperties"))
        for name in sorted(set(written) | set(read)):
            yield from self._field(written.get(name, unnamed), read.get(name, others), f"{path}.{name}")
        yield from self._field(unnamed, others, f"{path}.*")

    def _field(self, written: Schema, read: Schema, path: str) -> Iterator[str]:
        if _is_never(written):
            return
        if _is_never(read):
            yield f"{path}: unknown to the reader, which refuses fields that it does not know"
            return
        yield from self.compare(written, read, path)


def _schema(node: Any) -> Schema:
    """`true` and absent allow anything, `false` nothing."""
    if node is None or node is True:
        return {}
    return {"not": {}} if node is False else node


def _is_never(node: Schema) -> bool:
    return node == {"not": {}}


def _resolved(node: Schema, root: Schema) -> Schema:
    while "$ref" in node:
        kept = {key: value for key, value in node.items() if key != "$ref" and key not in PROSE}
        if kept:
            return {**node, "unresolved": True}
        node = root["$defs"][node["$ref"].removeprefix("#/$defs/")]
    return node


def _branches(node: Schema) -> list[Schema] | None:
    found: list[Schema] | None = node.get("anyOf") or node.get("oneOf")
    return found


def _beside_branches(node: Schema) -> bool:
    return _branches(node) is not None and bool(
        set(node) - PROSE - {"anyOf", "oneOf"} or {"anyOf", "oneOf"} <= set(node)
    )


def _values_fit(writer: Schema, reader: Schema) -> bool:
    """True when the writer can only write values from a list, and the reader takes every one of them."""
    written = _allowed(writer)
    if written is None:
        return False
    limits = set(reader) - PROSE - {"enum", "const", "type"}
    read = _allowed(reader)
    in_list = read is None or all(any(_same(value, other) for other in read) for value in written)
    return not limits and in_list and all(_is_of_type(value, reader) for value in written)


def _allowed(node: Schema) -> list[Any] | None:
    if "const" in node:
        return [node["const"]]
    return list(node["enum"]) if "enum" in node else None


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other


_JSON = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
    "array": list,
    "object": dict,
}


def _is_of_type(value: Any, reader: Schema) -> bool:
    kinds = _type_set(reader)
    if kinds is None:
        return True
    if isinstance(value, bool):
        return "boolean" in kinds
    return any(isinstance(value, _JSON[kind]) for kind in kinds)  # type: ignore[arg-type]


def _type_set(node: Schema) -> set[str] | None:
    kind = node.get("type")
    return None if kind is None else {kind} if isinstance(kind, str) else set(kind)


def _types(writer: Schema, reader: Schema, path: str) -> Iterator[str]:
    read, written = _type_set(reader), _type_set(writer)
    if read is None:
        return
    wide = read | ({"integer"} if "number" in read else set())
    if written is None or not written <= wide:
        yield f"{path}: type {written or 'anything'} is not among {sorted(read)}"


def _bounds(writer: Schema, reader: Schema, path: str) -> Iterator[str]:
    for sign, keys in ((1, LOWER), (-1, UPPER)):
        for key in keys:
            if key in reader and (key not in writer or sign * writer[key] < sign * reader[key]):
                yield f"{path}: {key} is {reader[key]} for the reader, {writer.get(key, 'free')} for the writer"
