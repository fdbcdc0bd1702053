"""What is an event, and what is a dead letter."""

import json

import pytest

from schemas.topics import PLAYS, RATINGS
from services.aggregator.batch import sort_out
from services.aggregator.reading import read_message
from services.errors import InvalidMessage
from services.streams import Message, TopicPartition
from tests.services.aggregator.samples import START, TRACKS, message_of, rating

EVENT = rating(1, TRACKS[0], START, 4)
SENT = message_of(EVENT)
BODY = json.loads(SENT.value)


def message(value: bytes | None, key: bytes | None = SENT.key, topic: str = RATINGS, offset: int = 0) -> Message:
    return Message(topic, 0, offset, key, value, 0)


def changed(**fields: object) -> bytes:
    return json.dumps(BODY | fields).encode()


def test_a_good_message_is_its_event() -> None:
    assert read_message(message(SENT.value)).event == EVENT


def test_fields_of_a_later_writer_do_no_harm() -> None:
    assert read_message(message(changed(mood="merry"))).event == EVENT


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (message(None), "no value"),
        (message(b"{"), "Invalid JSON"),
        (message(b"\xff\xfe"), "Invalid JSON"),
        (message(b"[]"), "type|object|dict"),
        (message(changed(type="encore.mood.felt")), "type|tag"),
        (message(changed(data={"track_id": str(TRACKS[0]), "stars": 6})), "stars"),
        (message(SENT.value, key=b"someone else"), "key is not the subject"),
        (message(SENT.value, key=None), "key is not the subject"),
        (message(SENT.value, topic=PLAYS), "does not belong"),
    ],
)
def test_a_bad_message_is_named_with_its_place_and_reason(bad: Message, reason: str) -> None:
    with pytest.raises(InvalidMessage, match=reason) as caught:
        read_message(bad)
    assert (caught.value.topic, caught.value.partition, caught.value.offset) == (bad.topic, 0, 0)


def test_a_bad_message_between_good_ones_is_set_aside_and_its_offset_passed() -> None:
    batch = sort_out([message(SENT.value, offset=4), message(b"?", offset=5), message(SENT.value, offset=6)])
    assert [arrival.message.offset for arrival in batch.arrivals] == [4, 6]
    assert [letter.message.offset for letter in batch.dead] == [5]
    assert batch.reached == {TopicPartition(RATINGS, 0): 7}
