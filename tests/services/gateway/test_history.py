"""A product's history of its listeners' songs: taken through the log once, whatever happens; compared with nothing."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, LiteralString
from uuid import UUID, uuid4

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg.rows import dict_row

import training
from schemas.topics import PARTITIONS, RETENTION_MS
from services.aggregator.batch import sort_out
from services.aggregator.fold import Aggregates
from services.aggregator.store import Store as Aggregated
from services.gateway import importing
from services.gateway.history import Place
from services.gateway.history_files import UnreadableError, rows
from services.gateway.importing import BadRowsError, History, Outcome
from services.gateway.log_keys import LogKeys
from services.gateway.outbox import Outbox
from services.gateway.store import Store
from services.gateway.tally import Bookkeeper
from services.grants import AGGREGATOR, GATEWAY
from services.postgres import load_queries, open_async_pool, open_pool
from services.streams import Message
from services.streams_memory import MemoryBroker
from tests.services.aggregator.rows import offsets, resumed, stored
from tests.services.logs import in_the_clear
from tests.services.roles import play

NOW: Final = datetime.now(UTC).replace(microsecond=0)
THEN: Final = (NOW - timedelta(days=200)).isoformat()
ANNA, BEN, CARL, STRANGER = (UUID(int=number) for number in range(1, 5))
SONGS: Final = {ANNA: UUID(int=11), BEN: UUID(int=12), CARL: UUID(int=13), STRANGER: UUID(int=14)}
TRAINING: Final = load_queries(Path(training.__file__).with_name("queries.sql"))


def row(listener: UUID = ANNA, **said: Any) -> dict[str, Any]:
    return {"listener_id": str(listener), "song_id": str(SONGS[listener]), "time": THEN, **said}


PAST: Final = [
    row(stars=5),
    row(heard_ms=20_000, time=(NOW - timedelta(days=30)).isoformat()),
    row(heard_ms=60_000, stars=2, time=(NOW - timedelta(days=20)).isoformat()),
    row(BEN, stars=1),
]


@pytest.fixture
def dsn(postgres_dsn: str) -> str:
    """Three listeners of the product, of whom Carl did not agree to training, and one of another; a song each."""
    with psycopg.connect(postgres_dsn) as connection:
        for listener, song in SONGS.items():
            service = "other" if listener == STRANGER else "product"
            connection.execute(
                "insert into gateway.listeners (listener_id, service, may_train) values (%s, %s, %s)",
                (listener, service, listener != CARL),
            )
            connection.execute(
                "insert into gateway.songs (song_id, listener_id, filename, upload_sha256, seconds, sha256,"
                " loudness_lufs, audio_url, features_url) values (%s, %s, '', %s, 60, %s, -20, '', %s)",
                (song, listener, str(song), "a" * 64, f"file:///songs/{song}/features"),
            )
    return postgres_dsn


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(dict.fromkeys(RETENTION_MS, PARTITIONS))


def file_of(folder: Path, said: Sequence[object]) -> Path:
    file = folder / "past.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in said), encoding="utf-8")
    return file


def bring(dsn: str, broker: MemoryBroker, file: Path, stop_after: int | None = None) -> Outcome:
    """Looks at the file and sends it; after `stop_after` portions the process ends."""

    async def run() -> Outcome:
        async with open_async_pool(dsn, 2) as pool:
            store = Store(pool)
            outbox = Outbox(broker.producer(), broker.consumer("gateway"))
            history = History(file, "product", Place("shop", datetime.now(UTC), timedelta(days=400)), store)
            told: list[Outcome] = []

            def tell(outcome: Outcome) -> None:
                told.append(outcome)
                if len(told) == stop_after:
                    raise KeyboardInterrupt

            try:
                await history.check()
                return await history.send(LogKeys(store), outbox, Bookkeeper(store, outbox.tallies), 1e6, tell)
            finally:
                await outbox.aclose()

    with pytest.MonkeyPatch.context() as patch:
        play(patch, GATEWAY)
        return asyncio.run(run())


def log_of(dsn: str, broker: MemoryBroker) -> list[Message]:
    return in_the_clear((message for log in broker.logs.values() for message in log), dsn)


def fold(dsn: str, broker: MemoryBroker) -> Aggregates:
    """What the aggregator makes of the log, reading on from where it was."""
    reached = offsets(dsn)
    batch = sort_out(message for message in log_of(dsn, broker) if message.offset >= reached.get(message.place, 0))
    assert batch.dead == []
    with pytest.MonkeyPatch.context() as patch:
        play(patch, AGGREGATOR)
        with open_pool(dsn) as pool:
            store = Aggregated(pool)
            store.write(batch, resumed(store, batch.reached))
    return stored(dsn)


def asked(dsn: str, query: LiteralString, **parameters: object) -> list[dict[str, Any]]:
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        return connection.execute(query, parameters).fetchall()


def test_history_is_folded_as_feedback_on_the_songs(dsn: str, broker: MemoryBroker, tmp_path: Path) -> None:
    outcome = bring(dsn, broker, file_of(tmp_path, PAST))
    assert (outcome.rows, outcome.left_out, outcome.sent) == (4, 0, 7)
    found = fold(dsn, broker)
    stars = {key: (rating.stars, rating.rated_at) for key, rating in found.ratings.items()}
    assert stars == {
        (ANNA, SONGS[ANNA]): (2, NOW - timedelta(days=20)),  # the later of two
        (BEN, SONGS[BEN]): (1, NOW - timedelta(days=200)),
    }
    assert {key: play.heard for key, play in found.plays.items()} == {(ANNA, SONGS[ANNA]): ((0, 60_000),)}
    assert {made.track.arm for made in found.tracks.values()} == {"catalogue"}


def test_it_counts_for_taste_until_the_song_is_taken_back(dsn: str, broker: MemoryBroker, tmp_path: Path) -> None:
    bring(dsn, broker, file_of(tmp_path, PAST))
    fold(dsn, broker)
    [learned] = asked(dsn, TRAINING["tracks"], listener=ANNA)
    assert (learned["track_id"], learned["stars"], learned["heard"]) == (SONGS[ANNA], 2, 1.0)
    assert learned["features_url"] == f"file:///songs/{SONGS[ANNA]}/features"
    standings = {each["listener_id"]: each["new_ratings"] for each in asked(dsn, TRAINING["standings"])}
    assert (standings[ANNA], standings[BEN]) == (1, 1)
    with psycopg.connect(dsn) as connection:
        connection.execute("delete from gateway.songs where song_id = %s", [SONGS[ANNA]])
    assert asked(dsn, TRAINING["tracks"], listener=ANNA) == []


def test_it_is_compared_with_nothing(dsn: str, broker: MemoryBroker, tmp_path: Path) -> None:
    bring(dsn, broker, file_of(tmp_path, PAST))
    fold(dsn, broker)
    assert asked(dsn, "select sum(ratings) as ratings from feedback.rollups")[0]["ratings"] == 2
    assert (
        asked(
            dsn,
            "select * from feedback.rating_sums where base_ratings + cold_ratings + champion_ratings"
            " + candidate_ratings + previous_ratings > 0",
        )
        == []
    )
    for view in ("uplift", "arm_means", "arm_means_overall", "listener_means"):
        assert asked(dsn, f"select * from analytics.{view}") == []  # noqa: S608
    asked(dsn, "select feedback.refresh_cells(release_id)::text from feedback.rollups")
    assert asked(dsn, "select * from feedback.cells") == []


def test_brought_twice_it_is_there_once(dsn: str, broker: MemoryBroker, tmp_path: Path) -> None:
    file = file_of(tmp_path, [*PAST, PAST[0]])
    bring(dsn, broker, file)
    once = fold(dsn, broker)
    bring(dsn, broker, file)
    broker_before = len(log_of(dsn, broker))
    assert fold(dsn, broker) == once
    assert broker_before > len(asked(dsn, "select id from feedback.events")) == 7
    assert asked(dsn, "select * from feedback.conflicts") == []


def test_stopped_in_the_midst_and_begun_again_it_is_there_whole_and_once(
    dsn: str, broker: MemoryBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "PORTION", 1)
    file = file_of(tmp_path, PAST)
    with pytest.raises(KeyboardInterrupt):
        bring(dsn, broker, file, stop_after=2)
    assert 0 < len(log_of(dsn, broker)) < 7
    bring(dsn, broker, file)
    fold(dsn, broker)
    assert asked(dsn, "select count(*) as n from feedback.events")[0]["n"] == 7


def test_whoever_did_not_agree_to_training_is_left_out(dsn: str, broker: MemoryBroker, tmp_path: Path) -> None:
    outcome = bring(dsn, broker, file_of(tmp_path, [row(CARL, stars=5), row(BEN, stars=4)]))
    assert (outcome.left_out, outcome.sent) == (1, 2)
    assert str(CARL).encode() not in b"".join(message.value or b"" for message in log_of(dsn, broker))


def test_rows_on_songs_that_encore_does_not_have_are_left_out_and_counted(
    dsn: str, broker: MemoryBroker, tmp_path: Path
) -> None:
    """A product's catalogue is larger than what its listeners brought: the rest of the history comes."""
    unknown = [row(stars=3) | {"song_id": str(uuid4())}, row(heard_ms=3_600_000) | {"song_id": str(uuid4())}]
    outcome = bring(dsn, broker, file_of(tmp_path, [unknown[0], *PAST, unknown[1]]))
    assert (outcome.rows, outcome.left_out, outcome.without_song, outcome.sent) == (6, 0, 2, 7)
    assert "0 of listeners who did not agree to training and 2 on songs that nobody" in outcome.told
    assert {track for _, track in fold(dsn, broker).ratings} == {SONGS[ANNA], SONGS[BEN]}


