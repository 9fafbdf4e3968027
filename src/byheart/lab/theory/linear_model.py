r"""The multi-step linear model of a Gaussian with any covariance.

A linear diffusion model with infinitely many noise draws has at noise level s the denoiser
Sigma_hat (Sigma_hat + s^2)^-1; sampled down to s_min^2 = c it generates
rho_G = N(xbar, Sigma_hat + c I), with the unbiased covariance of n training points of
rho = N(mu, Sigma). c is the noise floor. With N = n - 1, kappa the effective noise
(`lab/theory/effective_noise.py`), p = kappa/c, and

    F = sum lam/(lam + kappa),  gamma = (1/N) sum lam^2/(lam + kappa)^2,
    delta = (1/N) sum kappa lam^2/(lam + kappa)^3,

    L := E log det(Sigma_hat + c) = sum log(1 + lam/kappa) + N log p - F + d log c
                                    + 1/2 log(1 - gamma)
    Q := E tr Sigma (Sigma_hat + c)^-1 = N (p e^x - 1),
                                    x = gamma/(N (1 - gamma)) - delta/(N (1 - gamma)^2)
    R := E tr (Sigma_hat + c)^-1 = p sum 1/(lam + kappa) + delta/(kappa (1 - gamma)^2)

The first terms are the Marchenko–Pastur limit. 1/2 log(1 - gamma) is its correction of order one
for real data (the mean in the central limit theorem of Bai and Silverstein 2004); R = dL/dc, and x
comes from adding one sample: L(N + 1) - L(N) = E log(1 + z'Bz) with tr B = Q/N. At c = 0 and N > d
they reproduce the Wishart moments to order 1/N. Monte Carlo at d = 8 to 100, n = 30 to 1000, c from
.001 to .1 finds no deviation beyond its own error, n = d included (tests). Where n is within a few
of d and c is below 1/N^2 the expansion breaks down. Derived in docs/explanation/forecast.md. With
rho_t = N(mu, Sigma + t I), rho seen through noise t,

    2 E KL(rho_G || rho_t) = sum (lam + c + lam/n)/(lam + t) - d - L + sum log(lam + t)
    2 E KL(rho_t || rho_G) = L - sum log(lam + t) - d + Q (1 + 1/n) + t R
    2 E[-log rho_G(x)]     = L + Q (1 + 1/n) + d log 2 pi           for a fresh x of rho.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

from byheart.errors import UsageError
from byheart.lab.theory.effective_noise import effective_noise, in_blocks

Floats = NDArray[np.float64]
Divergence = Literal["kl", "reverse_kl"]


@dataclass(frozen=True)
class _Moments:
    """L, Q, R, and F of the module's text, each with the common shape of n and c."""

    log_determinant: Floats
    quadratic: Floats
    inverse: Floats


