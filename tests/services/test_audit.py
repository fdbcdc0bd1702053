"""The audit keeps who did what and why, together with the deed, and nobody changes it."""

from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row, scalar_row

from services.audit import Actor, record

ANNA = Actor("operator", "anna", "k1")


def test_a_deed_and_its_record_stand_or_fall_together(postgres_dsn: str) -> None:
    with psycopg.connect(postgres_dsn, row_factory=dict_row) as connection:
        record(connection.execute, ANNA, "round.asked", subject="r1", reason="a look", listeners=3)
        connection.commit()
        record(connection.execute, ANNA, "round.asked", subject="r2")
        connection.rollback()
        [kept] = connection.execute("select * from audit.entries").fetchall()
    assert (kept["kind"], kept["name"], kept["key_id"]) == ("operator", "anna", "k1")
    assert (kept["action"], kept["subject"], kept["reason"]) == ("round.asked", "r1", "a look")
    assert kept["detail"] == {"listeners": 3}
    assert kept["at"] is not None


@pytest.mark.parametrize("change", ["update {} set name = 'eve'", "delete from {}", "truncate {}"])
def test_nobody_changes_it(postgres_dsn: str, change: str) -> None:
    with psycopg.connect(postgres_dsn) as connection:
        record(connection.execute, ANNA, "round.asked")
        connection.commit()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(sql.SQL(change).format(sql.Identifier("audit", "entries")))


def test_an_id_is_forgotten_wherever_it_stands_without_reading_the_whole(postgres_dsn: str) -> None:
    who, song, other = uuid4(), uuid4(), uuid4()
    with psycopg.connect(postgres_dsn, row_factory=scalar_row) as connection:
        record(connection.execute, Actor("listener", str(who)), "login.exchanged", subject=str(who))
        record(connection.execute, ANNA, "song.withdrawn", subject=str(song), listener=str(who))
        record(connection.execute, ANNA, "round.asked", reason=f"({who}{song})", listeners=[str(other), str(who)])
        record(connection.execute, ANNA, "token.minted", subject=str(other))
        connection.commit()
        connection.execute("set enable_seqscan = off")  # so few rows are read whole otherwise
        connection.commit()
        connection.execute("select audit.forget(%s)", ([who, song],))
        read = connection.execute("select pg_stat_get_xact_numscans('audit.entries'::regclass)").fetchone()
        texts = connection.execute("select e::text from audit.entries e order by entry_id").fetchall()
    assert read == 0
    assert not [text for text in texts if str(who) in text or str(song) in text]
    assert [str(other) in text for text in texts] == [False, False, True, True]
    assert [text.count("erased-") for text in texts] == [2, 2, 3, 0]
