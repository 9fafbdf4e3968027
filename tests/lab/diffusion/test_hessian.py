"""The spectral dimension against its filter on known spectra; Lanczos against eigenvalues."""

import numpy as np
import pytest

from byheart.errors import UsageError
from byheart.lab.diffusion import EmpiricalDenoiser, GaussianDenoiser
from byheart.lab.diffusion.hessian import _quadrature, kept, spectral_dimension


def gaussian(d, seed=0, *variances):
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]
    lam = np.zeros(d)
    lam[: len(variances)] = variances
    return GaussianDenoiser(np.zeros(d), turn @ np.diag(lam) @ turn.T), lam


def test_a_gaussian_is_filtered_eigenvalue_by_eigenvalue():
    model, lam = gaussian(7, 0, 4.0, 1.0, 0.3, 0.1)
    levels = [0.05, 0.3, 1.0]
    found = spectral_dimension(model, np.ones((2, 7)), levels)
    for i, s in enumerate(levels):
        a = s**2 / (lam + s**2)
        # f's slope is at most p/(4 c) = 5, the eigenvalues' error some 1e-9.
        assert found.values[:, i] == pytest.approx(np.sum(kept(a)), abs=1e-7)
        assert found.undecided[0, i] == np.sum(np.abs(a - 0.2) <= 0.1)
    assert (found.standard_errors == 0).all()


def test_a_point_off_the_manifold_does_not_diverge():
    model, _ = gaussian(7, 1, 1.0, 1.0)
    rng = np.random.default_rng(0)
    found = spectral_dimension(model, 0.3 * rng.normal(size=(4, 7)), [0.01])
    # 2 tangents, and 5 normals of 1/626 each; (r/s)^(2/3) = 1e-9 a product
    assert found.values[:, 0] == pytest.approx(2 + 5 / 626, abs=1e-6)


def test_lanczos_with_all_steps_is_the_whole_spectrum():
    model, _ = gaussian(9, 2, 3.0, 2.0, 1.0, 0.5, 0.25)
    s, rng = 0.7, np.random.default_rng(1)
    signs = rng.integers(0, 2, (4, 9)) * 2.0 - 1
    nodes, weights = _quadrature(model, np.zeros((1, 9)), s, signs, 9)
    hessian = np.eye(9) - model.mean(np.eye(9), s)  # the mean is linear, and 0 at 0
    values, vectors = np.linalg.eigh(hessian)
    exact = ((signs @ vectors) ** 2 * kept(values)).sum(axis=1)
    np.testing.assert_allclose((weights * kept(nodes)).sum(axis=1), exact, atol=1e-5)
    np.testing.assert_allclose(weights.sum(axis=1), 9, rtol=1e-12)


def test_two_different_eigenvalues_take_two_steps():
    """The Krylov space is exhausted: what is left over must not count."""
    model, _ = gaussian(40, 3, *np.full(10, 2.0))
    rng = np.random.default_rng(2)
    found = spectral_dimension(model, np.zeros((1, 40)), [0.1], probes=200, rng=rng)
    # Hutchinson of nearly a projector of rank 10: variance 2 (10 - sum of squared diagonal)/200.
    assert found.values[0, 0] == pytest.approx(10, abs=4 * np.sqrt(2 * 10 / 200))
    assert abs(found.values[0, 0] - 10) < 5 * found.standard_errors[0, 0] + 0.1


def test_many_coordinates():
    d = 1024
    axes = np.zeros((40, d))
    axes[np.arange(40), np.arange(40)] = 1.0
    points = np.random.default_rng(3).normal(size=(400, 40)) @ axes
    model = EmpiricalDenoiser(points)
    rng = np.random.default_rng(4)
    # A single atom far away from the others is of dimension 0; 1024/626 is what normals leave.
    found = spectral_dimension(model, points[:1], [0.3], rng=rng)
    assert found.values[0, 0] == pytest.approx(d / 626, abs=0.5)
    assert found.standard_errors.shape == (1, 1)


def test_probes_need_a_generator():
    with pytest.raises(UsageError, match="pass rng"):
        spectral_dimension(EmpiricalDenoiser(np.eye(2)), np.zeros((1, 2)), [0.1], probes=4)
