import math

import numpy as np
import pytest
from scipy import stats

from byheart import UsageError
from byheart.lab.theory.gaussians import (
    GaussianLaw,
    kl,
    log_bhattacharyya,
    log_kernel_overlap,
    log_kernel_pairs,
    log_overlap,
    squared_hellinger,
)


def full(rng, d):
    factor = rng.normal(size=(d, d))
    return GaussianLaw.from_covariance(rng.normal(size=d), factor @ factor.T + 0.3 * np.eye(d))


def dense(law):
    return (law.basis * law.values) @ law.basis.T + law.floor * np.eye(law.dimension)


LAWS = {
    "full": full,
    "isotropic": lambda rng, d: GaussianLaw.isotropic(rng.normal(size=d), 0.7),
    "low rank plus floor": lambda rng, d: GaussianLaw.from_factor(
        rng.normal(size=d), rng.normal(size=(d, 2)), 0.4
    ),
}


@pytest.mark.parametrize("first", LAWS)
@pytest.mark.parametrize("second", LAWS)
def test_divergences_against_dense_formulas(first, second):
    rng = np.random.default_rng(0)
    d = 4
    p, q = LAWS[first](rng, d), LAWS[second](rng, d)
    a, b, gap = dense(p), dense(q), p.mean - q.mean
    expected = 0.5 * (
        np.trace(np.linalg.solve(b, a))
        + gap @ np.linalg.solve(b, gap)
        - d
        + np.linalg.slogdet(b)[1]
        - np.linalg.slogdet(a)[1]
    )
    # Eigenvalues keep 15 digits relative to the largest; condition numbers here are below 1e3.
    assert float(kl(p, q)) == pytest.approx(expected, rel=1e-10)
    middle = (a + b) / 2
    log_bc = (
        -gap @ np.linalg.solve(middle, gap) / 8
        - np.linalg.slogdet(middle)[1] / 2
        + (np.linalg.slogdet(a)[1] + np.linalg.slogdet(b)[1]) / 4
    )
    assert float(log_bhattacharyya(p, q)) == pytest.approx(log_bc, rel=1e-9, abs=1e-12)
    overlap = stats.multivariate_normal(np.zeros(d), a + b).logpdf(gap)
    assert float(log_overlap(p, q)) == pytest.approx(overlap, rel=1e-10)
    x = rng.normal(size=(5, d))
    np.testing.assert_allclose(
        p.log_density(x), stats.multivariate_normal(p.mean, a).logpdf(x), rtol=1e-10
    )


def test_a_law_is_no_distance_from_itself():
    law = full(np.random.default_rng(1), 6)
    assert float(kl(law, law)) == pytest.approx(0, abs=1e-12)
    assert float(squared_hellinger(law, law)) == pytest.approx(0, abs=1e-12)


def test_singular_laws_are_infinitely_far_and_silent():
    flat = GaussianLaw.from_factor(np.zeros(5), np.random.default_rng(0).normal(size=(5, 3)))
    solid = GaussianLaw.isotropic(np.zeros(5), 1.0)
    for pair in ((flat, solid), (solid, flat)):
        assert float(kl(*pair)) == math.inf
        assert float(squared_hellinger(*pair)) == 1.0
    with pytest.raises(UsageError, match="both laws are singular"):
        kl(flat, flat)


def test_batches_equal_single_laws():
    rng = np.random.default_rng(2)
    factors, means = rng.normal(size=(3, 4, 4)), rng.normal(size=(3, 4))
    batch = GaussianLaw.from_factor(means, factors)
    other = GaussianLaw.isotropic(np.ones(4), 2.0)
    single = [
        float(kl(GaussianLaw.from_factor(m, f), other)) for m, f in zip(means, factors, strict=True)
    ]
    np.testing.assert_allclose(kl(batch, other), single, rtol=1e-12)


@pytest.mark.parametrize("d", [1, 3])
def test_kernel_overlaps_against_direct_sums(d):
    rng = np.random.default_rng(d)
    a, b, law = rng.normal(size=(30, d)), rng.normal(size=(20, d)), full(rng, d)
    normal = stats.multivariate_normal(np.zeros(d), 0.5 * np.eye(d))
    gaps = a[:, None] - a[None]
    off_diagonal = normal.pdf(gaps)[~np.eye(30, dtype=bool)].mean()
    assert log_kernel_pairs(a, 0.5, block=7) == pytest.approx(math.log(off_diagonal), rel=1e-10)
    across = normal.pdf(a[:, None] - b[None]).mean()
    assert log_kernel_pairs(a, 0.5, b) == pytest.approx(math.log(across), rel=1e-10)
    smooth = stats.multivariate_normal(law.mean, dense(law) + 0.2 * np.eye(d))
    expected = math.log(smooth.pdf(a).mean())
    assert float(log_kernel_overlap(a, 0.2, law)) == pytest.approx(expected, rel=1e-10)


def test_nothing_underflows_in_many_dimensions():
    x = 5 * np.random.default_rng(0).normal(size=(10, 4000))
    law = GaussianLaw.isotropic(np.zeros(4000), 1.0)
    assert math.isfinite(log_kernel_pairs(x, 1.0))
    assert float(log_kernel_overlap(x, 1.0, law)) < -1000
