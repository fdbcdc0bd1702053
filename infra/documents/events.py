"""Events as JSON Schema (one file a version, kept for ever), as AsyncAPI, and as docs/events.md."""

import json
from pathlib import Path
from typing import Any

import yaml

from infra.documents.table import MADE, table
from schemas import topics
from schemas.events import (
    Event,
    FourEvent,
    PairEvent,
    PlayEvent,
    RatingEvent,
    ReleaseEvent,
    TrackFailedEvent,
    TrackMadeEvent,
)

FAMILIES: dict[str, type[Event]] = {
    "four": FourEvent,
    "pair": PairEvent,
    "play": PlayEvent,
    "rating": RatingEvent,
    "release": ReleaseEvent,
    "track_failed": TrackFailedEvent,
    "track_made": TrackMadeEvent,
}
FOLDER = "schemas/json"
PROSE = frozenset({"$id", "title", "description", "examples"})

INTRO = """# Events

CloudEvents 1.0 in JSON, structured mode. `source` and `id` together identify an event: the same one sent again changes
nothing. `id` is a UUID of version 7 made by whoever saw the thing happen, `subject` is the listener (for releases: the
release), `time` is when it happened, in any time zone.

Identifiers are written as in RFC 9562 and times as in RFC 3339. Extension attributes and fields of `data` that Encore
does not know stay in the event, as they came.

A device's clock may be wrong, so a sender adds `sentat`, what that clock says while it sends. The gateway stamps three
attributes: `source` becomes `listeners/<listener>/<source as sent>`, so that nobody's event can stand in the way of
another's; `receivedat` is when it came; `correctedtime` is `time + (receivedat - sentat)`, or `time` where no `sentat`
was sent, and `receivedat` where that cannot be: after it came, or before there was a track or pair to speak of (less
five minutes). The corrected time decides which rating or pick is the last, which vote the first and when something was
heard; the time of arrival decides what is new for training and what came before a release.

An event with a used `source` and `id`, equal `type` and `data` is a repeat. With other content it is a conflict: of all
that was said under one identity the content with the least SHA-256 counts, whatever came first, and each is kept in
the table `feedback.conflicts`; an `id` that another listener used is recorded there too, and both count.

The JSON Schema of every version is in `schemas/json/`, the whole picture in `schemas/asyncapi.yaml`. A new version must
be readable by every older reader and the reverse (FULL_TRANSITIVE); what cannot be so gets a topic of its own. One
exception: the list of arms may grow. Readers are upgraded before writers then; every older event stays readable.

## How it lies in the log
Everything about a listener is sealed with a key of that listener, so that erasing them is throwing it away
([0842](decisions/0842-the-log-is-sealed-for-each-listener.md)). The record's key is the name of the listener's log, a
random UUID as text. Its value:

    01 | length of the type (1 byte) | type (ASCII) | nonce (12 bytes) | AES-256-GCM of the JSON with its tag (16 bytes)

Associated data are topic, name of the log and the bytes before the nonce, joined by zero bytes. A reader of your own
asks `select log, listener_id, key from gateway.log_keys where log = any(...)` and `select log from gateway.thrown_logs`
with a login that you grant both to, for a batch at a time, and remembers no key for longer than 20 seconds; `opened` in
`services/seals.py` does the rest. A name that is thrown is of somebody who was erased: pass over the record, and remove
what you keep of them. A value that begins with `{` is from before events were sealed. Releases are in the open, under
the release's id.

## How it comes there
Listeners' events go to `POST /v1/events` ([the listening product](listening.md)); the gateway answers once Kafka has
them.
"""


