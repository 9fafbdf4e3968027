"""The solvable model of arXiv 2411.17807 in K steps: one linear denoiser for each noise level.

The forward process y_t = e^(−t) x + √(l (1 − e^(−2t))) η, l = lambda e^(−2T), is stopped at the
times t_k = T (K − k + 1)/K, k = 1 … K. Divided by e^(−t) it is y = x + s η with

    s_k² = l (e^(2 t_k) − 1),    s_1² = lambda (1 − e^(−2T)) for every K.

At each level x is regressed on one noisy version of each of the n training points, with intercept
(minimum norm for n ≤ d): D_k(y) = a_k + theta_k y. Generation starts from y_1 ~ N(xbar, v I), v the
mean over coordinates of the unbiased training variance plus s_1², and goes down the levels by

    y_{k+1} = D_k(y_k) + (s_{k+1}/s_k) (y_k − D_k(y_k)),    s_{K+1} = 0,

the deterministic step of Song, Meng and Ermon 2021. Every step is affine, so rho_G is a Gaussian in
closed form given the training set, and K = 1 is `solvable_model.LinearOneStep`.

As n → ∞ theta_k = sigma²/(sigma² + s_k²) and the variance of a coordinate is

    (sigma² + s_1²) Π_k [(sigma² + s_k s_{k+1})/(sigma² + s_k²)]²  →  sigma² as K → ∞:

more steps remove the price of a single one, at first order in 1/K. At finite n each level has a fit
of its own, to noise of its own; in simulation E KL falls with K all the way.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from byheart import _check
from byheart.errors import UsageError
from byheart.lab.theory.gaussians import GaussianLaw

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LinearSteps:
    """The model in `steps` steps K; the other arguments as in `solvable_model.LinearOneStep`.

    Raises UsageError for values out of range. Source: arXiv 2411.17807; derived above.

    >>> rng = np.random.default_rng(0)
    >>> model = LinearSteps(2, time=2, noise_scale=1, steps=4)
    >>> model.fit(rng.normal(size=(50, 2)), rng).mean.shape
    (2,)
    """

    dimension: int
    time: float
    noise_scale: float
    steps: int

    def __post_init__(self) -> None:
        _check.integer(self.dimension, "dimension", 1)
        _check.positive(self.time, "time")
        _check.positive(self.noise_scale, "noise_scale")
        _check.integer(self.steps, "steps", 1)

    @property
    def noise_levels(self) -> Array:
        """The levels s_1 > … > s_K and 0, (K + 1,)."""
        times = self.time * np.arange(self.steps, -1, -1) / self.steps
        scale = self.noise_scale * math.exp(-2 * self.time)
        return np.asarray(np.sqrt(scale * np.expm1(2 * times)))

    def fit(self, x: ArrayLike, rng: np.random.Generator) -> GaussianLaw:
        """Train on x, (n, d), n ≥ 2, and return the law of the generated samples, exactly."""
        points = _check.float64_matrix(x, "train")
        if points.shape[1] != self.dimension or len(points) < 2:
            raise UsageError(
                f"train must be (n, {self.dimension}) with n ≥ 2, got shape {points.shape}"
            )
        centre, s = points.mean(axis=0), self.noise_levels
        spread = float(points.var(axis=0, ddof=1).mean()) + s[0] ** 2
        mean, factor = centre, math.sqrt(spread) * np.eye(self.dimension)
        for level, lower in itertools.pairwise(s):
            noisy = points + level * rng.standard_normal(points.shape)
            noisy_centre = noisy.mean(axis=0)
            theta = np.linalg.lstsq(noisy - noisy_centre, points - centre, rcond=None)[0].T
            estimate = centre + theta @ (mean - noisy_centre)
            kept = lower / level
            mean = estimate + kept * (mean - estimate)
            factor = (1 - kept) * theta @ factor + kept * factor
        return GaussianLaw.from_factor(mean, factor)
