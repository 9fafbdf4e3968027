"""FLD's gap: its fit is a maximum of the likelihood; known generators; what it refuses."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from byheart import InputError
from byheart.auditing.metrics.likelihood_gap import _fit, _log_likelihood, likelihood_gap


def objective(logs, rows, centres):
    """Minus the likelihood that is climbed, from the definition: log variances, the broad last."""
    d = rows.shape[1]
    variances, wide = np.exp(logs[:-1]), math.exp(logs[-1])
    squared = ((rows[:, None] - centres) ** 2).sum(axis=2)
    broad = 0.81 * ((rows - rows.mean(axis=0)) ** 2).sum(axis=1)
    kernels = np.exp(-squared / variances / 2) / (2 * math.pi * variances) ** (d / 2)
    beside = np.exp(-broad / wide / 2) / (2 * math.pi * wide) ** (d / 2)
    return -np.log(kernels.mean(axis=1) + beside).mean() / d


@pytest.mark.parametrize("seed", range(3))
def test_the_fit_is_a_maximum(seed):
    rng = np.random.default_rng(seed)
    rows, centres = rng.normal(size=(40, 2)), rng.normal(size=(5, 2))
    found = np.log(_fit(rows, centres))
    best = min(
        (
            minimize(objective, np.r_[found, wide], args=(rows, centres), method="BFGS")
            for wide in (-1.0, 0.0, 1.0)
        ),
        key=lambda result: result.fun,
    )
    at_ours = min(objective(np.r_[found, wide], rows, centres) for wide in np.linspace(-3, 3, 601))
    # The climb ends when a step brings less than 1e-5 per coordinate; near a maximum steps shrink
    # geometrically, at worst by .95 seen here, so 20 such steps bound what is left.
    assert at_ours - best.fun < 20 * 1e-5


def test_the_likelihood_is_that_of_the_mixture():
    # One centre at 0, variance 2; another at 3, variance 1/2; at x = 1.
    found = _log_likelihood(np.array([[1.0]]), np.array([[0.0], [3.0]]), np.array([2.0, 0.5]))
    expected = 0.5 * math.exp(-1 / 4) / math.sqrt(4 * math.pi) + 0.5 * math.exp(-4) / math.sqrt(
        math.pi
    )
    assert found[0] == pytest.approx(math.log(expected), rel=1e-14)


def test_scale_and_place_of_the_columns_do_not_matter():
    rng = np.random.default_rng(1)
    sets = rng.normal(size=(3, 60, 3))
    moved = [np.column_stack([x * [10, 0.1, 1] + [5, -3, 0], np.ones(60)]) for x in sets]
    assert likelihood_gap(*moved)[0] == pytest.approx(likelihood_gap(*sets)[0], rel=1e-9)


def test_copies_make_it_fall_and_the_sets_are_not_confused():
    rng = np.random.default_rng(2)
    train, heldout, fresh = rng.normal(size=(3, 200, 5))
    copying = np.r_[train[:40], fresh[40:]]
    value, (low, high) = likelihood_gap(train, heldout, copying)
    assert low < value < high < 0
    assert likelihood_gap(heldout, train, copying)[0] > -10 > value


def test_heldout_without_spread_is_refused():
    with pytest.raises(InputError, match="every column is constant"):
        likelihood_gap(np.eye(3), np.ones((4, 3)), np.eye(3))
