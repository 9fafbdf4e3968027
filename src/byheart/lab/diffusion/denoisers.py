"""Denoisers: the posterior mean E[x | y] of a point given its noisy version.

Symbols: y = x + s eta with eta ~ N(0, I_d) and noise level s; x has the *prior* law rho. The
posterior mean is all a diffusion sampler needs, because it is the score of the noisy law rho_s
(Tweedie's formula; Robbins 1956):

    s^2 grad log rho_s(y) = E[x | y] - y.

Gaussian prior N(mu, C), C = V diag(lam) V^T, decomposed once:

    E[x | y] = mu + V diag(lam / (lam + s^2)) V^T (y - mu).

Linear denoiser: among affine functions of y the least squares fit to (x_i + s eta, x_i), with
infinitely many noise draws eta for each of n training points, depends on their two moments only.
With xbar and Sigma_hat in place of mu and C it is the same function,

    xbar + Sigma_hat (Sigma_hat + s^2 I)^-1 (y - xbar).

Least squares proper has the factor 1/n in Sigma_hat; we take the unbiased 1/(n - 1), so that the
generated covariance is right on average. With a noise floor of variance c the model stands for
N(xbar, Sigma_hat + c I): the training points are taken to be known up to noise of variance c.

Mixture prior sum_k w_k N(mu_k, C_k): Bayes' rule over the component, then within it,

    E[x | y] = sum_k r_k(y) E_k[x | y],    log r_k = log w_k + log N(y; mu_k, C_k + s^2 I) + const.

Kernel-smoothed training set, rho = (1/n) sum_i N(x_i, eps^2 I), with eps the kernel's bandwidth:
all C_k = eps^2 I, so the r_k are softmax weights of -|y - x_i|^2 / (2 (eps^2 + s^2)) and

    E[x | y] = [s^2 sum_i r_i x_i + eps^2 y] / (eps^2 + s^2).

Training set itself, eps = 0: E[x | y] = sum_i r_i x_i, the minimiser of the training loss over
all functions. A sampler that uses it returns training points: it memorizes exactly.

Regularised scores (`regularised`) belong to no prior: their estimate of x is defined by the same
formula, y + s^2 score.

Weights are computed in logs and normalised by their largest. Squared distances are expanded,
after centring everything on the data mean; the term |y|^2 is common to all weights and left out.
The error of a log weight is about d 2^-53 |y| |x| / s^2, so s should stay above 1e-6 of the
data's spread.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from byheart import _check
from byheart.errors import InputError, UsageError

Array = NDArray[np.float64]

_BLOCK_ENTRIES = 2**21  # entries of one block of weights: 16 MiB, and as much for its products


class Denoiser(ABC):
    """The estimate y + s^2 score(y, s) of x from y = x + s eta, with the score of one model.

    Where the score is that of a noisy law rho_s, the estimate is the posterior mean E[x | y] of the
    prior rho, by Tweedie's formula. Each class says whether it is; samplers need the score alone.

    precision: error of `mean` by rounding, relative to its argument or to s if that is larger.
    """

    precision: float = 2.0**-52

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Number d of coordinates of a point."""

    @abstractmethod
    def mean(self, y: Array, noise_level: float) -> Array:
        """Return the estimate of x, (m, d), for noisy points y, (m, d), at noise level s > 0.

        Raises UsageError for another shape or a noise level that is not finite and above 0.
        """


