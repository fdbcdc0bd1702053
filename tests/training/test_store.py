"""What the factory reads of others' tables, on a real database."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.training.examples import START
from training.due import Request, Start
from training.store import Store

LISTENER, SONG, TRACK, BASE = UUID(int=1), UUID(int=2), UUID(int=3), "b" * 64


@pytest.fixture
def connection(postgres_dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_dsn, autocommit=True) as opened:
        opened.execute("insert into gateway.listeners (listener_id) values (%s)", (LISTENER,))
        opened.execute(
            "insert into gateway.songs values (%s, %s, 'a.wav', 'x', 7, %s, -14, 'x', 'song', %s)",
            (SONG, LISTENER, "0" * 64, START),
        )
        opened.execute(
            "insert into feedback.tracks values (%s, %s, 'base', 0.25, null, null, null, 'calm', 10, 'track', %s, %s)",
            (TRACK, LISTENER, "0" * 64, START),
        )
        yield opened


@pytest.fixture
def store(postgres_dsn: str) -> Iterator[Store]:
    with Store(postgres_dsn) as opened:
        yield opened


def rate(connection: psycopg.Connection, minutes: int, stars: int = 4) -> None:
    connection.execute(
        "insert into feedback.ratings values (%s, %s, %s, %s, %s) "
        "on conflict (listener_id, track_id) do update set stars = excluded.stars, rated_at = excluded.rated_at",
        (LISTENER, TRACK, stars, START + timedelta(minutes=minutes), uuid4()),
    )


def test_a_rating_is_new_until_a_round_has_learned_from_it(connection: psycopg.Connection, store: Store) -> None:
    rate(connection, 5)
    (standing,) = store.standings()
    assert (standing.new_songs, standing.new_ratings, standing.has_adapter, standing.in_canary) == (1, 1, False, False)
    (facts,) = store.facts([LISTENER])
    assert facts.learned_to is not None
    round_id = uuid4()
    assert store.start_round(round_id, Start((LISTENER,)))
    store.finish_round(round_id, [], {LISTENER: facts.learned_to}, "")
    assert not store.standings()[0].has_something_new
    rate(connection, 6, stars=2)
    assert store.standings()[0].new_ratings == 1


def test_facts_carry_what_was_heard(connection: psycopg.Connection, store: Store) -> None:
    rate(connection, 5)
    assert store.facts([LISTENER])[0].tracks[0].heard is None
    connection.execute(
        "insert into feedback.plays values (%s, %s, '{[0,2500)}', 2500, now(), now())", (LISTENER, TRACK)
    )
    (track,) = store.facts([LISTENER])[0].tracks
    assert (track.heard, track.stars, track.prompt, track.features_url) == (0.25, 4, "calm", "track")


def test_a_request_is_untaken_until_a_round_answers_it(connection: psycopg.Connection, store: Store) -> None:
    wish = uuid4()
    connection.execute("insert into gateway.round_requests (request_id, listeners) values (%s, %s)", (wish, [LISTENER]))
    assert store.requests() == [Request(wish, frozenset({LISTENER}))]
    assert store.start_round(uuid4(), Start((), wish, "nobody"))
    assert store.requests() == []
    assert store.running_round() is None


def test_one_round_runs_at_a_time(store: Store) -> None:
    assert store.start_round(uuid4(), Start((LISTENER,)))
    assert not store.start_round(uuid4(), Start((LISTENER,)))


def test_one_process_works_at_a_time(postgres_dsn: str, store: Store) -> None:
    assert store.claim_work()
    with Store(postgres_dsn) as other:
        assert not other.claim_work()


def test_a_trained_round_is_pending_until_it_has_a_release(connection: psycopg.Connection, store: Store) -> None:
    round_id = uuid4()
    connection.execute(
        "insert into training.rounds (round_id, status, listeners) values (%s, 'trained', %s)", (round_id, [LISTENER])
    )
    assert store.release_pending()
    release = uuid4()
    connection.execute("insert into rollout.releases values (%s, %s, 'canary', 's', '{}')", (release, round_id))
    assert not store.release_pending()
    connection.execute(
        "insert into rollout.listener_models (listener_id, release_id) values (%s, %s)", (LISTENER, release)
    )
    assert store.standings()[0].in_canary


def test_champion_is_where_training_starts_from(connection: psycopg.Connection, store: Store) -> None:
    round_id = uuid4()
    connection.execute(
        "insert into training.rounds (round_id, status, listeners) values (%s, 'trained', '{}')", (round_id,)
    )
    connection.execute(
        "insert into training.adapters (listener_id, version, round_id, url, sha256, base_hash, rank, snapshot_sha256) "
        "values (%s, 3, %s, 'u', %s, %s, 8, %s)",
        (LISTENER, round_id, "1" * 64, BASE, "2" * 64),
    )
    assert store.facts([LISTENER])[0].champion is None
    connection.execute(
        "insert into rollout.listener_models (listener_id, champion_version) values (%s, 3)", (LISTENER,)
    )
    champion = store.facts([LISTENER])[0].champion
    assert champion is not None
    assert (champion.version, champion.url) == (3, "u")
