"""The linear one-step denoiser of arXiv 2411.17807: least squares on a single noise draw a point.

Symbols: x_i one of n training points, y_i = x_i + s eta_i its only noisy version, xbar and ybar
their means. Among affine functions of y the least squares fit to the pairs (y_i, x_i) is

    D(y) = xbar + theta (y - ybar),    theta = X^T pinv(Y)^T,

X and Y the centred rows; the pseudo-inverse gives the solution of minimum norm when n <= d.
theta keeps the noise of its one draw, so D differs from `LinearDenoiser`, the fit to infinitely
many draws, and it is of no use at any other noise level.

The paper writes the noisy point as e^(-T) y with noise of variance lambda e^(-2T) (1 - e^(-2T)).
Dividing by e^(-T) gives the convention here, with s^2 = lambda (1 - e^(-2T)), and its start law
N(e^(-T) xbar, s_gen^2 I) becomes N(xbar, (v^2 + s^2) I), v^2 the mean over coordinates of the
unbiased training variance. From there one step generates, given the fit, exactly

    N( xbar + theta (xbar - ybar),  (v^2 + s^2) theta theta^T ),

the law that `byheart.lab.theory.solvable_model.LinearOneStep.fit` returns.
"""

from __future__ import annotations

import math
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from byheart import _check
from byheart.errors import InputError, UsageError
from byheart.lab.diffusion.denoisers import Denoiser, check_query
from byheart.lab.diffusion.start import Start

Array = NDArray[np.float64]


@final
class LinearOneStepDenoiser(Denoiser):
    """Least squares of x on one noisy version of each training point, at one noise level.

    Build it with `LinearOneStepDenoiser.fit`; draw from it with `OneStepSampler` and
    `start=denoiser.start`. Source: arXiv 2411.17807; derived in the module's introduction.
    """

    def __init__(self, centre: Array, noisy_centre: Array, theta: Array, start: Start, s: float):
        self._centre, self._noisy_centre, self._theta = centre, noisy_centre, theta
        self._start, self._noise_level = start, s

    @classmethod
    def fit(
        cls, points: Any, noise_level: float, rng: np.random.Generator
    ) -> LinearOneStepDenoiser:
        """Return the denoiser of `points`, (n, d) with n >= 2, at noise level s > 0.

        rng draws the one noise vector of each point. Raises InputError for points that are not a
        finite (n, d) array of at least two rows, UsageError for the noise level.

        >>> rng = np.random.default_rng(0)
        >>> denoiser = LinearOneStepDenoiser.fit([[0.0], [2.0]], 1e-6, rng)
        >>> denoiser.mean(np.array([[0.5]]), 1e-6).round(4).tolist()
        [[0.5]]
        """
        points = _check.float64_matrix(points, "points")
        if len(points) < 2:
            raise InputError("points: one row has no variance; pass at least 2 rows")
        s = _check.positive(noise_level, "noise_level")
        noisy = points + s * rng.standard_normal(points.shape)
        centre, noisy_centre = points.mean(axis=0), noisy.mean(axis=0)
        theta, *_ = np.linalg.lstsq(noisy - noisy_centre, points - centre, rcond=None)
        start = Start(centre, math.sqrt(points.var(axis=0, ddof=1).mean()))
        return cls(centre, noisy_centre, theta, start, s)

    @property
    def dimension(self) -> int:
        """Number d of coordinates of a point."""
        return len(self._centre)

    @property
    def start(self) -> Start:
        """The paper's start law, N(xbar, (v^2 + s^2) I)."""
        return self._start

    def mean(self, y: Array, noise_level: float) -> Array:
        """Return the affine estimate of x from y; see `Denoiser.mean`.

        Raises UsageError for a noise level other than the fit's, too.
        """
        y, s = check_query(self, y, noise_level)
        # A schedule may return its own first level with a few roundings.
        if not math.isclose(s, self._noise_level, rel_tol=1e-9):
            raise UsageError(
                f"noise_level: this denoiser was fitted at {self._noise_level!r} only, got {s!r}; "
                f"fit another with LinearOneStepDenoiser.fit(points, {s!r}, rng)"
            )
        return self._centre + (y - self._noisy_centre) @ self._theta
