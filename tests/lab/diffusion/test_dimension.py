"""FLIPD and the normal bundle against closed forms, limits and brute force."""

import math

import numpy as np
import pytest

from byheart.errors import UsageError
from byheart.lab.diffusion import (
    EmpiricalDenoiser,
    GaussianDenoiser,
    GaussianMixtureDenoiser,
    KernelSmoothedDenoiser,
)
from byheart.lab.diffusion.circle import CircleDenoiser
from byheart.lab.diffusion.dimension import EXACT_DIMENSION, flipd, normal_bundle

LEVELS = [0.02, 0.1, 0.5, 2.0]


def rotation(d, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


def union(d=8, dimensions=(1, 2, 5), distance=20.0):
    """Affine manifolds of unit variance, `distance` apart along one more coordinate each."""
    turn = rotation(d)
    means, covariances = [], []
    for i, own in enumerate(dimensions):
        axes = turn[:, np.arange(own) + i]
        covariances.append(axes @ axes.T)
        means.append(distance * i * turn[:, -1])
    model = GaussianMixtureDenoiser(np.full(len(means), 1 / len(means)), means, covariances)
    rng = np.random.default_rng(3)
    points = [m + rng.normal(size=d) @ c for m, c in zip(means, covariances, strict=True)]
    return model, np.array(points)


def test_a_gaussian_has_its_formula():
    rng = np.random.default_rng(1)
    lam = np.array([4.0, 1.0, 0.3, 0.01, 0.0])
    turn, centre = rotation(5), rng.normal(size=5)
    points = centre + rng.normal(size=(6, 5))
    z = (points - centre) @ turn
    curve = flipd(GaussianDenoiser(centre, turn @ np.diag(lam) @ turn.T), points, LEVELS)
    for i, s in enumerate(LEVELS):
        residual = s**2 * np.sum(z**2 / (lam + s**2) ** 2, axis=1)
        exact = np.sum(lam / (lam + s**2)) + residual
        # m is linear, so only rounding is left: (r/s)^(2/3) for each of 5 entries, r = 4 eps, and
        # 2 eps |y| |z|/s^2 of the residual's square over s^2.
        allowed = 5 * (4 * 2.2e-16 / s) ** (2 / 3) + 1e-14 * (1 + np.abs(z).max() ** 2 / s**2)
        assert np.abs(curve.values[:, i] - exact).max() < 2 * allowed, s
        np.testing.assert_allclose(curve.residuals[:, i], s * np.sqrt(residual), rtol=1e-9)
    assert (curve.standard_errors == 0).all()


@pytest.mark.parametrize("s", [0.1, 0.3, 1.0, 5.0])
def test_for_training_points_it_is_the_weighted_squared_distance(s):
    rng = np.random.default_rng(2)
    train, points = rng.normal(size=(40, 6)), rng.normal(size=(5, 6))
    squares = ((points[:, None] - train) ** 2).sum(axis=2) / s**2
    weights = np.exp(-(squares - squares.min(axis=1, keepdims=True)) / 2)
    weights /= weights.sum(axis=1, keepdims=True)
    exact = (weights * squares).sum(axis=1)
    found = flipd(EmpiricalDenoiser(train), points, [s]).values[:, 0]
    # Truncation (delta^2/6) K4/s^4 with delta^2 ~ 1e-10 and K4 up to the fourth power of 4.
    np.testing.assert_allclose(found, exact, rtol=1e-9, atol=6 * 2e-11 * (4 / s) ** 4 / 6)


def test_a_schedule_that_shrinks_is_read_at_sigma_over_psi():
    """The published form, D + sigma^2 (tr grad score + |score|^2) at psi x, by differences."""
    rng = np.random.default_rng(4)
    train, x = rng.normal(size=(30, 5)), rng.normal(size=5)
    psi, sigma, h = 0.8, 0.45, 1e-4

    def log_density(y):
        squares = ((y - psi * train) ** 2).sum(axis=1) / (2 * sigma**2)
        return -squares.min() + math.log(np.exp(squares.min() - squares).sum())

    y, axes = psi * x, np.eye(5)
    ahead = np.array([log_density(y + h * e) for e in axes])
    behind = np.array([log_density(y - h * e) for e in axes])
    score = (ahead - behind) / (2 * h)
    laplacian = np.sum(ahead - 2 * log_density(y) + behind) / h**2
    published = 5 + sigma**2 * (laplacian + score @ score)
    curve = flipd(EmpiricalDenoiser(train), x[None], [sigma / psi, sigma])
    right, without_psi = curve.values[0]
    # Second differences: 5 rounding errors of 1e-15/h^2 = 1e-7, truncation h^2 = 1e-8.
    assert right == pytest.approx(published, abs=1e-5)
    assert abs(without_psi - published) > 0.1


def test_a_near_copy_reads_as_high_dimension_and_is_marked():
    model, points = union()
    h = 0.05
    axis = rotation(8)[:, 7]  # normal to all three, and the line their centres lie on
    levels = [0.002, 0.02, 0.04, 0.06]
    on, off = (flipd(model, p, levels) for p in (points, points + h * axis))
    added = off.values - on.values
    # To first order h^2/s^2 exactly: the manifolds are flat and 20 apart.
    np.testing.assert_allclose(added, h**2 / np.array(levels) ** 2 * np.ones((3, 1)), rtol=1e-5)
    np.testing.assert_allclose(off.distances, h, rtol=1e-3)
    assert off.diverging.tolist() == [[True, True, True, False]] * 3
    assert not on.diverging.any()


def test_unions_of_manifolds():
    model, points = union()
    curve = flipd(model, points, [0.05])
    # A tangent of unit variance counts 1/(1 + s^2) plus s^2 z^2: within 5 s^2 (1 + 9).
    assert np.abs(curve.values[:, 0] - [1, 2, 5]).max() < 5 * 0.05**2 * 10
    rng = np.random.default_rng(0)
    for rule in ("gap", "threshold"):
        found = normal_bundle(model, points, 0.05, rng, rule=rule)
        assert found.dimensions.tolist() == [1, 2, 5]
        assert (np.diff(found.singular_values, axis=1) <= 0).all()


def test_the_gap_cannot_answer_nothing_or_all_and_the_threshold_can():
    rng = np.random.default_rng(0)
    point, everything = (
        GaussianDenoiser(np.zeros(4), np.zeros((4, 4))),
        GaussianDenoiser(np.zeros(4), 100 * np.eye(4)),
    )
    for model, truth in ((point, 0), (everything, 4)):
        y = np.zeros((1, 4))
        assert normal_bundle(model, y, 0.1, rng, rule="threshold").dimensions.item() == truth
        assert 0 < normal_bundle(model, y, 0.1, rng).dimensions.item() < 4


def test_the_singular_values_of_normals_keep_to_their_edges():
    """All 60 directions are normal: Marchenko and Pastur's edges 1/2 and 3/2 at K = 4D."""
    model = GaussianDenoiser(np.zeros(60), np.zeros((60, 60)))
    found = normal_bundle(model, np.zeros((1, 60)), 0.3, np.random.default_rng(5)).singular_values
    # Fluctuations at an edge are of order D^(-2/3)/4 = .016.
    assert 0.45 < found.min() < 0.6
    assert 1.4 < found.max() < 1.55


def test_hutchinson_is_unbiased_and_its_error_is_what_it_says():
    rng = np.random.default_rng(6)
    d, p, repeats = 12, 16, 300
    factor = rng.normal(size=(d, d)) / math.sqrt(d)
    model = GaussianDenoiser(np.zeros(d), factor @ factor.T)
    y = np.repeat(rng.normal(size=(1, d)), repeats, axis=0)
    exact = flipd(model, y[:1], [0.7]).values[0, 0]
    curve = flipd(model, y, [0.7], probes=p, rng=rng)
    error = (curve.values[:, 0] - exact) / curve.standard_errors[:, 0]
    assert abs(error.mean()) < 4 / math.sqrt(repeats)
    # Variance of z^T J z for signs: 2 sum_{i != j} J_ij^2. The mean of 300 estimated variances is
    # within 4 standard errors, sqrt(2/(p - 1)/300) each (forms nearly Gaussian: allow double).
    gain = factor @ factor.T @ np.linalg.inv(factor @ factor.T + 0.49 * np.eye(d))
    variance = 2 * (np.sum(gain**2) - np.sum(np.diag(gain) ** 2)) / p
    assert np.mean(curve.standard_errors**2) == pytest.approx(
        variance, rel=8 * math.sqrt(2 / (p - 1) / repeats)
    )
    # 95% intervals cover the exact value; fewer than 270 of 300 has probability about 2e-4.
    low, high = curve.at(0.7).intervals.T
    assert np.sum((low <= exact) & (exact <= high)) >= 270


def test_probes_are_taken_where_the_exact_trace_is_too_dear():
    d = EXACT_DIMENSION + 1
    model, y = EmpiricalDenoiser(np.zeros((1, d))), np.zeros((2, d))
    with pytest.raises(UsageError, match="pass rng"):
        flipd(model, y, [1.0])
    assert flipd(model, y, [1.0], rng=np.random.default_rng(0)).probes == 64


def test_kinds_of_points_on_a_circle():
    """von Mises density with an atom, and a model with one more atom that the data lack."""
    s = 0.05
    model = CircleDenoiser([0.5, 2.5, -1.5], [4.0, np.inf, np.inf], [0.8, 0.1, 0.1])
    at = np.array([0.5, 2.5, -1.5])
    curve = flipd(model, np.column_stack([np.cos(at), np.sin(at)]), [s])
    # On a circle of radius 1 the curvature adds O(s^2); the atoms have odds above
    # 0.1 I0(4) sqrt(2 pi)/(0.8 e^(4 cos 2) s) > 100 against the density within s.
    assert curve.values[:, 0] == pytest.approx([1, 0, 0], abs=0.02)


def test_the_circle_against_quadrature():
    s, y = 0.4, np.array([[0.8, 0.3], [-0.2, 0.1], [0.0, 0.0]])
    weights, angles, k = np.array([0.5, 0.3, 0.2]), np.array([0.3, 2.0, -2.0]), [3.0, 0.0, np.inf]
    model = CircleDenoiser(angles, k, weights)
    t = np.linspace(-np.pi, np.pi, 4000, endpoint=False)
    from scipy.stats import vonmises

    smooth = 0.5 * vonmises(3.0, loc=0.3).pdf(t) + 0.3 / (2 * np.pi)
    atoms = np.concatenate([t, [-2.0]])
    mass = np.concatenate([smooth * 2 * np.pi / len(t), [0.2]])
    places = np.column_stack([np.cos(atoms), np.sin(atoms)])
    likelihood = mass * np.exp(-((y[:, None] - places) ** 2).sum(axis=2) / (2 * s**2))
    exact = likelihood @ places / likelihood.sum(axis=1, keepdims=True)
    # The trapezoid rule of a periodic analytic function is exact to rounding.
    np.testing.assert_allclose(model.mean(y, s), exact, atol=1e-13)
    drawn = model.draw(20_000, np.random.default_rng(0))
    # Standard error below 1/sqrt(20000) = .007: 4.5 of them.
    np.testing.assert_allclose(drawn.mean(axis=0), mass @ places, atol=0.032)


def test_a_smooth_model_has_all_dimensions_below_its_bandwidth_and_few_above():
    """Kernel-smoothed points: D below the kernel's width, 0 between it and their spacing."""
    points = 10.0 * np.eye(6)
    curve = flipd(KernelSmoothedDenoiser(points, 0.1), points[:1], [0.001, 1.0])
    # tr J = D eps^2/(eps^2 + s^2)
    assert curve.values[0] == pytest.approx([6 / 1.0001, 6 * 0.01 / 1.01], rel=1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, y: flipd(m, y, []), "noise_levels must be a list"),
        (lambda m, y: flipd(m, y, [0.1, -1]), "noise_levels must be finite and above 0"),
        (lambda m, y: flipd(m, y[0], [0.1]), "y must have shape"),
        (lambda m, y: flipd(m, y, [0.1], probes=1, rng=np.random.default_rng()), "probes"),
        (lambda m, y: flipd(m, y, [0.1]).at(0.2), "not on the curve; choose one of 0.1"),
        (lambda m, y: normal_bundle(m, y, 0.1, np.random.default_rng(), rule="x"), "rule must"),
        (lambda m, y: CircleDenoiser([0.0], [1.0], [0.5]), "sum to 1"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(UsageError, match=message):
        call(EmpiricalDenoiser(np.eye(2)), np.zeros((1, 2)))
