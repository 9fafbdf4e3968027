"""A mixture of round Gaussians, one for each point: its denoiser and its density at every noise.

Symbols as in `byheart.lab.diffusion.denoisers`. The law is rho = sum_i w_i N(x_i, e_i^2 I), with a
bandwidth e_i for each point. e_i = 0 everywhere is the training set itself, one common e_i = eps
the kernel-smoothed set; narrow kernels on some points and wide ones on the others make a model
that has learned the first by heart and not the others.

With noise of level s, component i has the variance v_i = e_i^2 + s^2, and

    log rho_s(y) = log sum_i exp(l_i),   l_i = log w_i - (d/2) log(2 pi v_i) - |y - x_i|^2/(2 v_i),
    E[x | y]     = sum_i r_i [s^2 x_i + e_i^2 y]/v_i,      r_i = exp(l_i - log rho_s(y)).

Squared distances are expanded after centring on the mean of the points; unlike in the common-
bandwidth case |y|^2 does not cancel. The error of l_i is about d 2^-53 (|y|^2 + |x_i|^2)/v_i.
"""

from __future__ import annotations

import math
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from byheart import _check
from byheart.errors import InputError, UsageError
from byheart.lab.diffusion.denoisers import Denoiser, check_query

Array = NDArray[np.float64]

_BLOCK_ENTRIES = 2**21  # entries of one block of weights: 16 MiB, and as much for its products


@final
class IsotropicMixtureDenoiser(Denoiser):
    """Exact posterior mean and log density of a Gaussian around every point.

    points: (n, d). bandwidths: a number or (n,), deviations e_i of at least 0 in the data's units.
    weights: (n,), above 0, sum 1 within 1e-9; equal by default.
    Raises InputError for points that are not a finite (n, d) array, UsageError for the others.
    Source: derived in the module's introduction.

    >>> model = IsotropicMixtureDenoiser([[0.0], [1.0]], bandwidths=[0.0, 0.1])
    >>> model.mean(np.array([[0.1], [1.2]]), 0.1).round(6).tolist()
    [[0.0], [1.1]]
    >>> model.log_density(np.array([[0.0]]), 0.1).shape
    (1,)
    """

    def __init__(self, points: Any, bandwidths: Any, weights: Any = None) -> None:
        points = _check.float64_matrix(points, "points")
        n = len(points)
        widths = np.asarray(bandwidths, dtype=np.float64)
        if widths.ndim == 0:
            widths = np.full(n, float(widths))
        if widths.shape != (n,) or not np.isfinite(widths).all() or widths.min() < 0:
            raise UsageError(
                f"bandwidths must be one finite deviation of at least 0, or one for each of the "
                f"{n} points, got shape {widths.shape}; pass a number or an array (n,)"
            )
        shares = np.full(n, 1 / n) if weights is None else np.asarray(weights, dtype=np.float64)
        if shares.shape != (n,) or not np.isfinite(shares).all():
            raise InputError(f"weights: shape {shares.shape} for {n} points; pass one finite each")
        if shares.min() <= 0 or abs(shares.sum() - 1) > 1e-9:
            raise UsageError(
                f"weights must be above 0 and sum to 1, got minimum {shares.min():g} and sum "
                f"{shares.sum():.12g}; pass weights / weights.sum()"
            )
        self._points, self._squares, self._log_weights = points, widths**2, np.log(shares)
        self._centre = points.mean(axis=0)
        self._centred = points - self._centre
        self._norms = np.einsum("ij,ij->i", self._centred, self._centred)

    @property
    def dimension(self) -> int:
        """Number d of coordinates of a point."""
        return len(self._centre)

    def mean(self, y: Array, noise_level: float) -> Array:
        """Return E[x | y]; see `Denoiser.mean`."""
        y, s = check_query(self, y, noise_level)
        variances = self._squares + s**2
        result = np.empty_like(y)
        for block in self._blocks(len(y)):
            logs = self._log_terms(y[block] - self._centre, variances)
            logs -= logs.max(axis=1, keepdims=True)
            np.exp(logs, out=logs)
            logs /= logs.sum(axis=1, keepdims=True)
            # The share of y that stays, and what the points add.
            logs *= s**2 / variances
            kept = 1 - logs.sum(axis=1, keepdims=True)
            result[block] = logs @ self._centred + kept * (y[block] - self._centre)
        result += self._centre
        return result

    def log_density(self, y: Any, noise_level: float = 0.0) -> Array:
        """Return log rho_s(y) in nats, (m,), for y, (m, d); noise level 0 is the law itself.

        Raises UsageError for another shape, a negative noise level, or noise level 0 where a
        bandwidth is 0 and there is no density.
        """
        y = np.asarray(y, dtype=np.float64)
        if y.ndim != 2 or y.shape[1] != self.dimension:
            raise UsageError(f"y must have shape (m, {self.dimension}), got {y.shape}")
        s = 0.0 if noise_level == 0 else _check.positive(noise_level, "noise_level")
        variances = self._squares + s**2
        if variances.min() == 0:
            raise UsageError(
                "log_density: a bandwidth of 0 has no density; pass noise_level above 0"
            )
        result = np.empty(len(y))
        for block in self._blocks(len(y)):
            logs = self._log_terms(y[block] - self._centre, variances)
            largest = logs.max(axis=1)
            np.exp(logs - largest[:, None], out=logs)
            result[block] = largest + np.log(logs.sum(axis=1))
        return result

    def sample(self, count: int, rng: np.random.Generator) -> Array:
        """Return (count, d) exact draws of the law; UsageError unless count is at least 1."""
        count = _check.integer(count, "count", 1)
        which = rng.choice(len(self._points), size=count, p=np.exp(self._log_weights))
        noise = rng.standard_normal((count, self.dimension))
        points: Array = self._points[which] + np.sqrt(self._squares[which])[:, None] * noise
        return points

    def restrict(self, rows: Any) -> IsotropicMixtureDenoiser:
        """Return the law given that the point is one of `rows` (indices or a mask).

        Raises UsageError when no row is chosen.
        """
        picked = np.asarray(rows)
        chosen = np.arange(len(self._points))[picked if picked.size else slice(0)]
        if chosen.size == 0:
            raise UsageError("restrict: no row is chosen; pass at least one")
        logs = self._log_weights[chosen]
        weights = np.exp(logs - logs.max())
        return IsotropicMixtureDenoiser(
            self._points[chosen], np.sqrt(self._squares[chosen]), weights / weights.sum()
        )

    def weight(self, rows: Any) -> float:
        """Return the probability of `rows` (indices or a mask) together."""
        return float(np.exp(self._log_weights[np.asarray(rows)]).sum())

    def _blocks(self, rows: int) -> list[slice]:
        step = max(1, _BLOCK_ENTRIES // len(self._centred))
        return [slice(start, start + step) for start in range(0, rows, step)]

    def _log_terms(self, centred: Array, variances: Array) -> Array:
        """Return l_i for each row of y minus the centre, (m, n)."""
        logs: Array = centred @ self._centred.T
        logs *= -2.0
        logs += np.einsum("ij,ij->i", centred, centred)[:, None]
        logs += self._norms
        logs *= -0.5 / variances
        logs += self._log_weights - 0.5 * self.dimension * np.log(2 * math.pi * variances)
        return logs
