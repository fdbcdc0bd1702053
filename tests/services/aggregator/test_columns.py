"""Arrays as statements get them: PostgreSQL reads what was meant, whatever is in them."""

from datetime import UTC
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from schemas.events import EARLIEST, LATEST
from services.aggregator.columns import columns

SPAN: Final = (EARLIEST.replace(tzinfo=None), LATEST.replace(tzinfo=None))
VALUES: Final[dict[str, st.SearchStrategy[Any]]] = {
    "uuid": st.uuids(),
    "int8": st.integers(-(1 << 63), (1 << 63) - 1),
    "timestamptz": st.datetimes(*SPAN, timezones=st.just(UTC)),
    "text": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    "bytea": st.binary(),
    "bool": st.booleans(),
}


@pytest.mark.parametrize("kind", VALUES)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_column_comes_back_as_it_was_given(postgres_dsn: str, kind: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | VALUES[kind]) | st.lists(VALUES[kind]))
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("set time zone 'UTC'")
        asked = sql.SQL("select v from unnest(%(it)s::{}[]) with ordinality as u (v, n) order by n")
        arrays = columns([(value,) for value in values], "it")
        rows = connection.execute(asked.format(sql.Identifier(kind)), arrays).fetchall()
    assert [row[0] for row in rows] == values


def test_each_name_gets_its_place_in_the_rows() -> None:
    one = UUID(int=1)
    assert columns([(one, 2, None), (one, 3, 4)], "ids", "counts", "rest") == {
        "ids": f"{{{one.hex},{one.hex}}}",
        "counts": "{2,3}",
        "rest": [None, 4],
    }
