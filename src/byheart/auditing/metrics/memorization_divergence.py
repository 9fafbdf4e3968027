"""Memorization divergence: how far a model's law is from narrow kernels on a set of points.

Symbols: x_1 .. x_n a set of points, q_eps = (1/n) sum_i N(x_i, eps^2 I), p_theta the model's law.

    M(X; eps) = KL(q_eps || p_theta) = E_{x ~ q_eps} [log q_eps(x) - log p_theta(x)]   (nats)

(Chen et al., arXiv 2410.02467v1). *Smaller means more memorized.* M alone says little: as eps -> 0
log q_eps on its own points grows like d log(1/eps), so M diverges for every model with a density,
a perfect copier of finite bandwidth too. Hence the difference of two sets at one eps,

    M(T; eps) - M(H; eps),

training less held-out, at equal numbers of points: log n and the entropy of the kernels, which
diverges, are common to both and cancel where points are separated. Below 0 is memorization.

Oracle. For points separated by much more than eps and delta, and p_theta = q_delta of the same
points, log q_eps - log q_delta at x_i + eps eta is d log(delta/eps) - |eta|^2 (1 - r)/2 with
r = (eps/delta)^2, so

    M = (d/2) (r - 1 - log r),

which is 0 at eps = delta and diverges like (d/2) log(1/r) as eps -> 0.

Estimate: every point gets the same number of draws x_i + eps eta_ij, stratified over i. The
standard error of a mean is that of the points' own means, sqrt(var_i(mean_j)/n); for given points
this is too large rather than too small. For the difference both are added in squares.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart import _check
from byheart.errors import InputError

Floats = NDArray[np.float64]
LogDensity = Callable[[Floats], Floats]


@dataclass(frozen=True)
class MemorizationDivergence:
    """M of training and of held-out points, and their difference; in nats, with standard errors.

    difference: M(T) - M(H); below 0 the model lies closer to the training points. rows: points of
    each role in use, the same number.
    """

    bandwidth: float
    rows: int
    train: float
    train_error: float
    heldout: float
    heldout_error: float
    difference: float
    difference_error: float


def memorization_divergence(
    train: Any,
    heldout: Any,
    log_density: LogDensity,
    bandwidth: float,
    *,
    draws: int = 16,
    rng: np.random.Generator,
) -> MemorizationDivergence:
    """Return M(T; eps), M(H; eps) and their difference by Monte Carlo.

    train (n, d), heldout (h, d). log_density: maps (m, d) to the model's log density, (m,), in
    nats, such as `IsotropicMixtureDenoiser.log_density`. bandwidth: eps > 0, in the data's units.
    draws: noisy copies of each point. The larger set is cut at random to the size of the smaller.
    Raises InputError for sets that do not match and for log densities that are not finite or not
    of shape (m,), UsageError for other numbers. Source: arXiv 2410.02467v1; derived above.

    >>> rng = np.random.default_rng(0)
    >>> train, heldout = rng.normal(size=(2, 50, 3))
    >>> model = lambda x: -0.5 * (x**2).sum(axis=1) - 1.5 * np.log(2 * np.pi)
    >>> found = memorization_divergence(train, heldout, model, 0.1, rng=rng)
    >>> abs(found.difference) < 4 * found.difference_error
    True
    """
    t = _check.float64_matrix(train, "train")
    h = _check.float64_matrix(heldout, "heldout")
    if t.shape[1] != h.shape[1]:
        raise InputError(
            f"train and heldout must have the same columns, got {t.shape} and {h.shape}"
        )
    eps = _check.positive(bandwidth, "bandwidth")
    draws = _check.integer(draws, "draws", 1)
    rows = min(len(t), len(h))
    t, h = (x if len(x) == rows else x[rng.permutation(len(x))[:rows]] for x in (t, h))
    (m_t, e_t), (m_h, e_h) = (_divergence(x, log_density, eps, draws, rng) for x in (t, h))
    return MemorizationDivergence(eps, rows, m_t, e_t, m_h, e_h, m_t - m_h, math.hypot(e_t, e_h))


def separated_divergence(dimension: int, bandwidth: float, model_bandwidth: float) -> float:
    """Return M for p_theta = q_delta of the same, separated points: (d/2)(r - 1 - log r), nats.

    bandwidth: eps, model_bandwidth: delta. Raises UsageError unless all are above 0.

    >>> separated_divergence(2, 0.1, 0.1)
    0.0
    """
    d = _check.integer(dimension, "dimension", 1)
    eps = _check.positive(bandwidth, "bandwidth")
    delta = _check.positive(model_bandwidth, "model_bandwidth")
    log_r = 2 * math.log(eps / delta)
    return d / 2 * (math.expm1(log_r) - log_r)


def _divergence(
    points: Floats, log_density: LogDensity, eps: float, draws: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Return M and its standard error."""
    total = np.zeros(len(points))
    for _ in range(draws):
        x = points + eps * rng.standard_normal(points.shape)
        model = np.asarray(log_density(x), dtype=np.float64)
        if model.shape != (len(x),) or not np.isfinite(model).all():
            raise InputError(
                f"log_density: expected {len(x)} finite numbers, got shape {model.shape}"
                + ("; give a model whose density is above 0" if model.shape == (len(x),) else "")
            )
        total += _log_kernel_density(x, points, eps) - model
    means = total / draws
    error = float(means.std(ddof=1) / math.sqrt(len(means))) if len(means) > 1 else math.inf
    return float(means.mean()), error


def _log_kernel_density(x: Floats, points: Floats, eps: float) -> Floats:
    """Return log q_eps(x), (m,)."""
    from scipy.spatial.distance import cdist
    from scipy.special import logsumexp

    result = np.empty(len(x))
    step = max(1, 2**20 // len(points))
    for start in range(0, len(x), step):
        squares = cdist(x[start : start + step], points, "sqeuclidean")
        result[start : start + step] = logsumexp(-0.5 * squares / eps**2, axis=1)
    d = points.shape[1]
    result -= math.log(len(points)) + 0.5 * d * math.log(2 * math.pi * eps**2)
    return result
