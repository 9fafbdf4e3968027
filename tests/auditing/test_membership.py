import math

import numpy as np
import pytest
from scipy import stats

from byheart.auditing import membership as m


def test_area_under_the_curve_with_ties():
    rng = np.random.default_rng(0)
    train, heldout = rng.integers(0, 20, 60).astype(float), rng.integers(2, 22, 80).astype(float)
    expected = stats.mannwhitneyu(heldout, train).statistic / (60 * 80)
    assert m.area_under_curve(train, heldout) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("heldout_rows", "rate", "given"), [(99, 0.01, False), (100, 0.01, True)])
def test_a_rate_that_too_few_points_support_is_refused(heldout_rows, rate, given):
    value = m.true_positive_rate(np.zeros(10), np.ones(heldout_rows), rate)
    assert (value is not None) == given


def test_true_positive_rate_lets_through_no_more_than_allowed():
    heldout = np.repeat(np.arange(100.0), 2)
    for rate in (0.01, 0.02, 0.1):
        threshold_rows = m.true_positive_rate(heldout, heldout, rate)
        assert threshold_rows is not None
        assert threshold_rows <= rate


def test_the_membership_curve_ends_at_one_and_its_area_is_the_auc():
    rng = np.random.default_rng(1)
    train, heldout = rng.normal(-1, 1, 50), rng.normal(size=70)
    curve = m.membership_curve(train, heldout)
    assert curve[-1].tolist() == [1, 1]
    area = np.trapezoid(curve[:, 1], curve[:, 0])
    assert area == pytest.approx(m.area_under_curve(train, heldout), abs=1e-12)


@pytest.mark.parametrize("epsilon", [0.0, 1.0, 2.0])
@pytest.mark.slow
def test_the_epsilon_bound_holds_for_randomised_response(epsilon):
    """A mechanism that tells membership through an epsilon-DP coin: bound above it at most 5%."""
    exceeded, bounds = 0, []
    for seed in range(300):
        rng = np.random.default_rng([seed, 5])
        honest = rng.random(200) < math.exp(epsilon) / (1 + math.exp(epsilon))
        gap = np.where(honest, 1.0, -1.0) * rng.uniform(0.5, 1, size=200)
        train, heldout = np.zeros(200), gap
        bound = m.epsilon_lower_bound(train, heldout, rng, 0.05)
        exceeded += bound > epsilon
        bounds.append(bound)
    assert exceeded <= stats.binom(300, 0.05).ppf(0.999)
    if epsilon == 2.0:
        assert np.mean(bounds) > 1.2  # it says something, too


def test_all_scores_equal_say_nothing():
    rng = np.random.default_rng(0)
    figures, _ = m.membership(np.ones(40), np.ones(40), rng, 0.05)
    assert figures.auc == 0.5
    assert figures.epsilon_lower_bound == 0
