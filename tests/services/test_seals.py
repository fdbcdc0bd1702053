"""What is sealed for a listener is read with their key alone, and as it was."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.topics import PLAYS, RATINGS
from services.seals import KeyThrownAway, LogKey, Unopenable, is_sealed, kind_of, log_of, opened, seal
from services.streams import Message, Outgoing
from tests.services.logs import new_key

KEY = new_key()
KIND = "encore.rating.given"


def lying(value: bytes, key: LogKey = KEY) -> Message:
    """The record of an event with this text, as it lies in the log."""
    record = seal(Outgoing(RATINGS, str(key.listener_id).encode(), value, KIND), key)
    return Message(record.topic, 3, 17, record.key, record.value, 5)


@given(st.binary(max_size=300))
def test_it_is_read_as_it_was(value: bytes) -> None:
    found = lying(value)
    assert is_sealed(found.value)
    assert (log_of(found), kind_of(found.value or b"")) == (KEY.log, KIND)
    clear = opened(found, {KEY.log: KEY})
    assert clear == Message(RATINGS, 3, 17, str(KEY.listener_id).encode(), value, 5)


@given(st.binary(min_size=20, max_size=100))
def test_neither_it_nor_whose_it_is_lies_in_the_open(value: bytes) -> None:
    found = lying(value)
    said = (found.key or b"") + (found.value or b"")
    assert value not in said
    assert str(KEY.listener_id).encode() not in said
    assert KEY.listener_id.bytes not in said
    assert lying(value).value != found.value


@given(st.binary(max_size=60), st.data())
def test_any_change_is_found(value: bytes, data: st.DataObject) -> None:
    found = lying(value)
    sealed = bytearray(found.value or b"")
    at = data.draw(st.integers(1, len(sealed) - 1))
    sealed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Unopenable, match="authenticate"):
        opened(found._replace(value=bytes(sealed)), {KEY.log: KEY})


@given(st.binary(max_size=60), st.data())
def test_what_is_cut_off_is_found(value: bytes, data: st.DataObject) -> None:
    found = lying(value)
    length = data.draw(st.integers(1, len(found.value or b"") - 1))
    with pytest.raises(Unopenable, match="authenticate"):
        opened(found._replace(value=(found.value or b"")[:length]), {KEY.log: KEY})


def test_it_belongs_in_its_topic_and_its_log() -> None:
    found, other = lying(b"{}"), new_key(KEY.listener_id)
    with pytest.raises(Unopenable, match="authenticate"):
        opened(found._replace(topic=PLAYS), {KEY.log: KEY})
    with pytest.raises(Unopenable, match="authenticate"):
        opened(found._replace(key=str(other.log).encode()), {other.log: KEY._replace(log=other.log)})


def test_the_key_of_another_opens_nothing_and_seals_nothing() -> None:
    other = new_key()
    with pytest.raises(Unopenable, match="authenticate"):
        opened(lying(b"{}"), {KEY.log: other})
    with pytest.raises(ValueError, match="not of the listener"):
        seal(Outgoing(RATINGS, str(uuid4()).encode(), b"{}", KIND), KEY)


def test_what_could_not_be_counted_is_not_sealed() -> None:
    with pytest.raises(ValueError, match="without a type"):
        seal(Outgoing(RATINGS, str(KEY.listener_id).encode(), b"{}"), KEY)


def test_a_key_that_was_thrown_away_is_told_from_one_that_nobody_knows() -> None:
    found = lying(b"{}")
    with pytest.raises(KeyThrownAway):
        opened(found, {KEY.log: None})
    with pytest.raises(Unopenable, match=f"no key of the log {KEY.log} is known"):
        opened(found, {})
    with pytest.raises(Unopenable, match="no name of a log"):
        opened(found._replace(key=b"somebody"), {})


@given(st.none() | st.binary(max_size=40).filter(lambda value: value[:1] != b"\x01"))
def test_what_is_not_sealed_is_its_own_answer(value: bytes | None) -> None:
    found = Message(RATINGS, 0, 0, b"k", value, 0)
    assert opened(found, {}) is found
    assert log_of(found) is None


@given(st.binary(max_size=40))
def test_nothing_that_lies_there_breaks_who_looks(value: bytes) -> None:
    found = Message(RATINGS, 0, 0, str(KEY.log).encode(), b"\x01" + value, 0)
    kind_of(found.value or b"")
    with pytest.raises(Unopenable):
        opened(found, {KEY.log: KEY})
