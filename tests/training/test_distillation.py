"""Distillation of selection: what a choice gained, what becomes of the winners, and a choice that was planted."""

from datetime import timedelta
from uuid import UUID

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from schemas.generation import Competitor
from tests.training.examples import LIKED, PERMUTED, START, facts, taught, two_colours
from training.losses import flow_matching
from training.material import Material
from training.methods.distillation import FEWEST, FULL, MOST, examples, gained
from training.snapshot import Contest, ListenerFacts

SCORE = st.floats(-5, 5, width=16)


def contest(number: int, *scores: float) -> Contest:
    """Seeds that were all scored at the end; the first is chosen."""
    seeds = tuple(Competitor(seed=seed, final=score, chosen=seed == 0) for seed, score in enumerate(scores))
    return Contest(
        track_id=UUID(int=500 + number),
        features_url="won",
        prompt="calm",
        competitors=seeds,
        made_at=START + timedelta(minutes=number),
    )


def chosen(*contests: Contest) -> ListenerFacts:
    return facts(1, songs=2).model_copy(update={"contests": contests})


def test_what_a_choice_gained_is_counted_where_seeds_were_scored_together() -> None:
    """Four are heard halfway, two go on: (0.4 + 0.2) / 2 - 0 there, 1.5 - (1.5 + 0.5) / 2 at the end."""
    seeds = [
        Competitor(seed=1, halfway=0.2, final=1.5, chosen=True),
        Competitor(seed=2, halfway=0.4, final=0.5),
        Competitor(seed=3, halfway=-0.1),
        Competitor(seed=4, halfway=-0.5),
    ]
    assert gained(seeds) == pytest.approx(0.3 + 0.5)
    early = [seeds[0].model_copy(update={"final": None}), *seeds[2:]]
    assert gained(early) == pytest.approx(0.2 - (0.2 - 0.1 - 0.5) / 3)


@pytest.mark.parametrize(
    "seeds",
    [(), (Competitor(seed=1, final=2.0), Competitor(seed=2)), (Competitor(seed=1, chosen=True), Competitor(seed=2))],
)
def test_without_a_winner_or_scores_nothing_was_gained(seeds: tuple[Competitor, ...]) -> None:
    assert gained(seeds) == 0.0


@given(scores=st.lists(SCORE, min_size=2, max_size=8), by=SCORE)
def test_a_gain_is_not_below_nothing_and_does_not_depend_on_where_scores_begin(scores: list[float], by: float) -> None:
    ordered = sorted(scores, reverse=True)
    gain, moved = (gained(contest(0, *each).competitors) for each in (ordered, [score + by for score in ordered]))
    assert gain >= 0.0
    assert moved == pytest.approx(gain, abs=1e-6)


def test_half_the_weight_is_songs_and_a_clear_choice_weighs_more_up_to_a_bound() -> None:
    clear = [contest(number, 1.0, 0.0) for number in range(FEWEST)]
    found = examples(chosen(*clear, contest(50, 0.2, 0.0), contest(60, 90.0, 0.0), contest(70, 80.0, 0.0)))
    assert [(each.prompt, each.weight) for each in found[:2]] == [("", 1.0)] * 2
    assert sum(each.weight for each in found[2:]) == pytest.approx(2.0, abs=1e-4)
    weight = {each.source.int - 500: each.weight for each in found[2:]}
    assert weight[50] == pytest.approx(0.2 * weight[0], rel=1e-3)
    assert weight[60] == weight[70] == pytest.approx(weight[0] * FULL / 0.5, rel=1e-3)
    assert {each.target for each in found} == {1.0}


def test_a_choice_among_equals_and_few_choices_teach_nothing_and_of_many_the_newest_count() -> None:
    few = [contest(number, 1.0, 0.0) for number in range(FEWEST - 1)]
    assert len(examples(chosen(*few, contest(50, 1.0, 1.0)))) == 2
    many = examples(chosen(*(contest(number, 1.0, 0.0) for number in range(MOST + 5))))
    assert [each.source.int - 500 for each in many[2:]] == list(range(5, MOST + 5))


def test_the_optimum_is_the_mean_of_the_best_of_four_and_of_all_where_scores_say_nothing() -> None:
    """Music is one number from N(0, 1) and its own score; the expected best of four is 1.03."""
    generator = torch.Generator().manual_seed(0)
    music = torch.randn(4000, 4, generator=generator).double()
    for score, expected in ((music, 1.03), (torch.randn(4000, 4, generator=generator).double(), 0.0)):
        best = music.gather(1, score.argmax(1, keepdim=True))[:, :, None]
        eps, mean = torch.randn(best.shape, generator=generator).double(), torch.zeros(1, 1, 1, requires_grad=True)
        loss = flow_matching(eps.float() - mean, best.float(), eps.float()).mean()
        assert float(loss) == pytest.approx(float(best.square().mean()), rel=1e-3)
        (slope,) = torch.autograd.grad(loss, mean)
        # The loss is square in the mean: one step of half the slope leads to its least.
        assert float(-slope / 2) == pytest.approx(expected, abs=0.05)


def won(labels: torch.Tensor) -> Material:
    return two_colours(torch.ones(8), (labels + 1) / 2 + 1e-6)


def test_a_planted_choice_is_learned_and_winners_at_random_teach_nothing() -> None:
    true, random = (taught(won, labels, "distillation") for labels in (LIKED, PERMUTED))
    assert true > 0.1
    assert abs(random) < 0.3 * true
