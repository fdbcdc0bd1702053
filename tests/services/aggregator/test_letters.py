"""What was set aside counts once when it is driven again, however often, and the books follow."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from services.aggregator.batch import sort_out
from services.aggregator.letters import Letters, Place, UnknownLetter, answer, parse
from services.aggregator.store import Store
from services.audit import Actor
from services.postgres import Pool, open_pool
from services.streams import Message, TopicPartition
from tests.services.aggregator.rows import resumed, stored
from tests.services.aggregator.samples import START, TRACKS, made, message_of, rating

TEN_MS = int(datetime(2026, 3, 1, 10, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
def pool(postgres_dsn: str) -> Iterator[Pool]:
    with open_pool(postgres_dsn, size=2) as pool:
        yield pool


@pytest.fixture
def letters(pool: Pool) -> Letters:
    return Letters(pool, Actor("operator", "tests"))


def bury(pool: Pool, *values: bytes, reason: str = "a version that did not know better") -> list[Place]:
    """Set these aside, whatever they are, as the first messages of a partition."""
    topic, key, _, _ = message_of(rating(1, TRACKS[0], START, 4))
    messages = [Message(topic, 0, offset, key, value, TEN_MS) for offset, value in enumerate(values)]
    Store(pool).write(sort_out(messages).buried(reason), resumed(Store(pool), [TopicPartition(topic, 0)]))
    return [Place(topic, 0, offset) for offset in range(len(values))]


def books(dsn: str) -> set[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("select type, folded, repeated, dead_lettered from feedback.accounts")
        return {row for row in rows if any(row[1:])}


def test_a_letter_that_can_be_read_now_is_folded_once(letters: Letters, pool: Pool, postgres_dsn: str) -> None:
    one, other = rating(1, TRACKS[0], START, 4), rating(1, TRACKS[0], START, 4)
    first, second = bury(pool, message_of(one).value, message_of(other).value)
    assert books(postgres_dsn) == {(one.type, 0, 0, 2)}
    assert [letters.redrive(first), letters.redrive(first)] == ["folded", "folded already"]
    assert letters.redrive(second) == "repeated"
    assert [row.stars for row in stored(postgres_dsn).ratings.values()] == [4]
    assert books(postgres_dsn) == {(one.type, 1, 1, 0)}
    assert letters.all(settled=False) == []
    assert [row["outcome"] for row in letters.all(settled=True)] == ["folded", "repeated"]
    with psycopg.connect(postgres_dsn) as connection:
        deeds = connection.execute("select name, action, subject from audit.entries order by at").fetchall()
    assert deeds == [("tests", "letter.folded", str(first)), ("tests", "letter.repeated", str(second))]


def test_one_that_still_cannot_be_read_waits_with_the_new_reason(
    letters: Letters, pool: Pool, postgres_dsn: str
) -> None:
    event = made(1, TRACKS[0], START)
    unstorable = event.model_copy(update={"data": event.data.model_copy(update={"prompt": "nul \x00"})})
    batch = sort_out([Message(*message_of(unstorable)[:1], 0, 0, *message_of(unstorable)[1:3], TEN_MS)])
    Store(pool).write(batch.buried("then"), resumed(Store(pool), batch.reached))
    (broken,) = bury(pool, b"{")
    text, well = answer(letters, parse(["redrive"]))
    assert not well
    assert "still cannot be read" in text
    assert "cannot be stored" in text
    assert {(row["attempts"], row["reason"] != "then") for row in letters.all(settled=False)} == {(1, True)}
    assert books(postgres_dsn) == {("unreadable", 0, 0, 1), (event.type, 0, 0, 1)}
    assert letters.drop(broken, "a client that is gone") == "dropped"
    assert letters.redrive(broken) == "dropped already"
    assert len(letters.all(settled=False)) == 1


def test_a_letter_is_shown_with_its_bytes(letters: Letters, pool: Pool) -> None:
    text_letter, bytes_letter = bury(pool, b'{"type": "encore.rating.given"}', b"\xff\x00")
    shown = json.loads(answer(letters, parse(["show", str(text_letter)]))[0])
    assert (shown["value"], shown["type"]) == ('{"type": "encore.rating.given"}', "encore.rating.given")
    assert json.loads(answer(letters, parse(["show", str(bytes_letter)]))[0])["value"] == "base64:/wA="
    listed, _ = answer(letters, parse(["list"]))
    assert [line.split()[0] for line in listed.splitlines()] == [str(text_letter), str(bytes_letter)]


def test_where_nothing_was_set_aside_there_is_nothing_to_drive(
    letters: Letters, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UnknownLetter, match=r"t/0/7"):
        letters.redrive(Place("t", 0, 7))
    with pytest.raises(SystemExit):
        parse(["show", "encore.plays.v1"])
    assert "encore.plays.v1/0/17" in capsys.readouterr().err