def test_every_bad_row_is_told_with_line_and_field_and_nothing_is_sent(
    dsn: str, broker: MemoryBroker, tmp_path: Path
) -> None:
    wrong: dict[str, object] = {
        "stars": row(stars=6),
        "heard_ms": row(heard_ms=62_000),
        "time": row(stars=3, time=1767225600),
        "row": row(),
        "listener_id": row(STRANGER, stars=3),
        "song_id": row(stars=3) | {"song_id": str(SONGS[BEN])},
        "colour": row(stars=3, colour="red"),
    }
    late = [row(stars=3, time=(NOW + timedelta(days=1)).isoformat()), row(stars=3, time="2019-01-01T00:00:00Z")]
    file = file_of(tmp_path, [PAST[0], *wrong.values(), *late])
    with file.open("a") as more:
        more.write("{no json\n")
    with pytest.raises(BadRowsError) as refused:
        bring(dsn, broker, file)
    told = str(refused.value).splitlines()
    expected = [(line, name) for line, name in enumerate([*wrong, "time", "time", "row"], 2)]
    assert [tuple(line.split(": ")[:2]) for line in told[:-1]] == [(f"line {line}", name) for line, name in expected]
    assert told[-1] == "10 rows cannot be taken; nothing was sent."
    assert log_of(dsn, broker) == []


