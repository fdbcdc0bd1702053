"""Who is held out: the same listeners for the gateway, the rollout process and the analyst, for ever."""

from uuid import UUID

from services.holdout import is_held_out
from services.postgres import open_pool, transaction


def listener(number: int) -> UUID:
    return UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)


def test_the_database_holds_out_the_same_ones(postgres_dsn: str) -> None:
    people = [listener(number) for number in range(400)]
    with open_pool(postgres_dsn) as pool, transaction(pool) as connection:
        rows = connection.execute(
            "select id, analytics.hold_out_place(id) as place from unnest(%s::uuid[]) id", (people,)
        ).fetchall()
    for share in (0.0, 0.05, 0.5, 1.0):
        assert {row["id"] for row in rows if row["place"] < share} == {who for who in people if is_held_out(who, share)}


def test_a_share_is_about_that_part_and_grows_by_adding() -> None:
    people = [listener(number) for number in range(4000)]
    few, more = ({who for who in people if is_held_out(who, share)} for share in (0.05, 0.1))
    assert few < more
    assert 150 < len(few) < 250
    assert not any(is_held_out(who, 0.0) for who in people)