@dataclass(frozen=True, eq=False)
class MultiStepLinear:
    """The law of what a linear diffusion model generates, over n and the noise floor c.

    eigenvalues: (k,) of Sigma, at least 0, a variance. weights: (k,) multiplicities, which need not
    be whole numbers; without them every eigenvalue counts once. Methods take n (number of training
    points, at least 2, np.inf allowed) and noise_floor (c > 0, a variance), which broadcast, and
    return nats. Raises UsageError for anything else.

    >>> model = MultiStepLinear(1 / np.arange(1, 101))
    >>> model.expected_kl([30, 100, 400], 0.01).round(1)
    array([39.4, 18.4,  8.9])
    >>> MultiStepLinear([1.0], weights=[1e6]).expected_kl(3_000_000, 1e-3).round(-2)
    np.float64(94300.0)
    """

    eigenvalues: Floats
    weights: Floats = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        lam = np.atleast_1d(np.asarray(self.eigenvalues, dtype=np.float64))
        weight = np.atleast_1d(np.asarray(self.weights, dtype=np.float64))
        if weight.size == 0:
            weight = np.ones_like(lam)
        if lam.ndim != 1 or lam.size == 0 or lam.shape != weight.shape:
            raise UsageError(
                f"eigenvalues and weights must be two lists of one length, got shapes {lam.shape} "
                f"and {weight.shape}; use MultiStepLinear([1.0], weights=[100])"
            )
        for name, values in (("eigenvalues", lam), ("weights", weight)):
            if not np.isfinite(values).all() or (values < 0).any():
                raise UsageError(f"{name} must be finite and at least 0, got {values.min():g}")
        if not (weight > 0).any():
            raise UsageError("all weights are 0; use MultiStepLinear([1.0], weights=[100])")
        kept = weight > 0
        object.__setattr__(self, "eigenvalues", lam[kept])
        object.__setattr__(self, "weights", weight[kept])

    @property
    def dimension(self) -> float:
        """d, the sum of the weights."""
        return float(self.weights.sum())

    def degrees_of_freedom(self, noise: ArrayLike) -> Floats:
        """Sum of lam/(lam + noise): the directions that stand out of this noise (a variance).

        >>> MultiStepLinear([1.0, 0.0], weights=[3, 5]).degrees_of_freedom([0.0, 1.0])
        array([3. , 1.5])
        """
        level = np.asarray(noise, dtype=np.float64)
        seen = self.eigenvalues > 0
        lam, weight = self.eigenvalues[seen], self.weights[seen]
        flat = in_blocks(lambda c: (lam / (lam + c[:, None])) @ weight, len(lam), level)
        return flat.reshape(level.shape)

    def effective_noise(self, n: ArrayLike, noise_floor: ArrayLike) -> Floats:
        """Return kappa(n, c), see `lab.theory.effective_noise`; here c = 0 is allowed."""
        samples, floor = _arguments(n, noise_floor, zero=True)
        return effective_noise(self.eigenvalues, samples, floor, self.weights)

    def log_determinant(self, n: ArrayLike, noise_floor: ArrayLike) -> Floats:
        """E log det(Sigma_hat + c I)."""
        return self._moments(*_arguments(n, noise_floor)).log_determinant

    def expected_kl(self, n: ArrayLike, noise_floor: ArrayLike, smoothing: float = 0.0) -> Floats:
        """E KL(rho_G || rho_t), with rho_t the data seen through noise of variance `smoothing`.

        inf where Sigma is singular and smoothing = 0.
        """
        samples, floor = _arguments(n, noise_floor)
        target = self.eigenvalues + smoothing
        if (target == 0).any():
            return np.full(samples.shape, np.inf)
        share = float(self.weights @ (self.eigenvalues / target))
        inverse = float(self.weights @ (1 / target))
        entropy = float(self.weights @ np.log(target))
        found = self._moments(samples, floor).log_determinant
        twice = share * (1 + 1 / samples) + floor * inverse - self.dimension - found + entropy
        return 0.5 * twice

    def expected_reverse_kl(
        self, n: ArrayLike, noise_floor: ArrayLike, smoothing: float = 0.0
    ) -> Floats:
        """E KL(rho_t || rho_G); inf where Sigma is singular and smoothing = 0."""
        samples, floor = _arguments(n, noise_floor)
        target = self.eigenvalues + smoothing
        if (target == 0).any():
            return np.full(samples.shape, np.inf)
        m = self._moments(samples, floor)
        entropy = float(self.weights @ np.log(target)) + self.dimension
        quadratic = m.quadratic * (1 + 1 / samples) + smoothing * m.inverse
        return 0.5 * (m.log_determinant - entropy + quadratic)

    def heldout_log_loss(self, n: ArrayLike, noise_floor: ArrayLike) -> Floats:
        """E[-log rho_G(x)] of a fresh point x of rho.

        >>> MultiStepLinear(1 / np.arange(1, 65)).heldout_log_loss([60, 1000], 0.1).round(2)
        array([8.6 , 8.57])
        """
        samples, floor = _arguments(n, noise_floor)
        m = self._moments(samples, floor)
        quadratic = m.quadratic * (1 + 1 / samples)
        return 0.5 * (m.log_determinant + quadratic + self.dimension * math.log(2 * math.pi))

    def excess_loss(self, n: ArrayLike, noise_floor: ArrayLike) -> Floats:
        """E KL(rho_c || rho_G), c the noise floor: what the finite training set costs.

        It is the log loss on fresh points seen through the floor's own noise, above the least
        possible, reached as n grows: at least 0, and finite for singular data. (The held-out log
        loss without that noise may pass below its own limit: at a floor above some eigenvalues,
        few samples are narrower than the limit there, by luck on the right side.)

        >>> MultiStepLinear([1.0], weights=[100]).excess_loss([1000, 2000, np.inf], 0.01).round(2)
        array([2.99, 1.37, 0.  ])
        """
        samples, floor = _arguments(n, noise_floor)
        m = self._moments(samples, floor)
        # log det and trace of Sigma + c, for each c
        lam, weight = self.eigenvalues, self.weights
        entropy = in_blocks(lambda c: np.log(lam + c[:, None]) @ weight, len(lam), floor)
        quadratic = m.quadratic * (1 + 1 / samples) + floor * m.inverse
        gap = m.log_determinant - entropy.reshape(floor.shape) - self.dimension + quadratic
        return np.asarray(0.5 * gap, dtype=np.float64)

    def optimal_noise_floor(self, n: ArrayLike, divergence: Divergence = "reverse_kl") -> Floats:
        """Return the c that makes the expected divergence from rho smallest, for each n.

        divergence: "kl" is KL(rho_G || rho), "reverse_kl" is KL(rho || rho_G), whose best c is
        also that of the held-out log loss. Searched between 1e-6 of the smallest positive
        eigenvalue and ten times the largest, by repeated refinement of a geometric grid. Raises
        UsageError for "kl" when Sigma is singular: every c > 0 is then infinitely far.

        >>> MultiStepLinear([1.0], weights=[50]).optimal_noise_floor([100, 10_000]).round(4)
        array([0.5151, 0.0102])
        """
        samples, _ = _arguments(n, 1.0)
        lam = self.eigenvalues[self.eigenvalues > 0]
        if divergence == "kl" and len(lam) < len(self.eigenvalues):
            raise UsageError(
                "KL(rho_G || rho) is infinite for a singular covariance; use "
                "optimal_noise_floor(n, 'reverse_kl')"
            )
        if len(lam) == 0:
            raise UsageError("all eigenvalues are 0, so no noise floor is best")
        measure = self.expected_kl if divergence == "kl" else self.heldout_log_loss
        low = np.full(samples.shape, math.log(1e-6 * lam.min()))
        high = np.full(samples.shape, math.log(10 * lam.max()))
        for _ in range(6):  # each pass keeps 2 of 32 steps: a relative width below 1e-5
            grid = np.linspace(low, high, 33)
            best = np.argmin(measure(samples[None], np.exp(grid)), axis=0)[None]
            low = np.take_along_axis(grid, np.maximum(best - 1, 0), 0)[0]
            high = np.take_along_axis(grid, np.minimum(best + 1, 32), 0)[0]
        return np.asarray(np.exp((low + high) / 2), dtype=np.float64)

    def n_gen(self, noise_floor: ArrayLike) -> Floats:
        """Return 1 + sum lam/(lam + c): the scale at which the model begins to generalize.

        At c = 0 this is rank + 1, the first n at which E KL(rho_G || rho) is finite, from where it
        falls: the definition of n_gen in the one-step model. With a floor the divergence is finite
        and falls from n = 2 on (`falls_from`), and the rank becomes the number of directions
        that stand out of the floor.

        >>> MultiStepLinear([1.0], weights=[100]).n_gen([0.0, 1.0])
        array([101.,  51.])
        """
        return 1 + self.degrees_of_freedom(noise_floor)

    def falls_from(self, noise_floor: float, divergence: Divergence = "reverse_kl") -> float:
        """Return the n from which on the expected divergence falls for ever; inf if it never does.

        E KL(rho_G || rho) falls from n = 2 for every c > 0: Sigma_hat of n points is the mean of
        those of its n leave-one-out sets and log det is concave. At c = 0 it is finite from
        n = rank + 1. KL(rho || rho_G) is searched on whole numbers up to 10^6 (a geometric grid,
        then within its last rise); it often rises at last, by little, when c is above some
        eigenvalues (see `excess_loss`).
        """
        _, floor = _arguments(2, noise_floor, zero=True)
        if floor == 0:
            rank = float(self.weights[self.eigenvalues > 0].sum())
            return rank + (1 if divergence == "kl" else 3)
        if divergence == "kl":
            return 2.0
        grid = np.unique(np.geomspace(2, 1e6, 400).round())
        loss = self.heldout_log_loss(grid, floor)
        rises = np.flatnonzero(np.diff(loss) > 1e-12 * np.abs(loss[1:]))
        if len(rises) == 0:
            return 2.0
        last = int(rises[-1])
        if last == len(grid) - 2:
            return math.inf
        near = np.arange(grid[last], grid[min(last + 2, len(grid) - 1)] + 1)
        return float(near[np.argmax(self.heldout_log_loss(near, floor))])

    def _moments(self, n: Floats, floor: Floats) -> _Moments:
        lam, weight = self.eigenvalues, self.weights
        kappa = effective_noise(lam, n, floor, weight)

        def rows(k: Floats, samples: Floats, c: Floats) -> Floats:
            share = lam / (lam + k[:, None])
            freedom = share @ weight
            gamma = (share**2) @ weight / samples
            delta = (share**2 * (1 - share)) @ weight / samples
            p = k / c
            # N log p = -N log(1 - F/N): the second form keeps its digits when N is large
            few = freedom > 0.5 * samples
            with np.errstate(divide="ignore", invalid="ignore"):
                growth = np.where(few, samples * np.log(p), -_scaled_log1p(-freedom, samples))
            log_det = np.log1p(lam / k[:, None]) @ weight + growth - freedom
            log_det += xlogy(weight.sum(), c) + 0.5 * np.log1p(-gamma)
            # beyond 1 the expansion has broken down (n near d, floor below 1/N^2)
            x = gamma / (1 - gamma) - delta / (1 - gamma) ** 2
            x = np.clip(x, -samples, samples)
            quadratic = p * freedom + p * _scaled_expm1(x, samples)
            inverse = p * ((1 / (lam + k[:, None])) @ weight) + delta / (k * (1 - gamma) ** 2)
            return np.stack([log_det, quadratic, inverse], axis=1)

        flat = in_blocks(rows, len(lam), kappa, n - 1, floor)
        parts = [part.reshape(n.shape) for part in flat.reshape(-1, 3).T]
        return _Moments(parts[0], parts[1], parts[2])


def _scaled_log1p(x: Floats, scale: Floats) -> Floats:
    """scale * log(1 + x/scale), which is x at scale = inf."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(scale), x, scale * np.log1p(x / scale))


def _scaled_expm1(x: Floats, scale: Floats) -> Floats:
    """scale * (exp(x/scale) - 1), which is x at scale = inf."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(scale), x, scale * np.expm1(x / scale))


def _arguments(n: ArrayLike, noise_floor: ArrayLike, zero: bool = False) -> tuple[Floats, Floats]:
    samples, floor = np.broadcast_arrays(
        np.asarray(n, dtype=np.float64), np.asarray(noise_floor, dtype=np.float64)
    )
    if not (samples >= 2).all():
        raise UsageError(
            f"n must be at least 2 (a covariance needs two points), got {samples.min():g}"
        )
    if not np.isfinite(floor).all() or (floor < 0).any() or (not zero and (floor == 0).any()):
        raise UsageError(f"noise_floor must be finite and above 0, got {floor.min():g}")
    return samples, floor
