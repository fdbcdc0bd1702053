"""The audit keeps who did what and why, together with the deed, and nobody changes it."""

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

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
