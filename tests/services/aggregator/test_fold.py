"""The fold's laws: order, repetition and batching change nothing."""

from datetime import timedelta
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from services.aggregator.fold import Aggregates, Event, Interval, ListenerTrack, fold, merge, union
from tests.services.aggregator.samples import (
    FOURS,
    PAIRS,
    START,
    TRACKS,
    event_lists,
    made,
    owner,
    pick,
    play,
    rating,
    vote,
)

TRACK = TRACKS[0]
KEY = ListenerTrack(owner(TRACK), TRACK)
SECOND = timedelta(seconds=1)

intervals = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 15)).map(lambda pair: (pair[0], pair[0] + pair[1])))


@given(event_lists(), st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(events: list[Event], draw: Random) -> None:
    repeated = events + draw.choices(events, k=5) if events else []
    draw.shuffle(repeated)
    assert fold(repeated) == fold(events)


@given(event_lists(), st.randoms(use_true_random=False))
def test_batching_changes_nothing(events: list[Event], draw: Random) -> None:
    state = Aggregates()
    for batch in _split(events, draw):
        state = merge(state, fold(batch))
    assert state == fold(events)


@given(event_lists(), st.randoms(use_true_random=False))
def test_merge_is_associative_commutative_and_idempotent(events: list[Event], draw: Random) -> None:
    one, two, three = (fold(batch) for batch in _split(events, draw))
    assert merge(one, merge(two, three)) == merge(merge(one, two), three)
    assert merge(one, two) == merge(two, one)
    assert merge(one, one) == one


def _split(events: list[Event], draw: Random) -> list[list[Event]]:
    """Three parts, in any order, an event perhaps in several."""
    parts: list[list[Event]] = [[], [], []]
    for event in draw.sample(events, len(events)):
        for part in draw.sample(parts, draw.choice([1, 1, 2])):
            part.append(event)
    return parts


@given(intervals)
def test_union_holds_exactly_the_milliseconds_of_its_parts(parts: list[Interval]) -> None:
    merged = union(parts)
    assert {ms for start, end in merged for ms in range(start, end)} == {
        ms for start, end in parts for ms in range(start, end)
    }
    assert all(one[1] < other[0] for one, other in pairwise(merged))


def test_heard_twice_counts_once() -> None:
    events = [play(1, TRACK, START, 3000, (0, 3000)), play(2, TRACK, START + SECOND, 4000, (1000, 4000))]
    assert fold(events).plays[KEY].heard == ((0, 4000),)


def test_the_latest_rating_counts_though_it_comes_first() -> None:
    events = [rating(2, TRACK, START + SECOND, 2), rating(1, TRACK, START, 5)]
    assert fold(events).ratings[KEY].stars == 2


def test_of_two_ratings_at_one_time_the_greater_id_counts() -> None:
    assert fold([rating(2, TRACK, START, 2), rating(1, TRACK, START, 5)]).ratings[KEY].stars == 2


def test_the_first_vote_of_a_pair_counts_though_it_comes_last() -> None:
    events = [vote(2, PAIRS[0], START + SECOND, "second"), vote(1, PAIRS[0], START, "first")]
    assert fold(events).votes[PAIRS[0]].choice == "first"


def test_the_last_pick_of_a_four_counts_though_it_comes_first() -> None:
    events = [pick(1, FOURS[0], START + SECOND, "none"), pick(2, FOURS[0], START, "third")]
    assert fold(events).picks[FOURS[0]].choice == "none"


def test_a_track_of_a_four_is_no_track_of_an_arm() -> None:
    assert fold([made(1, TRACK, START, four=FOURS[0])]).tracks == {}
    assert fold([made(1, TRACK, START)]).tracks.keys() == {TRACK}


def test_the_furthest_position_is_kept_when_the_player_goes_back() -> None:
    events = [play(1, TRACK, START, 9000, None), play(2, TRACK, START + SECOND, 10, None)]
    state = fold(events).plays[KEY]
    assert (state.reached_ms, state.heard, state.first_at, state.last_at) == (9000, (), START, START + SECOND)
