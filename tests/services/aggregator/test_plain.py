"""What is read without the validator is what the validator reads, and nothing that it would refuse."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Heard, Playback, PlayEvent, Rating, RatingEvent
from schemas.topics import PAIRS, PLAYS, RATINGS
from services.aggregator import reading
from services.aggregator.fold import Event
from services.aggregator.plain import plain
from services.aggregator.reading import Arrival, read_message
from services.errors import InvalidMessage
from services.identifiers import uuid7
from services.streams import Message
from tests.services.aggregator.samples import START, TRACKS, message_of, play, rating

TIMES = st.datetimes(datetime(2000, 1, 2), datetime(2199, 12, 30)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001
MILLISECONDS = st.integers(0, 3_600_000)
HEARD = st.tuples(MILLISECONDS, MILLISECONDS).map(sorted).filter(lambda pair: pair[0] < pair[1])
SOURCES = st.text(
    st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\'), min_size=1, max_size=200
)


@st.composite
def events(draw: st.DrawFn) -> PlayEvent | RatingEvent:
    head = {
        "id": uuid7(),
        "source": draw(SOURCES),
        "subject": draw(st.uuids()),
        "time": draw(TIMES),
        **{name: draw(st.none() | TIMES) for name in ("sentat", "receivedat", "correctedtime")},
    }
    if draw(st.booleans()):
        return RatingEvent(**head, data=Rating(track_id=draw(st.uuids()), stars=draw(st.integers(1, 5))))
    heard = draw(st.none() | HEARD.map(lambda pair: Heard(from_ms=pair[0], to_ms=pair[1])))
    data = Playback(play_id=draw(st.uuids()), track_id=draw(st.uuids()), position_ms=draw(MILLISECONDS), heard=heard)
    kinds = ["started", "heartbeat", "paused", "resumed", "seeked", "completed", "interrupted"]
    return PlayEvent(**head, type=f"encore.play.{draw(st.sampled_from(kinds))}", data=data)


def record(event: Event) -> Message:
    topic, key, value, _ = message_of(event)
    return Message(topic, 0, 0, key, value, 0)


def validated(message: Message) -> Arrival | str:
    """By the validator alone: what the message says, or why it says nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "plain", lambda _: None)
        return outcome(message)


def outcome(message: Message) -> Arrival | str:
    try:
        return read_message(message)
    except InvalidMessage as error:
        return error.reason


@given(events())
def test_what_the_gateway_writes_is_read_without_the_validator_as_by_it(event: PlayEvent | RatingEvent) -> None:
    message = record(event)
    found, expected = plain(message), validated(message)
    assert isinstance(expected, Arrival)
    assert found == (expected.event, expected.data)
    assert found.event.model_fields_set == expected.event.model_fields_set
    assert found.event.model_dump_json() == expected.event.model_dump_json() == event.model_dump_json()


@given(events(), st.data())
def test_one_changed_byte_means_the_same_to_both(event: PlayEvent | RatingEvent, data: st.DataObject) -> None:
    message = record(event)
    value = bytearray(message.value or b"")
    at = data.draw(st.integers(0, len(value) - 1))
    value[at] = data.draw(st.sampled_from(b'0123456789abcdefABCDEFTZ-.,:+"\\{} \n\x00\xc3') | st.integers(0, 255))
    changed = message._replace(value=bytes(value))
    assert outcome(changed) == validated(changed)


PLAYED, RATED = record(play(1, TRACKS[0], START, 3_000, (1_000, 3_000))), record(rating(1, TRACKS[0], START, 4))


@pytest.mark.parametrize(
    ("message", "old", "new"),
    [
        (PLAYED, b'"position_ms":3000', b'"position_ms":3600001'),
        (PLAYED, b'"position_ms":3000', b'"position_ms":3000.0'),
        (PLAYED, b'"position_ms":3000', b'"position_ms":03000'),
        (PLAYED, b'"from_ms":1000', b'"from_ms":3000'),
        (PLAYED, b'"to_ms":3000', b'"to_ms":3600001'),
        (PLAYED, b'"encore.play.', b'"encore.playe.'),
        (PLAYED, b"}}}", b"}}}\n"),
        (PLAYED, b'"heard"', b'"hurt":1,"heard"'),
        (RATED, b'"stars":4', b'"stars":6'),
        (RATED, b'"stars":4', b'"stars":4,"stars":5'),
        (RATED, b"2026-01-01T", b"2026-02-30T"),
        (RATED, b"-7", b"-4"),
        (RATED, b'"source":"', b'"source":"\\u0041'),
        (RATED, b'"source":"', b'"source":"' + b"x" * 200),
        (RATED, b'"source":"', '"source":"\N{LATIN SMALL LETTER E WITH ACUTE}'.encode()),
        (RATED, b'"specversion":"1.0"', b'"specversion":"1.1"'),
    ],
)
def test_what_is_written_otherwise_is_left_to_the_validator(message: Message, old: bytes, new: bytes) -> None:
    value = message.value or b""
    assert old in value
    changed = message._replace(value=value.replace(old, new, 1))
    assert plain(changed) is None
    assert outcome(changed) == validated(changed)


@pytest.mark.parametrize("message", [PLAYED, RATED])
@pytest.mark.parametrize(
    "wrong", [{"key": b"someone else"}, {"key": None}, {"topic": PLAYS}, {"topic": RATINGS}, {"topic": PAIRS}]
)
def test_so_is_what_lies_elsewhere(message: Message, wrong: dict[str, str | bytes | None]) -> None:
    elsewhere = message._replace(**wrong)  # type: ignore[arg-type]
    assert (plain(elsewhere) is None) == (elsewhere != message)
    assert outcome(elsewhere) == validated(elsewhere)