def test_parquet_is_read_as_the_same_rows(dsn: str, broker: MemoryBroker, tmp_path: Path) -> None:
    lines = file_of(tmp_path, PAST)
    table = tmp_path / "past.parquet"
    whole = [{"stars": None, "heard_ms": None, **each, "time": datetime.fromisoformat(each["time"])} for each in PAST]
    pq.write_table(pa.Table.from_pylist(whole), table)
    bring(dsn, broker, lines)
    once = fold(dsn, broker)
    bring(dsn, broker, table)
    assert fold(dsn, broker) == once
    assert len(asked(dsn, "select id from feedback.events")) == 7


@pytest.mark.parametrize("name", ["past.parquet", "past.jsonl"])
def test_a_file_of_another_kind_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UnreadableError, match=name):
        list(rows(tmp_path / name))


def test_what_was_sent_is_in_the_books(dsn: str, broker: MemoryBroker, tmp_path: Path) -> None:
    """The audit finds every message of the log acknowledged."""
    bring(dsn, broker, file_of(tmp_path, PAST))
    assert asked(dsn, "select sum(events)::int as events from gateway.acknowledged") == [{"events": 7}]


def test_the_command_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        importing.main(["past.jsonl", "--service", "product", "--about", "shop", "--rate", "0"])
    assert refused.value.code == 2
    assert "--rate: a number above 0 is expected" in capsys.readouterr().err
