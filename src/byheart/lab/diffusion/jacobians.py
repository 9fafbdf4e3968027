"""The Jacobian of a denoiser, J = dE[x | y]/dy, by differences: products, trace, all of it.

For a posterior mean J = Cov(x | y)/s^2 (differentiate Bayes' rule): symmetric, positive
semi-definite, 1 along directions that the denoiser leaves alone and 0 along those that it removes.

Central differences, along a unit direction v with the step h = delta s:

    J v ~ [m(y + h v) - m(y - h v)]/(2h).

Truncation: the third derivative of m is the fourth cumulant K4 of x | y over s^6, so the error is
(delta^2/6) K4/s^4. Rounding: `mean` is right to precision * max(s, |y|_inf) =: r, so the error is
about r/(delta s). With K4 of order s^4 their sum is least at delta = (3 r/s)^(1/3), the step taken
here (at most 1/10); the error of an entry is then some (r/s)^(2/3): 1e-9 for |y| = 100 s in
float64, 1e-4 for a network in float32. Only where the posterior has modes L >> s apart, with
comparable weights, K4 is of order L^4 and the relative error (delta L/s)^2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from byheart.lab.diffusion.denoisers import Denoiser, check_query

Array = NDArray[np.float64]

_BLOCK_VALUES = 2**21  # coordinates handed to `mean` at a time


def steps(denoiser: Denoiser, y: Array, noise_level: float) -> Array:
    """Return the step h of each row's difference, (m,), derived above."""
    size = np.maximum(noise_level, np.abs(y).max(axis=1))
    relative = np.minimum(np.cbrt(3 * denoiser.precision * size / noise_level), 0.1)
    return np.asarray(noise_level * relative)


def products(denoiser: Denoiser, y: Array, noise_level: float, directions: Array) -> Array:
    """Return J v, (m, p, d), for p directions at each of m points.

    y: (m, d). directions: (m, p, d), or (p, d) for the same at all points; no row may be 0.
    Costs 2 m p values of `mean`. Raises UsageError as `Denoiser.mean` does.

    >>> from byheart.lab.diffusion import GaussianDenoiser
    >>> denoiser = GaussianDenoiser([0.0, 0.0], [[3.0, 0.0], [0.0, 0.0]])
    >>> products(denoiser, np.ones((1, 2)), 1.0, np.array([[1.0, 1.0]])).round(9) + 0.0
    array([[[0.75, 0.  ]]])
    """
    y, s = check_query(denoiser, y, noise_level)
    d = denoiser.dimension
    shared = directions.ndim == 2
    p = directions.shape[-2]
    result = np.empty((len(y), p, d))
    rows = max(1, _BLOCK_VALUES // (2 * p * d))
    for start in range(0, len(y), rows):
        block = slice(start, start + rows)
        v = directions[None] if shared else directions[block]
        lengths = np.linalg.norm(v, axis=2, keepdims=True)
        h = steps(denoiser, y[block], s)[:, None, None]
        moves = h * (v / lengths)
        ends = np.stack([y[block, None] + moves, y[block, None] - moves])
        ahead, behind = denoiser.mean(ends.reshape(-1, d), s).reshape(ends.shape)
        result[block] = (ahead - behind) * (lengths / (2 * h))
    return result


def jacobians(denoiser: Denoiser, y: Array, noise_level: float) -> Array:
    """Return J, (m, d, d), at each row of y, (m, d): [i, j, k] is d mean_k/d y_j.

    >>> from byheart.lab.diffusion import GaussianDenoiser
    >>> jacobians(GaussianDenoiser([0.0], [[3.0]]), np.zeros((1, 1)), 1.0).round(9)
    array([[[0.75]]])
    """
    return products(denoiser, y, noise_level, np.eye(denoiser.dimension))


def traces(denoiser: Denoiser, y: Array, noise_level: float) -> Array:
    """Return tr J, (m,), at each row of y, (m, d), from all d columns.

    >>> from byheart.lab.diffusion import GaussianDenoiser
    >>> traces(GaussianDenoiser([0.0], [[3.0]]), np.zeros((1, 1)), 1.0).round(9)
    array([0.75])
    """
    y, s = check_query(denoiser, y, noise_level)
    found = np.empty(len(y))
    rows = max(1, _BLOCK_VALUES // (2 * denoiser.dimension**2))
    for start in range(0, len(y), rows):
        block = slice(start, start + rows)
        found[block] = np.einsum("ijj->i", jacobians(denoiser, y[block], s))
    return found


def hutchinson(
    denoiser: Denoiser, y: Array, noise_level: float, probes: Array
) -> tuple[Array, Array]:
    """Return an estimate of tr J, (m,), and its standard error, (m,).

    probes: (m, p, d) of independent signs, p >= 2. The mean of z^T J z over the probes; its
    variance is 2 sum_{i != j} J_ij^2 / p for a symmetric J, and is estimated from the probes
    (Hutchinson 1990).

    >>> from byheart.lab.diffusion import GaussianDenoiser
    >>> z = np.random.default_rng(0).choice([-1.0, 1.0], size=(1, 4, 2))
    >>> value, error = hutchinson(GaussianDenoiser([0, 0], np.eye(2)), np.zeros((1, 2)), 1.0, z)
    >>> value.round(9), error.round(9)
    (array([1.]), array([0.]))
    """
    forms = np.einsum("ipd,ipd->ip", products(denoiser, y, noise_level, probes), probes)
    return forms.mean(axis=1), forms.std(axis=1, ddof=1) / np.sqrt(forms.shape[1])
