"""Gaussian-kernel densities of sets of samples, and the relative distance between such sets.

rho_A,eps = (1/N) Σ_i N(·; a_i, eps² I_d). Everything is kept in logs: in d dimensions densities are
of order e^-d.

Quality, KL form: KL(rho ‖ rho_G,eps) = −h(rho) − E log rho_G,eps(x). The entropy h(rho) of the data
is unknown but common to all models, so the mean log loss of held-out points,
−mean_h log rho_G,eps(h), ranks models and falls as they get better. Of m real points in place of
the samples it is what a perfect model would have; `leave_one_out` finds the eps at which that is
least, and the excess over it is a quality in nats with 0 for a perfect model.

Relative distance, L2 form, of samples whose law is not known in closed form (arXiv 2411.17807):

    Delta = [pair(T) − 2 cross(T)] − [pair(O) − 2 cross(O)]
    cross(A) = (1/(N m)) Σ_ij N(a_i − g_j; 0, (eps_A² + eps_G²) I)

with pair and eps(N) as in `byheart.distances.relative`; the diagonal of pair cancels on paper.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from byheart import _check
from byheart.distances.relative import RelativeDistance, bandwidth, combine
from byheart.errors import InputError
from byheart.theory.gaussians import log_kernel_pairs

Array = NDArray[np.float64]

_BLOCK_ENTRIES = 2**21


def log_kernel_density(samples: ArrayLike, points: ArrayLike, bandwidth: float) -> Array:
    """Return log rho_A,eps at `points`, (m,), of the kernel density of `samples`.

    samples: (n, d); points: (m, d); bandwidth: eps > 0 in their units. Time O(n m d), memory
    32 MiB. Source: derived above.

    >>> log_kernel_density([[0.0]], [[0.0]], 1.0).round(4).tolist()
    [-0.9189]
    """
    from scipy.special import logsumexp

    a = _check.matrix(samples, "samples").astype(np.float64, copy=False)
    x = _check.matrix(points, "points").astype(np.float64, copy=False)
    if a.shape[1] != x.shape[1]:
        raise InputError(f"samples and points must have the same columns: {a.shape}, {x.shape}")
    eps = _check.positive(bandwidth, "bandwidth")
    centre = a.mean(axis=0)  # centred before squaring
    a, x = (a - centre) / eps, (x - centre) / eps
    half_a, half_x = (0.5 * np.einsum("ij,ij->i", v, v) for v in (a, x))
    logs = np.empty(len(x))
    rows = max(1, _BLOCK_ENTRIES // len(a))
    for start in range(0, len(x), rows):
        block = slice(start, start + rows)
        exponents = x[block] @ a.T - half_a - half_x[block, None]
        logs[block] = logsumexp(np.minimum(exponents, 0.0), axis=1)
    constant = math.log(len(a)) + a.shape[1] / 2 * math.log(2 * math.pi * eps**2)
    logs -= constant
    return logs


def leave_one_out(points: ArrayLike) -> tuple[float, float]:
    """Return the bandwidth eps at which points predict each other best, and their log loss there.

    points: (m + 1, d), m ≥ 2. The loss is −(1/(m+1)) Σ_i log[(1/m) Σ_{j≠i} N(x_i; x_j, eps² I)],
    nats. eps is sought from a twentieth of the median distance between nearest points up to twice
    that or the data's deviation, whichever is larger, in steps of at most 8%. Time O(m² d), memory
    some m² numbers. Raises InputError when the median is 0, as with duplicated rows.

    >>> eps, loss = leave_one_out(np.random.default_rng(0).normal(size=(401, 1)))
    >>> 0.2 < eps < 0.6 and 1.41 < loss < 1.5  # the entropy of N(0, 1) is 1.419
    True
    """
    from scipy.spatial.distance import pdist, squareform
    from scipy.special import logsumexp

    x = _check.matrix(points, "points").astype(np.float64, copy=False)
    m, d = len(x) - 1, x.shape[1]
    if m < 2:
        raise InputError(f"points: at least 3 are needed, got {len(x)}")
    squared = squareform(pdist(x, "sqeuclidean"))
    np.fill_diagonal(squared, np.inf)
    typical = math.sqrt(float(np.median(squared.min(axis=1))))
    if typical == 0:
        raise InputError(
            "points: half of them have an equal twin, and no bandwidth fits; leave twins out"
        )
    losses = {}
    low, high = typical / 20, max(2 * typical, math.sqrt(float(x.var(axis=0).mean())))
    for eps in np.geomspace(low, high, 1 + math.ceil(math.log(high / low) / 0.077)):
        logs = logsumexp(squared / (-2 * eps**2), axis=1)
        losses[float(eps)] = math.log(m) + d / 2 * math.log(2 * math.pi * eps**2) - logs.mean()
    best = min(losses, key=losses.__getitem__)
    return best, float(losses[best])


def relative_sample_distance(
    train: ArrayLike, fresh: ArrayLike, generated: ArrayLike, *, sigma: float = 1.0
) -> RelativeDistance:
    """Return Delta in the L2 form of three sets of samples, each smoothed with its own eps(N).

    train: (n, d), fresh: (N_O, d), never trained on, generated: (m, d); n ≥ 2. sigma: h of
    eps(N) = h N^(-1/d), one for all. Raises InputError for sets that do not match. Source: arXiv
    2411.17807; derived above.

    >>> rng = np.random.default_rng(0)
    >>> train, fresh = rng.normal(size=(20, 3)), rng.normal(size=(2000, 3))
    >>> relative_sample_distance(train, fresh, train + 1e-3).sign
    -1
    """
    t, o, g = (
        _check.matrix(values, role).astype(np.float64, copy=False)
        for values, role in ((train, "train"), (fresh, "fresh"), (generated, "generated"))
    )
    d = t.shape[1]
    if not d == o.shape[1] == g.shape[1]:
        raise InputError(
            "train, fresh and generated must have the same columns: "
            f"{t.shape}, {o.shape}, {g.shape}"
        )
    variance_g = bandwidth(len(g), d, sigma) ** 2
    terms = []
    for x in (t, o):
        variance = bandwidth(len(x), d, sigma) ** 2
        terms.append(math.log1p(-1 / len(x)) + log_kernel_pairs(x, 2 * variance))
        terms.append(log_kernel_pairs(x, variance + variance_g, g))
    return combine(*terms)