def schema(family: str) -> dict[str, Any]:
    """The JSON Schema of one family as the code has it now."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **FAMILIES[family].model_json_schema()}


def types(family: str) -> list[str]:
    """The CloudEvents types of one family."""
    node = schema(family)["properties"]["type"]
    return list(node.get("enum") or [node["const"]])


def history(root: Path, family: str) -> dict[int, dict[str, Any]]:
    """Every checked-in version of one family, oldest first."""
    files = (root / FOLDER / family).glob("v*.json")
    numbered = sorted((int(file.stem[1:]), file) for file in files)
    return {number: json.loads(file.read_text(encoding="utf-8")) for number, file in numbered}


def schema_files(root: Path) -> dict[str, str]:
    """The newest version of each family: a changed structure gets the next number, changed prose does not."""
    made = {}
    for family in FAMILIES:
        versions = history(root, family)
        number = max(versions, default=1)
        if versions and structure(versions[number]) != structure(schema(family)):
            number += 1
        made[f"{FOLDER}/{family}/v{number}.json"] = json.dumps(schema(family), indent=1, ensure_ascii=False) + "\n"
    return made


def structure(node: Any, *, named: bool = False) -> Any:
    """A schema without its prose; `named` says that the keys of `node` are names of fields."""
    if isinstance(node, dict):
        names = {"properties", "$defs"}
        return {
            key: structure(value, named=not named and key in names)
            for key, value in node.items()
            if named or key not in PROSE
        }
    return [structure(item) for item in node] if isinstance(node, list) else node


def asyncapi(root: Path) -> str:
    """AsyncAPI 3.0: a channel for each topic, messages by reference to the newest JSON Schema."""
    newest = {Path(path).parent.name: f"./{path.removeprefix('schemas/')}" for path in schema_files(root)}
    channels = {topic: _channel(topic, newest) for topic in topics.ALL}
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Encore events",
            "version": "1",
            "description": "CloudEvents 1.0, JSON, structured mode; sealed in the log (docs/events.md).",
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": channels,
        "operations": {
            f"send-{topic}": {"action": "send", "channel": {"$ref": f"#/channels/{topic}"}} for topic in channels
        },
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)


def _channel(topic: str, newest: dict[str, str]) -> dict[str, Any]:
    return {
        "address": topic,
        "bindings": {"kafka": {"topic": topic, "partitions": topics.PARTITIONS}},
        "messages": {
            family: {
                "name": family,
                "summary": ", ".join(types(family)),
                "bindings": {"kafka": {"key": {"type": "string", "format": "uuid"}}},
                "payload": {"schemaFormat": "application/schema+json;version=draft-2020-12", "schema": {"$ref": path}},
            }
            for family, path in sorted(newest.items())
            if topics.topic_of(types(family)[0]) == topic
        },
    }


def page() -> str:
    """docs/events.md."""
    text = [MADE, INTRO]
    for family, kind in FAMILIES.items():
        topic = topics.topic_of(types(family)[0])
        data = schema(family)["$defs"]
        fields = data[kind.model_fields["data"].annotation.__name__]  # type: ignore[union-attr]
        rows = [
            (f"`data.{name}`", _kind(node, data), "yes" if name in fields.get("required", ()) else "")
            for name, node in fields["properties"].items()
        ]
        names = ", ".join(f"`{name}`" for name in types(family))
        prose = " ".join((kind.__doc__ or "").split()) if "__doc__" in vars(kind) and kind.__doc__ else ""
        text.append(f"\n## {family.replace('_', ' ').capitalize()}\nTopic `{topic}`. Types: {names}.\n")
        text.append(f"{prose}\n" if prose else "")
        text.append(f"\n{table(('field', 'value', 'required'), rows)}")
    text.append(
        "\n## What cannot be read\n"
        "It is set aside in the table `feedback.dead_letters`, opened where it could be, with the reason. What was\n"
        "sealed with a key that was thrown away is counted as erased, and nothing of it is kept.\n"
    )
    return "".join(text)


def _kind(node: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in node:
        target = definitions[node["$ref"].rsplit("/", 1)[1]]
        inner = ", ".join(f"`{name}` {_kind(field, definitions)}" for name, field in target["properties"].items())
        return f"object of {inner}"
    if "anyOf" in node:
        return " or ".join(_kind(branch, definitions) for branch in node["anyOf"])
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"])
    words = {"minimum": "from {}", "exclusiveMinimum": "above {}", "maximum": "to {}", "pattern": "matching `{}`"}
    bounds = [text.format(node[key]) for key, text in words.items() if key in node]
    return " ".join([str(node.get("format") or node.get("type") or "uuid; anything else says nothing"), *bounds])
