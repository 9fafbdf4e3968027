"""Dimension from samples: manifolds of known dimension, exact coverage, and another package."""

import numpy as np
import pytest
from scipy.stats import binom

from byheart.distances.dimension import (
    average,
    from_distances,
    local_pca,
    maximum_likelihood,
)
from byheart.distances.neighbours import two_way, within
from byheart.errors import InputError, UsageError


def manifold(own, rows, d=7, seed=0):
    """Uniform on a cube of dimension `own`, turned into d coordinates."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(d, d)))[0]
    return rng.random((rows, own)) @ turn[:own], rng


def test_the_formula():
    t = np.array([[0.5, 1.0, 1.5, 4.0], [1.0, 1.0, 1.0, 2.0]])
    sums = np.log(t[:, -1:] / t[:, :-1]).sum(axis=1)
    np.testing.assert_allclose(from_distances(t).values, 2 / sums, rtol=1e-14)
    value, _ = average(t)
    assert value == pytest.approx(3 / sums.mean(), rel=1e-14)


@pytest.mark.parametrize("own", [1, 2, 5])
def test_intervals_cover_in_the_model_they_are_exact_for(own):
    """Neighbours of the middle of a cube, far from its faces: T^m is uniform."""
    rng = np.random.default_rng(own)
    repeats, k, level = 600, 20, 0.1
    radii = np.sort(rng.random((repeats, k)), axis=1) ** (1 / own)
    found = from_distances(radii, level)
    held = (found.intervals[:, 0] <= own) & (own <= found.intervals[:, 1])
    # Exact: outside of these counts with probability .002.
    assert binom.ppf(0.001, repeats, 0.9) <= held.sum() <= binom.ppf(0.999, repeats, 0.9)
    # Unbiased, standard deviation own/sqrt(k - 3); 4 standard errors of the mean.
    assert abs(found.values.mean() - own) < 4 * own / np.sqrt((k - 3) * repeats)


@pytest.mark.parametrize("own", [1, 2, 5])
def test_a_sampled_manifold(own):
    rows, _ = manifold(own, 3000)
    inner = np.full((1, own), 0.5)
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(7, 7)))[0]
    found = maximum_likelihood(rows, inner @ turn[:own], neighbours=100)
    assert found.intervals[0, 0] < own < found.intervals[0, 1]
    pca = local_pca(rows, inner @ turn[:own], neighbours=200)
    assert pca.values[0] == own


def test_a_point_of_the_set_is_not_its_own_neighbour():
    rows, _ = manifold(2, 200)
    apart = maximum_likelihood(rows)
    brute = np.sort(np.linalg.norm(rows[:, None] - rows, axis=2), axis=1)[:, 1:21]
    np.testing.assert_allclose(apart.values, from_distances(brute).values, rtol=1e-9)
    np.testing.assert_allclose(
        maximum_likelihood(rows, rows + 0.0, neighbours=20).values, 0.0
    )  # given as points from elsewhere, each lies on an atom


def test_atoms_and_lattices():
    rows = np.concatenate([np.zeros((30, 3)), np.random.default_rng(0).normal(size=(50, 3))])
    found = maximum_likelihood(rows, neighbours=20)
    assert (found.values[:30] == 0).all()
    assert (found.intervals[:30] == 0).all()
    assert (found.values[30:] > 0.5).all()
    assert average(within(rows, 20).distances)[0] == 0
    assert local_pca(rows, neighbours=20).values[0] == 0
    assert np.isinf(from_distances(np.ones((1, 5))).values[0])


def test_the_interval_of_local_pca_counts_what_may_pass_the_threshold():
    """Gaussian neighbours with variances 1, .2 and .05 a: at a = 1 the third is undecided."""
    rng = np.random.default_rng(1)
    repeats, held = 40, 0
    for _ in range(repeats):
        rows = rng.normal(size=(400, 4)) * np.sqrt([1, 0.2, 0.07, 1e-6])
        low, high = local_pca(rows, np.zeros((1, 4)), neighbours=400).intervals[0]
        held += low <= 3 <= high
    # At least 95% in the model: fewer than 34 of 40 has probability .002.
    assert held >= 34
    assert local_pca(rows, np.zeros((1, 4)), neighbours=400).values[0] in (2, 3)


@pytest.mark.slow
def test_the_average_covers_over_draws_of_points():
    reference, rng = manifold(2, 400, d=3)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0][:2]
    draw = lambda m: two_way(rng.random((m, 2)) @ turn, reference, 15).forward.distances  # noqa: E731
    truth, _ = average(draw(20_000))
    held = 0
    for _ in range(200):
        _, (low, high) = average(draw(60), 0.1)
        held += low <= truth <= high
    assert held >= binom.ppf(
        0.001, 200, 0.88
    )  # a normal interval at m = 60 misses a little oftener


def test_scikit_dimension_agrees_on_the_same_points():
    skdim = pytest.importorskip("skdim")
    rows = np.concatenate([manifold(own, 300, seed=own)[0] + 50 * own for own in (1, 2, 5)])
    table = within(rows, 20)
    theirs = skdim.id.MLE(unbiased=True).fit(rows, n_neighbors=20)
    np.testing.assert_allclose(from_distances(table.distances).values, theirs.dimension_pw_)
    value, _ = average(table.distances)
    assert skdim.id.MLE().fit(rows, n_neighbors=20).dimension_ == pytest.approx(value)
    pca = skdim.id.lPCA(ver="FO").fit_pw(rows, n_neighbors=50).dimension_pw_
    assert np.array_equal(pca, local_pca(rows, neighbours=50).values)


@pytest.mark.parametrize(
    ("own", "likelihood", "median", "pca"),
    # scikit-dimension 0.5.0 on the same rows: MLE of 20 neighbours (average and median, which has
    # k - 1 for our k - 2) and the mean of lPCA "FO" of 50
    [
        (1, 1.0212140465078994, 1.0446621831288216, 1.0),
        (2, 1.8754669050828046, 1.910707049575327, 2.0),
        (5, 4.1526318268822395, 4.2085422788317075, 5.0),
    ],
)
def test_the_figures_that_scikit_dimension_gave(own, likelihood, median, pca):
    rows, _ = manifold(own, 300, seed=own)
    assert average(within(rows, 20).distances)[0] == pytest.approx(likelihood, rel=1e-9)
    found = maximum_likelihood(rows, neighbours=20)
    assert np.median(found.values) * 19 / 18 == pytest.approx(median, rel=1e-9)
    assert local_pca(rows, neighbours=50).values.mean() == pca


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_types_and_blocks(dtype, monkeypatch):
    rows = np.random.default_rng(2).normal(size=(60, 4)).astype(dtype)
    whole = local_pca(rows, neighbours=20)
    monkeypatch.setattr("byheart.distances.dimension._BLOCK_VALUES", 1)
    assert np.array_equal(local_pca(rows, neighbours=20).values, whole.values)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: maximum_likelihood(np.eye(3)), InputError, "needs 3 neighbours"),
        (lambda: maximum_likelihood(np.eye(5), np.eye(4)), InputError, "same columns"),
        (lambda: maximum_likelihood(np.eye(5), neighbours=2), UsageError, "neighbours must be"),
        (lambda: from_distances(np.ones((4, 2))), InputError, "k at least 3"),
        (lambda: average(np.ones((1, 4))), InputError, "at least 2"),
    ],
)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
