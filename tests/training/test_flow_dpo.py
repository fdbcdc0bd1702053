"""Flow-DPO: pairs that are ahead in everything, a loss that spares the winner, a preference that was planted."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from serving.engine.bases.shipped.checkpoint import random_base
from tests.training.examples import LIKED, PERMUTED, facts, features, taught, two_colours
from training.losses import KEPT, SHARPNESS, flow_dpo, flow_matching
from training.material import Material, draw, held_out, load_material
from training.methods.flow_dpo import FEWEST, MOST, SURE, examples, pairs
from training.preference import EVERY_SIGNAL, Signals
from training.snapshot import ListenerSnapshot, Recipe

RATED = (5, 1, 4, 2, 3, 5, 1, 3)
STARS = Signals(listening=False)
SMALL = SHARPNESS**-0.5


def members(seed: int = 0, alike: float = 0.0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Old velocity, winner, loser and noise: true velocities are close to the old one, and `alike` as told."""
    generator = torch.Generator().manual_seed(seed)
    old, eps, one, other = (torch.randn(3, 4, 2, generator=generator) for _ in range(4))
    other = alike * one + (1 - alike**2) ** 0.5 * other
    return old, eps - old - SMALL * one, eps - old - SMALL * other, eps


def weighed(v: Tensor, losing: Tensor, given: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
    old, winner, loser, eps = given
    return flow_dpo(v, old, winner, losing, old, loser, eps)


def test_as_good_as_before_is_a_toss_and_the_old_version_has_no_gradient() -> None:
    old, winner, loser, eps = members()
    old.requires_grad_()
    v = old.detach().clone().requires_grad_()
    loss = flow_dpo(v, old, winner, v, old, loser, eps)
    assert loss.tolist() == pytest.approx([0.6931] * 3, abs=1e-3)
    loss.sum().backward()  # type: ignore[no-untyped-call]
    assert old.grad is None
    assert v.grad is not None


@pytest.mark.parametrize("alike", [-0.9, 0.0, 0.95])
def test_a_step_of_both_brings_the_winner_nearer_however_alike_the_two_are(alike: float) -> None:
    """Without the safeguard the winner of a pair that is almost alike would be carried away with the loser."""
    old, winner, _, eps = given = members(alike=alike)
    both = old.clone().requires_grad_()
    (slope,) = torch.autograd.grad(weighed(both, both, given).sum(), both)
    before, after = (flow_matching(v, winner, eps) for v in (old, old - 1e-4 * slope))
    assert (after < before).all()
    (alone,) = torch.autograd.grad(flow_matching(both, winner, eps).sum(), both)
    share = (slope * alone).sum((1, 2)) / alone.square().sum((1, 2)) / (SHARPNESS / 2)
    assert (share >= KEPT - 1e-3).all()


def test_apart_the_loss_falls_with_the_winner_nearer_and_the_loser_further() -> None:
    old, winner, loser, eps = given = members()
    towards = [old + 0.2 * (eps - music - old) for music in (winner, loser)]
    nothing = weighed(old, old, given)
    assert (weighed(towards[0], old, given) < nothing).all()
    assert (weighed(old, towards[1], given) > nothing).all()


def test_the_winner_is_reached_and_the_loser_left_ever_more_slowly() -> None:
    """The two members apart, as if nothing were shared between them."""
    old, winner, loser, eps = given = members()
    v, losing = (old.clone().requires_grad_() for _ in range(2))
    away = [float(flow_matching(losing, loser, eps).mean())]
    for _ in range(2):
        for _ in range(100):
            slopes = torch.autograd.grad(weighed(v, losing, given).sum(), (v, losing))
            v, losing = (
                (at - 0.01 * slope).detach().requires_grad_() for at, slope in zip((v, losing), slopes, strict=True)
            )
        away.append(float(flow_matching(losing, loser, eps).mean()))
    assert float(flow_matching(v, winner, eps).mean()) < 0.3 * float(flow_matching(old, winner, eps).mean())
    assert away[0] < away[1]
    assert away[2] - away[1] < away[1] - away[0]


def test_pairs_are_sure_and_none_is_ahead_in_stars_and_behind_in_listening() -> None:
    known = facts(1, RATED)
    found = pairs(known, STARS)
    stars = {track.track_id: track.stars for track in known.tracks}
    assert found
    assert all(chance >= SURE and stars[won.track_id] > stars[lost.track_id] for chance, won, lost in found)
    assert [chance for chance, _, _ in found] == sorted((chance for chance, _, _ in found), reverse=True)
    left = known.model_copy(
        update={"tracks": tuple(track.model_copy(update={"heard": 1.1 - 0.2 * track.stars}) for track in known.tracks)}
    )
    assert pairs(left, STARS)
    assert pairs(left, EVERY_SIGNAL) == []


@settings(max_examples=25)
@given(stars=st.lists(st.integers(1, 5), max_size=12).map(tuple))
def test_half_the_weight_is_songs_and_few_pairs_are_none(stars: tuple[int, ...]) -> None:
    songs, won = (found := examples(facts(1, stars, songs=2)))[:2], found[2:]
    assert [(song.prompt, song.target, song.loser) for song in songs] == [("", 1.0, None)] * 2
    assert not won or FEWEST <= len(won) <= MOST
    assert not won or sum(each.weight for each in won) == pytest.approx(2.0, abs=1e-3)
    assert all(each.loser is not None and SURE <= each.target < 1 for each in won)


def test_a_pair_has_its_prompt_where_both_were_made_with_it() -> None:
    known = facts(1, RATED)
    assert {each.prompt for each in examples(known)} == {""}
    same = tuple(
        track.model_copy(update={"prompt": "a  Reel" if track.stars > 3 else "a reel"}) for track in known.tracks
    )
    assert {each.prompt for each in examples(known.model_copy(update={"tracks": same}))[1:]} == {"a  Reel", "a reel"}


def test_both_members_are_read_drawn_under_one_time_and_judged(tmp_path: Path) -> None:
    songs = facts(1, RATED)
    tracks = tuple(
        track.model_copy(update={"features_url": features(tmp_path / f"{n}", 10 + track.stars)})
        for n, track in enumerate(songs.tracks)
    )
    known = songs.model_copy(
        update={
            "songs": (songs.songs[0].model_copy(update={"features_url": features(tmp_path / "s", 1)}),),
            "tracks": tracks,
        }
    )
    entry = ListenerSnapshot(facts=known, examples=examples(known))
    material = load_material(entry, lambda url: Path(url).read_bytes(), random_base(1))
    assert set(material.losers) == set(range(1, len(entry.examples)))
    rows = draw(material, Recipe(method="flow_dpo", rows=16, crop_frames=32), torch.Generator().manual_seed(1))
    paired = rows.targets < 1
    apart = (rows.losers().x0.mean((1, 2)) - rows.x0.mean((1, 2))).abs()
    assert (apart[paired] > 1e-4).all()
    assert (apart[~paired] == 0).all()
    judged = held_out(material, known.listener_id)
    assert (judged.targets < 0.5).sum() == ((judged.targets >= 0.5) & (judged.targets < 1)).sum() > 0


def paired(labels: Tensor) -> Material:
    """Each liked track is paired with a disliked one; only the better ones are pieces."""
    material = two_colours(torch.full((8,), 0.9), torch.ones(8))
    won, lost = (torch.nonzero(labels == side)[:, 0].tolist() for side in (1, -1))
    return replace(
        material,
        pieces=[material.pieces[place] for place in won],
        tails=[material.tails[place] for place in won],
        prompts=material.prompts[won],
        weights=material.weights[won],
        targets=material.targets[won],
        losers={place: (material.pieces[other], material.tails[other]) for place, other in enumerate(lost)},
    )


def test_a_planted_preference_is_learned_and_permuted_pairs_teach_nothing() -> None:
    true, permuted = (taught(paired, labels, "flow_dpo") for labels in (LIKED, PERMUTED))
    assert true > 0.1
    assert abs(permuted) < 0.3 * true
