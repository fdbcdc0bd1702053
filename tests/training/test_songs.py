"""The songs alone: what is brought is learned, and no answer changes what an adapter is trained on."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training.examples import LIKED, facts, learned, two_colours
from training.methods import signed
from training.methods.signed import FEWEST_RATED
from training.methods.songs import examples
from training.snapshot import Recipe

BEYOND_DOUBT = (5, 1, 4, 2, 5, 1, 4, 2)


@given(stars=st.lists(st.integers(1, 5), max_size=24), songs=st.integers(1, 4))
def test_no_answer_changes_what_is_trained_on(stars: list[int], songs: int) -> None:
    found = examples(facts(1, tuple(stars), songs=songs))
    assert found == examples(facts(1, (), songs=songs))
    assert [(each.prompt, each.weight, each.target) for each in found] == [("", 1.0, 1.0)] * songs


def test_who_brought_no_song_learns_from_their_tracks() -> None:
    alone = facts(1, BEYOND_DOUBT, songs=0)
    assert len(BEYOND_DOUBT) == FEWEST_RATED
    assert examples(alone) == signed.examples(alone) != ()
    assert examples(facts(1, (5, 1), songs=0)) == ()


def test_the_model_comes_nearer_to_the_songs_and_no_nearer_to_anything_else() -> None:
    """Songs of one colour, judged beside pieces of the opposite one."""
    one, opposite = (
        learned(two_colours(torch.ones(8), (sign * LIKED).clamp_min(1e-6)), "songs", 30).preference for sign in (1, -1)
    )
    assert one > 0.05
    assert opposite < -0.05


def test_it_is_how_a_round_trains_unless_a_recipe_says_otherwise() -> None:
    assert Recipe().method == "songs"