@final
class EmpiricalDenoiser(Denoiser):
    """Exact posterior mean when x is drawn from the training points: memorizes them.

    points: (n, d). Time and memory of `mean`: O(m n d), and about 32 MiB beside its arguments.
    Raises InputError for points that are not a finite (n, d) array.
    Source: derived in the module's introduction; known as the optimal denoiser of the training
    set (Karras et al. 2022, appendix B.3).

    >>> denoiser = EmpiricalDenoiser([[0.0], [1.0]])
    >>> denoiser.mean(np.array([[0.5], [0.9]]), 0.1).round(6).tolist()
    [[0.5], [1.0]]
    """

    def __init__(self, points: Any) -> None:
        points = _check.float64_matrix(points, "points")
        self._centre = points.mean(axis=0)
        self._centred = points - self._centre
        self._half_squares = 0.5 * np.einsum("ij,ij->i", self._centred, self._centred)

    @property
    def dimension(self) -> int:
        """Number d of coordinates of a point."""
        return len(self._centre)

    def mean(self, y: Array, noise_level: float) -> Array:
        """Return E[x | y]; see `Denoiser.mean`."""
        return self.mean_and_log_mass(y, noise_level)[0]

    def mean_and_log_mass(self, y: Array, noise_level: float) -> tuple[Array, Array]:
        """Return E[x | y], (m, d), and log sum_i exp(-|y - x_i|^2 / (2 s^2)), (m,).

        >>> denoiser = EmpiricalDenoiser([[0.0], [2.0]])
        >>> denoiser.mean_and_log_mass(np.array([[1.0]]), 1.0)[1].round(6).tolist()  # log 2 - 1/2
        [0.193147]
        """
        y, s = check_query(self, y, noise_level)
        result: Array = np.empty_like(y)
        log_mass: Array = np.empty(len(y))
        rows = max(1, _BLOCK_ENTRIES // len(self._centred))
        for start in range(0, len(y), rows):
            block = slice(start, start + rows)
            shifted = y[block] - self._centre
            log_weights = shifted @ self._centred.T
            log_weights -= self._half_squares
            log_weights /= s**2
            log_mass[block] = _normalise(log_weights)
            log_mass[block] -= np.einsum("ij,ij->i", shifted, shifted) / (2 * s**2)
            result[block] = log_weights @ self._centred
        result += self._centre
        return result, log_mass


@final
class KernelSmoothedDenoiser(Denoiser):
    """Exact posterior mean for a Gaussian kernel density of the training points.

    points: (n, d). bandwidth: standard deviation eps > 0 of the kernel, in the data's units.
    Raises InputError for points that are not a finite (n, d) array, UsageError for the bandwidth.
    Source: derived in the module's introduction.

    >>> denoiser = KernelSmoothedDenoiser([[0.0], [1.0]], bandwidth=0.1)
    >>> denoiser.mean(np.array([[0.5], [1.2]]), 0.1).round(6).tolist()
    [[0.5], [1.1]]
    """

    def __init__(self, points: Any, bandwidth: float) -> None:
        self._bandwidth = _check.positive(bandwidth, "bandwidth")
        self._kernels = EmpiricalDenoiser(points)

    @property
    def dimension(self) -> int:
        """Number d of coordinates of a point."""
        return self._kernels.dimension

    def mean(self, y: Array, noise_level: float) -> Array:
        """Return E[x | y]; see `Denoiser.mean`."""
        y, s = check_query(self, y, noise_level)
        total = s**2 + self._bandwidth**2
        share = s**2 / total
        return share * self._kernels.mean(y, math.sqrt(total)) + (1 - share) * y


@final
class GaussianDenoiser(Denoiser):
    """Exact posterior mean for a Gaussian law N(mean, covariance).

    mean: (d,). covariance: (d, d), symmetric, no negative eigenvalue; it may be singular.
    Raises InputError for other shapes, values that are not finite, or another matrix.
    Source: derived in the module's introduction.

    >>> denoiser = GaussianDenoiser([1.0], [[4.0]])
    >>> denoiser.mean(np.array([[6.0]]), 1.0).tolist()
    [[5.0]]
    """

    def __init__(self, mean: Any, covariance: Any) -> None:
        centre = _check.matrix(np.asarray(mean)[None], "mean")[0].astype(np.float64)
        self._law = _Gaussian(centre, *_eigen(covariance, len(centre), "covariance"))

    @property
    def dimension(self) -> int:
        """Number d of coordinates of a point."""
        return len(self._law.centre)

    def mean(self, y: Array, noise_level: float) -> Array:
        """Return E[x | y]; see `Denoiser.mean`."""
        y, s = check_query(self, y, noise_level)
        return self._law.posterior_mean(y, s)


@final
class LinearDenoiser(Denoiser):
    """Best affine denoiser of a training set at every noise level: the multi-step linear model.

    Build it with `LinearDenoiser.fit`. A deterministic sampler that stops at the noise level
    s_min generates N(xbar, Sigma_hat + (noise_floor + s_min^2) I), with Sigma_hat the unbiased
    sample covariance. Source: derived in the module's introduction.
    """

    def __init__(self, law: _Gaussian, noise_floor: float) -> None:
        self._law, self._noise_floor = law, noise_floor

    @classmethod
    def fit(cls, points: Any, noise_floor: float = 0.0) -> LinearDenoiser:
        """Return the denoiser of `points`, (n, d) with n >= 2; n may be below d.

        noise_floor: variance c >= 0 added to every direction, in squared units of the data.
        Raises InputError for points that are not a finite (n, d) array of at least two rows,
        UsageError for a noise floor below 0.

        >>> LinearDenoiser.fit([[0.0], [2.0]]).mean(np.array([[5.0]]), 1.0).round(6).tolist()
        [[3.666667]]
        """
        points = _check.float64_matrix(points, "points")
        if len(points) < 2:
            raise InputError("points: one row has no covariance; pass at least 2 rows")
        if noise_floor != 0:
            _check.positive(noise_floor, "noise_floor")
        centre = points.mean(axis=0)
        # Right singular vectors of the centred rows: min(n, d) axes, and no squaring before the
        # decomposition. Sigma_hat has no variance along the axes that are left out.
        _, spread, axes = np.linalg.svd(points - centre, full_matrices=False)
        law = _Gaussian(centre, spread**2 / (len(points) - 1), axes.T)
        return cls(law, float(noise_floor))

    @property
    def dimension(self) -> int:
        """Number d of coordinates of a point."""
        return len(self._law.centre)

    def mean(self, y: Array, noise_level: float) -> Array:
        """Return the best affine estimate of x from y; see `Denoiser.mean`."""
        y, s = check_query(self, y, noise_level)
        # x = z + noise of variance c, as in the kernel-smoothed case: denoise to z, then go back
        # the share c / (c + s^2) of the way to y.
        total = self._noise_floor + s**2
        share = s**2 / total
        return share * self._law.posterior_mean(y, math.sqrt(total)) + (1 - share) * y


@final
class GaussianMixtureDenoiser(Denoiser):
    """Exact posterior mean for a mixture of K Gaussians.

    weights: (K,), above 0, sum 1 within 1e-9. means: (K, d). covariances: (K, d, d), each
    symmetric without negative eigenvalue; they may be singular.
    Raises InputError for other shapes, values that are not finite, or other matrices; UsageError
    for the weights. Source: derived in the module's introduction.

    >>> denoiser = GaussianMixtureDenoiser([0.5, 0.5], [[-1.0], [1.0]], [[[0.0]], [[0.0]]])
    >>> bool(np.isclose(denoiser.mean(np.array([[0.5]]), 1.0)[0, 0], np.tanh(0.5)))
    True
    """

    def __init__(self, weights: Any, means: Any, covariances: Any) -> None:
        means = _check.float64_matrix(means, "means")
        weights = _check.matrix(np.asarray(weights)[None], "weights")[0].astype(np.float64)
        if weights.shape != (len(means),) or len(covariances) != len(means):
            raise InputError(
                f"weights, means, covariances: {weights.size}, {len(means)} and "
                f"{len(covariances)} components; pass the same number of each"
            )
        if weights.min() <= 0 or abs(weights.sum() - 1) > 1e-9:
            raise UsageError(
                f"weights must be above 0 and sum to 1, got minimum {weights.min():g} and sum "
                f"{weights.sum():.12g}; pass weights / weights.sum()"
            )
        self._log_weights = np.log(weights)
        self._laws = [
            _Gaussian(centre, *_eigen(covariance, means.shape[1], f"covariances[{k}]"))
            for k, (centre, covariance) in enumerate(zip(means, covariances, strict=True))
        ]

    @property
    def dimension(self) -> int:
        """Number d of coordinates of a point."""
        return len(self._laws[0].centre)

    def mean(self, y: Array, noise_level: float) -> Array:
        """Return E[x | y]; see `Denoiser.mean`."""
        y, s = check_query(self, y, noise_level)
        log_shares = np.stack([law.noisy_log_density(y, s) for law in self._laws], axis=1)
        shares = log_shares + self._log_weights
        _normalise(shares)
        result = np.zeros_like(y)
        for law, share in zip(self._laws, shares.T, strict=True):
            result += share[:, None] * law.posterior_mean(y, s)
        return result


class _Gaussian:
    """N(centre, axes diag(variances) axes^T), centre (d,), variances (q,), axes (d, q), q <= d."""

    def __init__(self, centre: Array, variances: Array, axes: Array) -> None:
        self.centre, self._variances, self._axes = centre, variances, axes

    def posterior_mean(self, y: Array, s: float) -> Array:
        gain = self._variances / (self._variances + s**2)
        return self.centre + ((y - self.centre) @ self._axes * gain) @ self._axes.T

    def noisy_log_density(self, y: Array, s: float) -> Array:
        """Return log N(y; centre, C + s^2 I) without -(d/2) log(2 pi), (m,); needs q = d."""
        total = self._variances + s**2
        squares = ((y - self.centre) @ self._axes) ** 2
        density: Array = -0.5 * (squares @ (1 / total) + np.log(total).sum())
        return density


def _normalise(log_weights: Array) -> Array:
    """Turn rows of log weights into weights of sum 1, in place; return the logs of the sums."""
    top = log_weights.max(axis=1, keepdims=True)
    log_weights -= top
    np.exp(log_weights, out=log_weights)
    total = log_weights.sum(axis=1, keepdims=True)
    log_weights /= total
    log_sums: Array = (top + np.log(total))[:, 0]
    return log_sums


def check_query(denoiser: Denoiser, y: Array, noise_level: float) -> tuple[Array, float]:
    """Return y as float64 and s as a float; UsageError as `Denoiser.mean` promises."""
    y = np.asarray(y, dtype=np.float64)
    if y.ndim != 2 or y.shape[1] != denoiser.dimension:
        raise UsageError(
            f"y must have shape (m, {denoiser.dimension}), got {y.shape}; "
            f"use y.reshape(-1, {denoiser.dimension})"
        )
    return y, _check.positive(noise_level, "noise_level")


def _eigen(covariance: Any, d: int, name: str) -> tuple[Array, Array]:
    """Return eigenvalues (d,) and eigenvectors (d, d) of a valid covariance, else InputError."""
    array = _check.float64_matrix(covariance, name)
    if array.shape != (d, d):
        raise InputError(f"{name}: expected shape ({d}, {d}), got {array.shape}")
    # Rounding in a product A^T A is far below 1e-10 of its size; a mistake is far above.
    slack = 1e-10 * np.abs(array).max()
    if np.abs(array - array.T).max() > slack:
        raise InputError(f"{name}: the matrix is not symmetric; pass (c + c.T) / 2")
    variances, axes = np.linalg.eigh(array)
    if variances[0] < -slack * d:
        raise InputError(
            f"{name}: the matrix has the negative eigenvalue {variances[0]:.3g}; "
            f"a covariance has none"
        )
    return np.maximum(variances, 0.0), axes
