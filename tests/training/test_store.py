"""What the factory reads of others' tables, on a real database."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from schemas.registry import AdapterRef
from tests.training.examples import START
from training.due import Request, Rest, Start
from training.snapshot import Learned, LeftOut, ListenerFacts
from training.store import Store, Version

LISTENER, SONG, TRACK, BASE = UUID(int=1), UUID(int=2), UUID(int=3), "b" * 64
REST = Rest(patience=3, rest=timedelta(hours=1))


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


def rate(
    connection: psycopg.Connection,
    minutes: int,
    stars: int = 4,
    rated_at: datetime | None = None,
    listener: UUID = LISTENER,
    track: UUID = TRACK,
) -> None:
    """A rating that arrives so many minutes after the start, whatever its own time is."""
    connection.execute(
        "insert into feedback.ratings (listener_id, track_id, stars, rated_at, event_id, received_at)"
        " values (%s, %s, %s, %s, %s, %s) on conflict (listener_id, track_id) do update"
        " set stars = excluded.stars, rated_at = excluded.rated_at, received_at = excluded.received_at",
        (listener, track, stars, rated_at or START, uuid4(), START + timedelta(minutes=minutes)),
    )


def facts_of(store: Store, listener: UUID = LISTENER) -> ListenerFacts:
    (facts,) = store.facts([listener])
    assert isinstance(facts, ListenerFacts)
    return facts


def learn(store: Store, learned: dict[UUID, Learned], troubles: dict[UUID, str] | None = None) -> None:
    """A round that ends so."""
    round_id = uuid4()
    assert store.start_round(round_id, Start((LISTENER,)))
    store.finish_round(round_id, [], learned, troubles or {}, REST, "")


def test_a_rating_is_new_until_a_round_has_learned_from_it(connection: psycopg.Connection, store: Store) -> None:
    rate(connection, 5)
    (standing,) = store.standings()
    assert (standing.new_songs, standing.new_ratings, standing.has_adapter, standing.in_canary) == (1, 1, False, False)
    learn(store, {LISTENER: facts_of(store).learned})
    assert not store.standings()[0].has_something_new
    rate(connection, 6, stars=2)
    assert store.standings()[0].new_ratings == 1


@pytest.mark.parametrize("error", [-timedelta(hours=1), timedelta(hours=1)])
def test_ratings_are_new_by_their_arrival_whatever_the_device_says(
    connection: psycopg.Connection, store: Store, error: timedelta
) -> None:
    """After a round that learned from a song and a rating of now, one from a clock that is an hour off."""
    rate(connection, 5)
    learn(store, {LISTENER: facts_of(store).learned})
    rate(connection, 6, rated_at=START + error)
    assert store.standings()[0].new_ratings == 1
    learn(store, {LISTENER: facts_of(store).learned})
    assert store.standings()[0].new_ratings == 0


def test_a_song_does_not_make_a_rating_old_that_arrived_before_it(connection: psycopg.Connection, store: Store) -> None:
    learn(store, {LISTENER: facts_of(store).learned})
    rate(connection, -5)
    assert store.standings()[0].new_ratings == 1


def test_one_listener_who_cannot_be_read_is_left_out_with_the_reason(
    connection: psycopg.Connection, store: Store
) -> None:
    """A row as an earlier version let it in: no Python time holds it."""
    other, track = UUID(int=7), UUID(int=8)
    connection.execute("insert into gateway.listeners (listener_id) values (%s)", (other,))
    connection.execute(
        "insert into feedback.tracks values (%s, %s, 'base', 0.25, null, null, null, 'calm', 10, 'track', %s, %s)",
        (track, other, "0" * 64, START),
    )
    connection.execute("alter table feedback.ratings drop constraint ratings_rated_at_check")
    rate(connection, 5, listener=other, track=track)
    connection.execute("update feedback.ratings set rated_at = '0001-01-01 BC'")
    rate(connection, 5)
    left, read = store.facts([other, LISTENER])
    assert isinstance(left, LeftOut)
    assert left.listener_id == other
    assert "timestamp too small" in left.reason
    assert isinstance(read, ListenerFacts)
    assert len(read.tracks) == 1


def test_after_a_few_failures_a_listener_rests_until_a_round_succeeds(
    connection: psycopg.Connection, store: Store
) -> None:
    for failures in range(1, REST.patience + 2):
        learn(store, {}, {LISTENER: "features: absent"})
        assert store.standings()[0].rests is (failures >= REST.patience)
        # Nothing was learned, so nothing is marked as learned from.
        assert store.standings()[0].new_songs == 1
    assert store.resting() == 1
    ((rest,),) = connection.execute("select rests_until - failed_at from training.troubles").fetchall()
    assert rest == 2 * REST.rest
    learn(store, {LISTENER: facts_of(store).learned})
    assert (store.resting(), store.standings()[0].rests) == (0, False)


def test_facts_carry_what_was_heard(connection: psycopg.Connection, store: Store) -> None:
    rate(connection, 5)
    assert facts_of(store).tracks[0].heard is None
    connection.execute(
        "insert into feedback.plays values (%s, %s, '{[0,2500)}', 2500, now(), now())", (LISTENER, TRACK)
    )
    (track,) = facts_of(store).tracks
    assert (track.heard, track.stars, track.prompt, track.features_url) == (0.25, 4, "calm", "track")


def test_facts_carry_the_cohorts_of_a_listener_as_they_are_now(connection: psycopg.Connection, store: Store) -> None:
    assert facts_of(store).attributes == {}
    connection.execute("""update gateway.listeners set attributes = '{"home": "north"}'""")
    assert facts_of(store).attributes == {"home": "north"}


def test_a_request_is_untaken_until_a_round_answers_it(connection: psycopg.Connection, store: Store) -> None:
    first, second, later = uuid4(), uuid4(), uuid4()
    asked = "insert into gateway.round_requests (request_id, listeners) values (%s, %s)"
    for wish in (first, second):
        connection.execute(asked, (wish, [LISTENER]))
    assert store.requests() == [Request(first, frozenset({LISTENER})), Request(second, frozenset({LISTENER}))]
    assert store.start_round(first, Start((), (first, second), "nobody"))
    assert store.requests() == []
    connection.execute(asked, (later, []))
    assert store.requests() == [Request(later, frozenset())]
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
    assert facts_of(store).champion is None
    connection.execute(
        "insert into rollout.listener_models (listener_id, champion_version) values (%s, 3)", (LISTENER,)
    )
    champion = facts_of(store).champion
    assert champion is not None
    assert (champion.version, champion.url) == (3, "u")


def test_nothing_is_learned_of_who_does_not_agree(connection: psycopg.Connection, store: Store) -> None:
    rate(connection, 5)
    say = "insert into gateway.consents (listener_id, purpose, given, text_version, said_by)"
    connection.execute(say + " values (%s, 'analysis', false, '1', 'listener')", (LISTENER,))
    assert store.standings()[0].may_train
    connection.execute(say + " values (%s, 'training', false, '1', 'listener')", (LISTENER,))
    assert not store.standings()[0].may_train
    assert store.standings()[0].ratings == 1
    assert store.facts([LISTENER]) == [LeftOut(listener_id=LISTENER, reason="no consent to training")]
    connection.execute(say + " values (%s, 'training', true, '2', 'listener')", (LISTENER,))
    assert store.standings()[0].may_train
    assert facts_of(store).tracks


def version(number: int = 1) -> Version:
    adapter = AdapterRef(listener_id=LISTENER, version=number, url="file:///a", sha256="a" * 64, base_hash=BASE)
    return Version(adapter, rank=8, snapshot_sha256="c" * 64, scores={}, method="songs")


def train(store: Store, number: int = 1) -> None:
    round_id, learned = uuid4(), {LISTENER: facts_of(store).learned}
    assert store.start_round(round_id, Start((LISTENER,)))
    store.finish_round(round_id, [version(number)], learned, {}, REST, "")


def withdraw(connection: psycopg.Connection) -> None:
    """Takes the song back, and brings another one."""
    connection.execute("delete from gateway.songs")
    connection.execute(
        "insert into gateway.withdrawn_songs (song_id, listener_id, brought_at) values (%s, %s, %s)",
        (SONG, LISTENER, START),
    )
    connection.execute(
        "insert into gateway.songs values (%s, %s, 'b.wav', 'y', 7, %s, -14, 'y', 'other', %s)",
        (UUID(int=9), LISTENER, "1" * 64, START),
    )


def test_others_are_who_rated_agrees_and_has_no_part_in_the_round_newest_first(
    connection: psycopg.Connection, store: Store
) -> None:
    everyone = [UUID(int=place) for place in range(11, 16)]
    for place, listener in enumerate(everyone):
        connection.execute("insert into gateway.listeners (listener_id) values (%s)", (listener,))
        track = uuid4()
        connection.execute(
            "insert into feedback.tracks values (%s, %s, 'base', 0.25, null, null, null, 'calm', 10, 'track', %s, %s)",
            (track, listener, "0" * 64, START),
        )
        if place < 4:
            rate(connection, place, listener=listener, track=track)
    connection.execute(
        "insert into gateway.consents (listener_id, purpose, given, text_version, said_by)"
        " values (%s, 'training', false, '1', 'listener')",
        (everyone[1],),
    )
    found = store.others([everyone[3]], 5)
    assert [facts.listener_id for facts in found] == [everyone[2], everyone[0]]
    assert all(len(facts.tracks) == 1 for facts in found)
    assert [facts.listener_id for facts in store.others([], 1)] == [everyone[3]]


def test_after_a_song_was_taken_back_all_that_is_left_is_new(connection: psycopg.Connection, store: Store) -> None:
    rate(connection, 5)
    train(store)
    assert not store.standings()[0].has_something_new
    withdraw(connection)
    (standing,) = store.standings()
    assert (standing.new_songs, standing.new_ratings, standing.has_adapter) == (1, 1, False)
    train(store, 2)
    (standing,) = store.standings()
    assert (standing.has_something_new, standing.has_adapter) == (False, True)


def test_nothing_starts_from_a_version_that_learned_from_it(connection: psycopg.Connection, store: Store) -> None:
    train(store)
    served = "insert into rollout.listener_models (listener_id, champion_version) values (%s, 1)"
    connection.execute(served, (LISTENER,))
    assert facts_of(store).champion is not None
    withdraw(connection)
    assert facts_of(store).champion is None
    assert [song.features_url for song in facts_of(store).songs] == ["other"]


def test_what_was_in_training_meanwhile_is_not_registered(connection: psycopg.Connection, store: Store) -> None:
    round_id, learned = uuid4(), {LISTENER: facts_of(store).learned}
    assert store.start_round(round_id, Start((LISTENER,)))
    withdraw(connection)
    store.finish_round(round_id, [version()], learned, {}, REST, "")
    assert connection.execute("select count(*) from training.adapters").fetchone() == (0,)
    assert store.standings()[0].has_something_new


def test_a_contest_is_told_with_its_scores_whether_or_not_the_track_was_heard(
    connection: psycopg.Connection, store: Store
) -> None:
    seeds = [{"seed": 1, "halfway": 0.5, "final": 0.75, "chosen": True}, {"seed": 2, "halfway": -0.5}]
    for number, (status, selection) in enumerate((("ready", seeds), ("failed", seeds), ("ready", None))):
        connection.execute(
            "insert into gateway.tracks (track_id, listener_id, prompt, seconds, seed, arm, propensity, request,"
            " status, features_url, selection, finished_at)"
            " values (%s, %s, 'calm', 10, 1, 'champion', 0.6, '{}', %s, %s, %s, %s)",
            (UUID(int=50 + number), LISTENER, status, f"won-{number}", selection and Jsonb(selection), START),
        )
    (told,) = facts_of(store).contests
    assert (told.track_id, told.features_url, told.prompt, told.made_at) == (UUID(int=50), "won-0", "calm", START)
    assert [(each.seed, each.halfway, each.final, each.chosen) for each in told.competitors] == [
        (1, 0.5, 0.75, True),
        (2, -0.5, None, False),
    ]


TAKES = [UUID(int=100 + place) for place in range(4)]


@pytest.fixture
def four(connection: psycopg.Connection) -> UUID:
    """Takes that are ready but for the last one."""
    four_id = UUID(int=99)
    connection.execute("insert into gateway.fours values (%s, %s, %s)", (four_id, LISTENER, TAKES))
    for place, track in enumerate(TAKES):
        connection.execute(
            "insert into gateway.tracks (track_id, listener_id, four_id, prompt, seconds, seed, arm, propensity,"
            " request, status, features_url) values (%s, %s, %s, 'calm', 10, 1, 'base', 0.25, '{}', %s, %s)",
            (track, LISTENER, four_id, "failed" if place == 3 else "ready", f"take-{place}"),
        )
    return four_id


def pick(connection: psycopg.Connection, four_id: UUID, choice: str, minutes: int = 5) -> None:
    connection.execute(
        "insert into feedback.picks values (%s, %s, %s, %s, %s, %s) on conflict (four_id) do update"
        " set choice = excluded.choice, received_at = excluded.received_at",
        (four_id, LISTENER, choice, START, uuid4(), START + timedelta(minutes=minutes)),
    )


def test_a_pick_is_told_with_the_takes_beside_it(connection: psycopg.Connection, store: Store, four: UUID) -> None:
    pick(connection, four, "second")
    (told,) = facts_of(store).picks
    assert (told.picked_url, told.other_urls) == ("take-1", ("take-0", "take-2"))
    pick(connection, four, "none")
    (told,) = facts_of(store).picks
    assert (told.picked_url, told.other_urls) == (None, ("take-0", "take-1", "take-2"))


def test_a_take_that_was_not_heard_says_nothing(connection: psycopg.Connection, store: Store, four: UUID) -> None:
    for track, heard in zip(TAKES, ("{[0,4000)}", "{[0,900)}", "{[0,500),[2000,2600)}"), strict=False):
        connection.execute(
            "insert into feedback.plays values (%s, %s, %s, 4000, %s, %s)", (LISTENER, track, heard, START, START)
        )
    pick(connection, four, "first")
    (told,) = facts_of(store).picks
    assert (told.picked_url, told.other_urls) == ("take-0", ("take-2",))
    pick(connection, four, "second")
    assert facts_of(store).picks[0].picked_url is None


def test_a_pick_is_new_until_a_round_has_learned_from_it(
    connection: psycopg.Connection, store: Store, four: UUID
) -> None:
    pick(connection, four, "first")
    assert store.standings()[0].new_ratings == 1
    learn(store, {LISTENER: facts_of(store).learned})
    assert store.standings()[0].new_ratings == 0
    pick(connection, four, "third", minutes=6)
    assert store.standings()[0].new_ratings == 1
    connection.execute("delete from gateway.songs")
    assert store.standings() == []
