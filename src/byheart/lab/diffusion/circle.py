"""Exact posterior mean for a law on the unit circle: von Mises densities and atoms.

Prior of the angle t, with c(t) = (cos t, sin t): sum_j w_j VM(t; mu_j, k_j) + sum_a w_a delta(t_a),
VM(t; mu, k) = exp(k cos(t - mu))/(2 pi I0(k)). With y = x + s eta the likelihood of c(t) is, up to
a factor common to all, exp(y.c(t)/s^2), so a von Mises component stays one,

    R_j = k_j c(mu_j) + y/s^2,    evidence w_j I0(|R_j|)/I0(k_j),    mean A(|R_j|) R_j/|R_j|,

A = I1/I0, and an atom has the evidence w_a exp(y.c(t_a)/s^2) and itself as its mean. All in logs;
i0e and i1e are I0 and I1 without their growth e^x.

A manifold of dimension 1 in the plane with points of dimension 0: the example of Ross et al. 2024
(arXiv 2411.00113) for the two kinds of memorization.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy.special import i0e, i1e

from byheart import _check
from byheart.errors import InputError, UsageError
from byheart.lab.diffusion.denoisers import Denoiser, check_query

Array = NDArray[np.float64]


@final
class CircleDenoiser(Denoiser):
    """Posterior mean for von Mises densities and atoms on the unit circle in the plane.

    angles: (K,), the centres mu_j and atoms t_a in radians. concentrations: (K,), k_j >= 0, and
    infinity for an atom. weights: (K,), above 0, sum 1 within 1e-9. Raises InputError for other
    shapes or values, UsageError for weights. Source: derived in the module's introduction.

    >>> circle = CircleDenoiser(angles=[0.0], concentrations=[0.0], weights=[1.0])
    >>> circle.mean(np.array([[0.9, 0.0]]), 0.01).round(3) + 0.0
    array([[1., 0.]])
    """

    def __init__(self, angles: Any, concentrations: Any, weights: Any) -> None:
        centres, k, w = (
            np.asarray(values, dtype=np.float64) for values in (angles, concentrations, weights)
        )
        if centres.ndim != 1 or not centres.shape == k.shape == w.shape or len(w) == 0:
            raise InputError(
                f"angles, concentrations, weights: shapes {centres.shape}, {k.shape} and "
                f"{w.shape}; pass one number of each for every component"
            )
        _check.matrix(centres[None], "angles")
        if not (k >= 0).all():
            raise InputError(f"concentrations: {k.min()} is not a number of at least 0")
        if not (w > 0).all() or abs(w.sum() - 1) > 1e-9:
            raise UsageError("weights must be above 0 and sum to 1; pass weights / weights.sum()")
        self._directions = np.column_stack([np.cos(centres), np.sin(centres)])
        self._atoms = np.isinf(k)
        self._k = np.where(self._atoms, 0.0, k)
        self._angles, self._weights = centres, w

    @property
    def dimension(self) -> int:
        """Number of coordinates of a point: 2."""
        return 2

    def mean(self, y: Array, noise_level: float) -> Array:
        """Return E[x | y]; see `Denoiser.mean`."""
        y, s = check_query(self, y, noise_level)
        resultants = self._k[:, None] * self._directions + y[:, None] / s**2
        lengths = np.linalg.norm(resultants, axis=2)
        means = resultants * (i1e(lengths) / i0e(lengths) / np.maximum(lengths, 1e-300))[..., None]
        means[:, self._atoms] = self._directions[self._atoms]
        logs = np.log(i0e(lengths)) + lengths - np.log(i0e(self._k)) - self._k
        logs[:, self._atoms] = (y @ self._directions.T)[:, self._atoms] / s**2
        logs += np.log(self._weights)
        shares = np.exp(logs - logs.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        return np.asarray((shares[:, :, None] * means).sum(axis=1))

    def draw(self, rows: int, rng: np.random.Generator) -> Array:
        """Return `rows` points of the law, (rows, 2)."""
        chosen = rng.choice(len(self._weights), size=rows, p=self._weights)
        spread = rng.vonmises(0.0, self._k[chosen])
        spread[self._atoms[chosen]] = 0.0
        turned = self._angles[chosen] + spread
        return np.column_stack([np.cos(turned), np.sin(turned)])
