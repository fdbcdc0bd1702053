"""The generated documents are current, valid, and no event changes in a way that a reader cannot follow."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from infra.documents.compatibility import full_breaches
from infra.documents.events import FAMILIES, history, schema, schema_files, structure, types
from infra.documents.every import documents, stale
from schemas import events, topics

ROOT = Path(__file__).resolve().parents[2]
UUID7 = "0192f0c1-2345-7abc-8def-0123456789ab"


def test_every_document_is_current() -> None:
    assert stale(ROOT, documents(ROOT)) == [], "python -m infra.documents writes them"


# Lists of values that grew: every older event stays readable, and readers are upgraded before writers (decision 0750).
GROWN = {"track_failed": "$.data.arm", "track_made": "$.data.arm", "release": "$.type"}


@pytest.mark.parametrize("family", FAMILIES)
def test_each_version_can_be_read_by_all_and_read_all(family: str) -> None:
    versions = history(ROOT, family)
    assert list(versions) == list(range(1, len(versions) + 1))
    grown = f"the old cannot read the new: {GROWN.get(family)}: values are limited to"
    for number, old in versions.items():
        unforeseen = [breach for breach in full_breaches(old, schema(family)) if not breach.startswith(grown)]
        assert unforeseen == [], f"v{number}"


@pytest.mark.parametrize("family", FAMILIES)
def test_the_schemas_are_json_schema(family: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(family))


def test_every_event_of_the_contract_has_a_schema() -> None:
    kinds = {kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, events.Event)}
    assert kinds - {events.Event} == set(FAMILIES.values())


def test_a_changed_structure_gets_a_new_number_and_changed_prose_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write() -> list[str]:
        made = schema_files(tmp_path)
        for path, text in made.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        return sorted(path for path in made if "/rating/" in path)

    assert write() == ["schemas/json/rating/v1.json"]
    monkeypatch.setattr(events.RatingEvent, "__doc__", "Other words.")
    assert write() == ["schemas/json/rating/v1.json"]
    changed: dict[str, type[events.Event]] = FAMILIES | {"rating": events.PairEvent}
    monkeypatch.setattr("infra.documents.events.FAMILIES", changed)
    assert write() == ["schemas/json/rating/v2.json"]


def test_prose_is_no_structure_but_a_field_may_be_called_title() -> None:
    node = {"title": "A", "description": "b", "properties": {"title": {"type": "string", "title": "T"}}}
    assert structure(node) == {"properties": {"title": {"type": "string"}}}


def test_asyncapi_names_every_topic_and_event_type() -> None:
    document = yaml.safe_load((ROOT / "schemas/asyncapi.yaml").read_text())
    assert set(document["channels"]) == set(topics.ALL)
    told = str(document["channels"])
    assert all(name in told for family in FAMILIES for name in types(family))
    for channel in document["channels"].values():
        for message in channel["messages"].values():
            assert (ROOT / "schemas" / message["payload"]["schema"]["$ref"]).is_file()


def rating(**changes: Any) -> dict[str, Any]:
    event = {
        "specversion": "1.0",
        "id": UUID7,
        "source": "/player",
        "subject": UUID7,
        "time": "2026-01-01T00:00:00Z",
        "datacontenttype": "application/json",
        "type": "encore.rating.given",
        "data": {"track_id": UUID7, "stars": 4},
    }
    return event | changes


@pytest.mark.parametrize(
    ("event", "valid"),
    [
        (rating(), True),
        (rating(data={"track_id": UUID7, "stars": 6}), False),
        (rating(data={"track_id": UUID7}), False),
        (rating(type="encore.rating.taken"), False),
        (rating(traceparent="00-ab-cd-01"), True),  # an extension attribute, CloudEvents 1.0 section 3.2
    ],
)
def test_the_schema_says_what_the_type_says(event: dict[str, Any], valid: bool) -> None:
    errors = list(jsonschema.Draft202012Validator(schema("rating")).iter_errors(event))
    assert (not errors) is valid
