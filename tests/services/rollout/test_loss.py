"""A decision by expected loss weighs what was seen against what releases are usually worth."""

import pytest
from scipy import integrate
from scipy import stats as reference

from services.rollout.loss import BEARABLE, belief
from services.rollout.plan import Prior

SEEN = [0.5, 0.1, 0.9, 0.3, -0.2]


def test_the_expected_loss_is_the_integral_that_it_claims_to_be() -> None:
    after = belief(SEEN, Prior(mean=0.1, sd=0.3))
    assert after is not None
    density = reference.norm(after.mean, after.sd).pdf
    loss, _ = integrate.quad(lambda effect: -effect * density(effect), -10, 0)
    assert after.loss == pytest.approx(loss, rel=1e-6)
    assert after.worse == pytest.approx(reference.norm.cdf(0, after.mean, after.sd))


def test_a_sharp_prior_is_hardly_moved_and_a_vague_one_hardly_felt() -> None:
    sharp, vague = belief(SEEN, Prior(mean=-0.4, sd=0.01)), belief(SEEN, Prior(mean=-0.4, sd=50))
    assert sharp is not None
    assert vague is not None
    assert sharp.mean == pytest.approx(-0.4, abs=0.01)
    assert vague.mean == pytest.approx(sum(SEEN) / len(SEEN), abs=0.01)
    assert not sharp.promotes


def test_a_gain_that_may_cost_too_much_is_left() -> None:
    risky = belief([3.0, -2.0, 0.2], Prior(sd=2.0))
    assert risky is not None
    assert risky.mean > 0
    assert risky.loss > BEARABLE
    assert not risky.promotes
    assert belief([0.5, 0.5], Prior()) is None
