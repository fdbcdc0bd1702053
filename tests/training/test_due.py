"""Who is due, as laws."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from tests.training.examples import START
from training.due import Request, Rule, Standing, Start, decide, is_due

RULE = Rule(min_ratings=20, upload_wait=timedelta(minutes=10))
NOW = START + timedelta(days=1)
IDS = st.integers(1, 6).map(lambda number: UUID(int=number))


@st.composite
def standing(draw: st.DrawFn) -> Standing:
    songs, ratings = draw(st.integers(0, 3)), draw(st.integers(0, 60))
    return Standing(
        listener_id=draw(IDS),
        songs=songs,
        ratings=ratings,
        new_songs=draw(st.integers(0, songs)),
        new_ratings=draw(st.integers(0, ratings)),
        newest_song_at=NOW - timedelta(minutes=draw(st.integers(0, 30))) if songs else None,
        has_adapter=draw(st.booleans()),
        in_canary=draw(st.booleans()),
    )


STANDINGS = st.lists(standing(), max_size=6, unique_by=lambda s: s.listener_id)
REQUEST = st.builds(Request, st.uuids(), st.frozensets(IDS, max_size=3))
REQUESTS = st.lists(REQUEST, max_size=2)


@given(REQUESTS, STANDINGS)
def test_nothing_starts_while_a_trained_round_waits_for_its_release(
    requests: list[Request], standings: list[Standing]
) -> None:
    assert decide(requests, standings, RULE, NOW, release_pending=True) is None


@given(REQUESTS, STANDINGS)
def test_nobody_is_trained_during_their_canary_or_without_material(
    requests: list[Request], standings: list[Standing]
) -> None:
    start = decide(requests, standings, RULE, NOW, release_pending=False)
    chosen = start.listeners if start else ()
    known = {s.listener_id: s for s in standings}
    assert all(known[listener].has_material and not known[listener].in_canary for listener in chosen)


@given(REQUESTS, STANDINGS)
def test_the_order_of_the_rows_does_not_matter(requests: list[Request], standings: list[Standing]) -> None:
    first, second = (
        decide(requests, rows, RULE, NOW, release_pending=False) for rows in (standings, list(reversed(standings)))
    )
    assert first == second


@given(st.lists(REQUEST, min_size=1, max_size=2), STANDINGS)
def test_a_request_is_always_answered_at_once(requests: list[Request], standings: list[Standing]) -> None:
    start = decide(requests, standings, RULE, NOW, release_pending=False)
    assert start is not None
    assert start.requests == tuple(request.request_id for request in requests)
    assert start.listeners or start.detail


@given(st.lists(REQUEST, min_size=1, max_size=4), STANDINGS)
def test_requests_that_wait_are_answered_by_one_round_for_all_of_them(
    requests: list[Request], standings: list[Standing]
) -> None:
    def started(asked: list[Request]) -> set[UUID]:
        start = decide(asked, standings, RULE, NOW, release_pending=False)
        assert start is not None
        return set(start.listeners)

    assert started(requests) == set[UUID]().union(*(started([each]) for each in requests))


@given(STANDINGS)
def test_one_more_rating_never_makes_a_listener_less_due(standings: list[Standing]) -> None:
    def due(rows: list[Standing]) -> set[UUID]:
        start = decide([], rows, RULE, NOW, release_pending=False)
        return set(start.listeners) if start else set()

    more = [replace(s, ratings=s.ratings + 1, new_ratings=s.new_ratings + 1) for s in standings]
    assert due(standings) <= due(more)


def test_rule_waits_for_enough_ratings() -> None:
    nearly = Standing(UUID(int=1), ratings=40, new_ratings=19, has_adapter=True)
    assert decide([], [nearly], RULE, NOW, release_pending=False) is None
    enough = replace(nearly, new_ratings=20)
    assert decide([], [enough], RULE, NOW, release_pending=False) == Start((UUID(int=1),))


def test_a_round_takes_along_who_is_halfway_and_none_begins_for_them() -> None:
    due = Standing(UUID(int=1), ratings=40, new_ratings=20)
    halfway = Standing(UUID(int=2), ratings=40, new_ratings=10)
    short = Standing(UUID(int=3), ratings=40, new_ratings=9)
    other = replace(halfway, listener_id=UUID(int=4))
    for aside in (replace(other, in_canary=True), replace(other, rests=True), replace(other, may_train=False)):
        start = decide([], [due, halfway, short, aside], RULE, NOW, release_pending=False)
        assert start == Start((due.listener_id, halfway.listener_id))
    assert decide([], [halfway, short], RULE, NOW, release_pending=False) is None


def test_rule_trains_on_songs_alone_once_and_when_the_uploads_have_settled() -> None:
    uploader = Standing(UUID(int=1), songs=2, new_songs=2, newest_song_at=NOW - timedelta(minutes=11))
    assert decide([], [uploader], RULE, NOW, release_pending=False) == Start((UUID(int=1),))
    still_uploading = replace(uploader, newest_song_at=NOW - timedelta(minutes=9))
    assert decide([], [still_uploading], RULE, NOW, release_pending=False) is None
    has_one = replace(uploader, has_adapter=True)
    assert decide([], [has_one], RULE, NOW, release_pending=False) is None


def test_who_rests_is_tried_again_only_when_an_operator_names_them() -> None:
    tired = Standing(UUID(int=1), ratings=40, new_ratings=40, rests=True)
    assert decide([], [tired], RULE, NOW, release_pending=False) is None
    named, everyone = Request(UUID(int=9), frozenset({tired.listener_id})), Request(UUID(int=9), frozenset())
    start = decide([named], [tired], RULE, NOW, release_pending=False)
    assert start is not None
    assert start.listeners == (tired.listener_id,)
    start = decide([everyone], [tired], RULE, NOW, release_pending=False)
    assert start is not None
    assert (start.listeners, start.detail) == ((), "1 left out: resting after failures of their own")


def test_nobody_is_trained_who_did_not_agree() -> None:
    silent = Standing(UUID(int=1), songs=3, ratings=9, new_songs=3, new_ratings=9, newest_song_at=NOW, may_train=False)
    agreed = replace(silent, listener_id=UUID(int=2), may_train=True)
    assert not is_due(silent, RULE, NOW + timedelta(days=1))
    for named in (frozenset[UUID](), frozenset({silent.listener_id, agreed.listener_id})):
        start = decide([Request(UUID(int=9), named)], [silent, agreed], RULE, NOW, release_pending=False)
        assert start is not None
        assert start.listeners == (agreed.listener_id,)
        assert start.detail == "1 left out: no consent to training"
