"""The K-step model against the one-step model, its limit, and samples pushed through its steps."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from byheart.errors import UsageError
from byheart.lab.theory.gaussians import GaussianLaw, kl
from byheart.lab.theory.linear_steps import LinearSteps
from byheart.lab.theory.solvable_model import LinearOneStep


def limiting_variance(model, sigma=1.0):
    """The variance of a generated coordinate for n → ∞: a product of the steps' shrinkages."""
    s = model.noise_levels
    factors = (sigma**2 + s[:-1] * s[1:]) / (sigma**2 + s[:-1] ** 2)
    return float((sigma**2 + s[0] ** 2) * np.prod(factors) ** 2)


@pytest.mark.parametrize("n", [3, 12, 60])
def test_one_step_is_the_one_step_model(n):
    x = np.random.default_rng(0).normal(size=(n, 5)) + 3
    one = LinearOneStep(5, 1.5, 0.7).fit(x, np.random.default_rng(1))
    chain = LinearSteps(5, 1.5, 0.7, 1).fit(x, np.random.default_rng(1))
    # The same least squares in units that differ by e^T = 4.5: rounding times a condition number.
    assert chain.mean == pytest.approx(one.mean, rel=1e-9)
    covariances = [(law.basis * law.values) @ law.basis.T for law in (one, chain)]
    assert covariances[1] == pytest.approx(covariances[0], abs=1e-9)


@pytest.mark.parametrize("steps", [1, 2, 5, 40])
def test_many_points_reach_the_limiting_variance(steps):
    n = 200_000
    x = 2.0 * np.random.default_rng(2).normal(size=(n, 2))
    model = LinearSteps(2, 2.0, 1.0, steps)
    law = model.fit(x, np.random.default_rng(3))
    # The variance of a fit's coefficient is (1 - r)/n a level; over 40 levels the relative error of
    # the product is below 2 sqrt(40/n) = .03.
    assert law.trace / 2 == pytest.approx(limiting_variance(model, 2.0), rel=0.03)


def test_the_limit_of_many_steps_is_the_data():
    gaps = [abs(limiting_variance(LinearSteps(1, 2.0, 1.0, k)) - 1) for k in (1, 4, 16, 64, 256)]
    assert all(b < a for a, b in itertools.pairwise(gaps))
    # first order in 1/K: 4 times the steps, a quarter of the gap, within a fifth
    assert gaps[-1] == pytest.approx(gaps[-2] / 4, rel=0.2)


def test_more_steps_lower_the_divergence():
    d, n = 20, 80
    data = GaussianLaw.isotropic(np.zeros(d), 1.0)
    means, errors = [], []
    for steps in (1, 3, 10, 60):
        model = LinearSteps(d, 2.0, 1.0, steps)
        values = []
        for child in np.random.SeedSequence(5).spawn(40):
            rng = np.random.default_rng(child)
            values.append(float(kl(model.fit(rng.normal(size=(n, d)), rng), data)))
        means.append(np.mean(values))
        errors.append(np.std(values) / math.sqrt(len(values)))
    for i, j in itertools.pairwise(range(4)):
        assert means[j] + 4 * math.hypot(errors[i], errors[j]) < means[i]


def test_values_out_of_range_are_refused():
    with pytest.raises(UsageError, match="steps"):
        LinearSteps(2, 1.0, 1.0, 0)
    with pytest.raises(UsageError, match="train must be"):
        LinearSteps(2, 1.0, 1.0, 2).fit(np.ones((4, 3)), np.random.default_rng(0))
