"""A snapshot is named by what it says, not by the order in which that was read."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.examples import facts
from training.methods import METHODS
from training.snapshot import OTHERS_TRACKS, ListenerFacts, Recipe, build, load, sha256

BASE = "b" * 64
STARS = st.lists(st.integers(1, 5), max_size=6).map(tuple)


def digest(listeners: list[ListenerFacts]) -> str:
    return sha256(build(BASE, Recipe(), listeners, METHODS["weighted_sft"]).dump())


@given(st.lists(STARS, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_row_order_does_not_change_the_hash(stars: list[tuple[int, ...]], shuffle: random.Random) -> None:
    rows = [facts(number, own, songs=2) for number, own in enumerate(stars)]
    mixed = [
        row.model_copy(
            update={
                "songs": tuple(shuffle.sample(row.songs, len(row.songs))),
                "tracks": tuple(shuffle.sample(row.tracks, len(row.tracks))),
            }
        )
        for row in shuffle.sample(rows, len(rows))
    ]
    assert digest(rows) == digest(mixed)


def test_one_different_star_changes_the_hash() -> None:
    assert digest([facts(1, (5, 2))]) != digest([facts(1, (5, 3))])


def test_what_is_written_is_read_back_and_anything_else_refused() -> None:
    snapshot = build(BASE, Recipe(), [facts(1, (5, 2, 4))], METHODS["weighted_sft"])
    data = snapshot.dump()
    assert load(data, sha256(data)) == snapshot
    with pytest.raises(ValueError, match="expected sha256"):
        load(data.replace(b'"stars":5', b'"stars":4'), sha256(data))


def test_a_snapshot_of_before_cohorts_were_kept_is_read() -> None:
    one = build(BASE, Recipe(), [facts(1, (5,))], METHODS["weighted_sft"], [facts(2, (3,))])
    data = one.dump()
    old = data.replace(b'"attributes":{},', b"")
    assert old.count(b"attributes") == 0 < data.count(b"attributes")
    assert load(old, sha256(old)) == one


def test_of_others_it_holds_the_newest_tracks_and_no_champion_in_one_order() -> None:
    many, few = facts(2, (3,) * (OTHERS_TRACKS + 4)), facts(3, (1, 5))
    one, again = (
        build(BASE, Recipe(), [facts(1, (5,))], METHODS["weighted_sft"], o) for o in ([many, few], [few, many])
    )
    assert one == again
    assert [len(each.tracks) for each in one.others] == [OTHERS_TRACKS, 2]
    newest = sorted(many.tracks, key=lambda track: (track.rated_at, track.track_id))[-OTHERS_TRACKS:]
    assert one.others[0].tracks == tuple(newest)
    assert load(one.dump(), sha256(one.dump())) == one
    assert [entry.facts.listener_id for entry in one.listeners] == [facts(1, ()).listener_id]


def test_who_rated_nothing_that_is_learned_from_has_songs_alone() -> None:
    rows = [facts(1, (5,)), facts(2, ()), facts(3, (1,))]
    entries = build(BASE, Recipe(), rows, METHODS["weighted_sft"]).listeners
    assert [entry.has_feedback for entry in entries] == [True, False, False]
