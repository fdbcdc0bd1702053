"""What the gateway adds to an event, and that it changes nothing else."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import FEEDBACK_EVENT
from schemas.topics import LISTENERS, SERVERS
from services.gateway.intake import read
from services.gateway.stamps import source_of, stamped
from tests.services.gateway.test_intake import KNOWN, ME, NOW, YOU, event, play, rating

HAPPENED = NOW - timedelta(minutes=1)
STAMPS = {"source", "receivedat", "correctedtime"}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def sent(item: dict[str, Any]) -> dict[str, Any]:
    """What reaches the log."""
    events, rejected = read([item])
    assert not rejected, rejected
    record = stamped(events[0], KNOWN, NOW, HAPPENED)
    assert record.topic in LISTENERS
    assert record.key.decode() == item["subject"]
    return dict(json.loads(record.value))


@given(st.dictionaries(st.sampled_from(["traceparent", "mood", "x"]), values), values)
def test_what_newer_clients_add_arrives_as_it_was_sent(extension: dict[str, Any], added: object) -> None:
    item = rating() | extension
    item["data"] |= {"note": added}
    kept = sent(item)
    assert {name: value for name, value in kept.items() if name not in STAMPS} == {
        name: value for name, value in item.items() if name != "source"
    }


def test_the_reader_finds_the_stamps() -> None:
    read_back = FEEDBACK_EVENT.validate_python(sent(rating(correctedtime="2000-01-01T00:00:00Z", receivedat="x")))
    assert (read_back.arrived_at, read_back.happened_at, read_back.time) == (NOW, HAPPENED, NOW)


def test_no_listener_writes_under_the_source_of_another_or_of_ours() -> None:
    mine, yours = source_of(ME, f"listeners/{YOU}/player"), source_of(YOU, "player")
    assert mine.startswith(f"listeners/{ME}/")
    assert yours == f"listeners/{YOU}/player"
    assert not source_of(ME, "encore/gateway").startswith("encore/")


@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=200))
def test_sources_stay_apart_and_within_the_published_length(one: str, other: str) -> None:
    assert len(source_of(ME, one)) <= 200
    assert (source_of(ME, one) == source_of(ME, other)) is (one == other)


@pytest.mark.parametrize(
    ("heard", "kept"),
    [
        ({"from_ms": 0, "to_ms": 9_970}, {"from_ms": 0, "to_ms": 9_970}),
        ({"from_ms": 8_000, "to_ms": 10_900, "by": "ear"}, {"from_ms": 8_000, "to_ms": 9_970, "by": "ear"}),
        ({"from_ms": 9_970, "to_ms": 10_500}, None),
        (None, None),
    ],
)
def test_a_small_overshoot_is_the_end(heard: dict[str, Any] | None, kept: dict[str, int] | None) -> None:
    data = sent(play(10_950, heard))["data"]
    assert data["position_ms"] == 9_970
    assert data.get("heard") == kept


def test_topics_of_listeners_are_not_those_of_servers() -> None:
    assert not set(LISTENERS) & set(SERVERS)


def test_a_vote_is_stamped_too() -> None:
    kept = sent(event("pair.voted", {"pair_id": str(UUID(int=6)), "choice": "tie"}, subject=str(YOU)))
    assert datetime.fromisoformat(kept["receivedat"]) == NOW
