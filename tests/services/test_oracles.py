"""What is computed with the standard library alone, beside statsmodels: models of single ratings, which know nothing of
sums by listener, of differences or of how either is kept."""

import math
import random
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any, NamedTuple

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.regression.mixed_linear_model import MixedLM
from statsmodels.stats.meta_analysis import combine_effects
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import DescrStatsW

from services.gateway.comparing import benjamini_hochberg, holm, smallest_found, spread
from services.rollout.shrink import BELIEVED, BETWEEN
from services.rollout.shrink import spread as spread_within_and_between
from services.rollout.stats import Ratings, clustered_interval, difference, standard_error

SEEDS = pytest.mark.parametrize("seed", [1, 2, 3])


class Rated(NamedTuple):
    """One rating; `arm` is 1 on the candidate."""

    listener: int
    arm: int
    stars: float


def rated(seed: int, listeners: int, per_arm: Sequence[int]) -> list[Rated]:
    """Listeners who differ in level and in their own effect; each rates as many tracks an arm as one of `per_arm`."""
    draw = random.Random(seed)
    told: list[Rated] = []
    for listener in range(listeners):
        level, effect = draw.gauss(3.0, 0.7), draw.gauss(0.3, 0.5)
        for arm in (0, 1):
            stars = [round(draw.gauss(level + arm * effect, 0.8)) for _ in range(draw.choice(per_arm))]
            told.extend(Rated(listener, arm, one) for one in stars)
    return told


def differences(told: Sequence[Rated]) -> list[float]:
    """As the rollout has them: from each listener's statistics on each arm."""
    found = []
    for listener in sorted({each.listener for each in told}):
        arms = [
            Ratings.of(int(each.stars) for each in told if (each.listener, each.arm) == (listener, arm))
            for arm in (0, 1)
        ]
        own = difference(*arms)
        assert own is not None
        found.append(own)
    return found


def clustered(rows: Sequence[Rated]) -> Any:
    """Stars by arm with a level for each listener, errors robust to whatever ratings of one listener share (Liang and
    Zeger 1986), without a correction for few of them."""
    groups = np.array([row.listener for row in rows])
    levels = (groups[:, None] == np.unique(groups)[None, :]).astype(float)
    design = np.column_stack([[row.arm for row in rows], levels])
    model = sm.OLS([row.stars for row in rows], design)
    return model.fit(cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False})


@SEEDS
def test_the_error_over_listeners_is_that_of_a_regression_of_all_ratings_clustered_by_listener(seed: int) -> None:
    told = rated(seed, listeners=14, per_arm=[3])
    own, fitted = differences(told), clustered(told)
    assert fmean(own) == pytest.approx(fitted.params[0], rel=1e-9)
    # Ours divides by listeners less one.
    assert standard_error(own) == pytest.approx(fitted.bse[0] * math.sqrt(14 / 13), rel=1e-9)


@SEEDS
def test_who_rates_much_counts_no_more_than_who_rates_little(seed: int) -> None:
    told = rated(seed, listeners=14, per_arm=[1, 2, 9])
    places = sorted({(each.listener, each.arm) for each in told})
    means = [
        Rated(*place, fmean(each.stars for each in told if (each.listener, each.arm) == place)) for place in places
    ]
    own, fitted = differences(told), clustered(means)
    assert fmean(own) == pytest.approx(fitted.params[0], rel=1e-9)
    assert standard_error(own) == pytest.approx(fitted.bse[0] * math.sqrt(14 / 13), rel=1e-9)


@SEEDS
def test_the_interval_is_that_of_paired_means(seed: int) -> None:
    own = differences(rated(seed, listeners=11, per_arm=[2, 5]))
    interval = clustered_interval(own, alpha=0.1)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx(DescrStatsW(own).tconfint_mean(0.1), rel=1e-7)


@SEEDS
def test_a_mixed_model_finds_the_same_effect_error_and_variances(seed: int) -> None:
    """Levels and effects drawn for each listener, by restricted maximum likelihood. With as many ratings from each the
    optimum is known, and our moments are it."""
    draw = random.Random(seed)
    listeners, each = 40, 4
    effects = [draw.gauss(0.3, 0.6) for _ in range(listeners)]
    compared = [[draw.gauss(effect, 1.0) for _ in range(each)] for effect in effects]
    groups = np.repeat(np.arange(listeners), each)
    fitted = MixedLM(np.concatenate(compared), np.ones((listeners * each, 1)), groups).fit(reml=True)
    means = [fmean(own) for own in compared]
    assert fmean(means) == pytest.approx(fitted.fe_params[0], rel=1e-6)
    assert standard_error(means) == pytest.approx(fitted.bse_fe[0], rel=1e-3)
    found = spread_within_and_between(compared)
    assert found is not None
    assert found.within == pytest.approx(fitted.scale, rel=1e-3)
    between = fitted.cov_re[0, 0]
    believed = ((listeners - 1) * between + BELIEVED * BETWEEN) / (listeners - 1 + BELIEVED)
    assert found.between == pytest.approx(believed, rel=1e-2)


@SEEDS
def test_cells_are_combined_as_in_a_meta_analysis(seed: int) -> None:
    draw = np.random.default_rng(seed)
    errors = draw.uniform(0.05, 0.2, 20)
    estimates = draw.normal(0.1, 0.15, 20) + draw.normal(0, errors)
    expected = combine_effects(estimates, errors**2, method_re="chi2")
    found = spread(estimates.tolist(), errors.tolist())
    assert found is not None
    assert (found.tau**2, found.i_squared, found.q) == pytest.approx((expected.tau2, expected.i2, expected.q), rel=1e-9)
    assert found.mean == pytest.approx(expected.mean_effect_re, rel=1e-9)


@SEEDS
def test_p_values_are_adjusted_as_there(seed: int) -> None:
    values = np.random.default_rng(seed).uniform(0, 1, 12) ** 3
    assert holm(values.tolist()) == pytest.approx(multipletests(values, method="holm")[1], abs=1e-12)
    assert benjamini_hochberg(values.tolist()) == pytest.approx(multipletests(values, method="fdr_bh")[1], abs=1e-12)


@pytest.mark.parametrize("listeners", [12, 50, 400])
def test_what_would_have_been_found_has_the_power_it_says(listeners: int) -> None:
    """Exact power is of the noncentral t; ours takes two quantiles of Student's, which asks a little more of few."""
    own = [random.Random(listeners + place).gauss(0, 0.9) for place in range(listeners)]
    error = stdev(own) / math.sqrt(listeners)
    effect = smallest_found(error, listeners) / stdev(own)
    power = TTestPower().power(effect, listeners, 0.05, alternative="two-sided")
    assert 0.795 <= power <= 0.815
