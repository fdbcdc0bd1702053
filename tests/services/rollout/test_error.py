"""The errors that are promised, by simulation through the real rule; the tables with more runs are a command's:
`python -m tests.benchmarks.canaries`."""

import numpy as np

from tests.services.rollout.simulated import SIZED, End, canary, play


def ends(listeners: int, pairs: int, effect: float, runs: int, seed: int = 18, tau: float = 0.3) -> list[End]:
    plan, draw = SIZED.model_copy(update={"pairs": pairs}), np.random.default_rng(seed)
    return [play(canary(draw, listeners, plan, effect, tau), plan) for _ in range(runs)]


def verdicts(listeners: int, pairs: int, effect: float, runs: int, tau: float = 0.3) -> list[str]:
    return [end.decision.verdict for end in ends(listeners, pairs, effect, runs, tau=tau)]


def test_a_candidate_that_is_no_better_is_promoted_no_more_often_than_alpha() -> None:
    runs = 200
    assert verdicts(12, 6, 0.0, runs).count("promote") / runs <= 0.05 + 2 * (0.05 * 0.95 / runs) ** 0.5


def test_a_candidate_that_is_no_worse_is_seldom_rolled_back() -> None:
    runs = 60
    assert verdicts(50, 3, 0.0, runs, tau=0.0).count("roll_back") / runs <= 0.05


def test_a_better_candidate_is_found_by_twelve_listeners_with_twelve_twins() -> None:
    runs = 40
    assert verdicts(12, 12, 0.4, runs).count("promote") / runs >= 0.85 - 2 * (0.85 * 0.15 / runs) ** 0.5


def test_a_much_worse_candidate_ends_after_a_third_of_its_plan() -> None:
    worse = ends(12, 12, -0.5, 30)
    assert not any(end.decision.verdict == "promote" for end in worse)
    assert np.mean([end.used for end in worse]) <= 1 / 3
