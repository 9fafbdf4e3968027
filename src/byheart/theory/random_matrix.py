"""Random matrices behind the solvable model: Marchenko–Pastur, Wishart, deformed Ginibre.

With W ~ Wishart_d(N, I), the eigenvalues x of W/N follow for d, N → ∞ at c = d/N < 1 the
Marchenko–Pastur law on [(1−√c)², (1+√c)²]. Closed forms used here:

    ∫ log x dMP = (1 − 1/c) log(1−c) − 1
    ∫ log(1+γx) dMP = log(1+γ−F/4) + (1/c) log(1+γc−F/4) − F/(4cγ),   (Tulino and Verdú 2004)
        F = (√(γ(1+√c)²+1) − √(γ(1−√c)²+1))² = 2γ(1+c) + 2 − 2 √(γ²(1−c)² + 2γ(1+c) + 1)

    w(d, N) = E log det W = Σ_{i<d} [ψ((N−i)/2) + log 2]             exact
    g(d)    = w(d, d) − (d log d − d)                                 exact, ≈ −½ log d − 0.1352

The deformed Ginibre matrix A = √r W^½ + √(1−r) Z, Z real with independent normal entries, has at
leading order the Fuglede–Kadison determinant of a positive plus a circular operator: with u > 0
solving ∫ dMP/(r k x + u) = 1/(1−r), k = 1/c,

    E log det AᵀA ≈ d [∫ log(r k x + u) dMP − u/(1−r) + log d] + g(d)   for 1 < k < 1/r,
    E log det AᵀA ≈ d [log r + ∫ log(k x) dMP + log d] + …              for k > 1/r, where u = 0.

The Marchenko–Pastur resolvent M(z) = ∫ dMP/(x+z) solves c z M² + (z+1−c) M = 1, which is linear in
z; with M = r k/(1−r) it gives u = r k z in closed form, positive exactly for k r < 1.

Between the two regimes the edge of A's spectrum passes the origin. There the O(1) part follows one
function of eta, `edge_crossover`, tabulated from simulation. That the O(1) part is g(d) for all
1 < k < 1/r, and that the crossover depends on eta alone, are observations, not theorems.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma, xlog1py

Array = NDArray[np.float64]

# phi(eta), each from simulations at d = 60 and 200; standard error about 0.007.
_EDGE = (
    (-4.0, -0.135),
    (-2.0, -0.140),
    (-1.0, -0.151),
    (-0.5, -0.172),
    (0.0, -0.233),
    (0.5, -0.198),
    (1.0, -0.023),
    (1.5, 0.233),
    (2.0, 0.514),
    (3.0, 1.007),
    (4.0, 1.350),
    (6.0, 1.783),
)
# phi(−∞): the constant of g(d) = −½ log d + GINIBRE_CONSTANT + o(1).
GINIBRE_CONSTANT = -0.1352


def log_moment(c: ArrayLike) -> Array:
    """Return ∫ log x dMP for ratio 0 < c ≤ 1, the shape of `c`.

    >>> round(float(log_moment(0.5)), 4)
    -0.3069
    """
    c = np.asarray(c, dtype=np.float64)
    return np.asarray(xlog1py(1 - 1 / c, -c) - 1)


def shannon_transform(gamma: ArrayLike, c: ArrayLike) -> Array:
    """Return ∫ log(1 + gamma x) dMP for gamma > 0 and ratio 0 < c < 1, broadcast.

    >>> round(float(shannon_transform(1e-4, 0.5)) * 1e4, 3)  # small gamma: gamma times the mean, 1
    1.0
    """
    g, c = np.asarray(gamma, dtype=np.float64), np.asarray(c, dtype=np.float64)
    apart = g * (1 - c)
    product = np.sqrt(apart**2 + 2 * g * (1 + c) + 1)  # of the two roots in F
    # Both logarithms' arguments without the cancellation of gamma c against F/4 at large gamma.
    first = (1 + apart + product) / 2
    second = (1 + (2 * g * (1 + c) + 1) / (product + apart)) / 2
    f = 2 * g * (1 + c) + 2 - 2 * product
    return np.asarray(np.log(first) + np.log(second) / c - f / (4 * c * g))


def wishart_log_determinant(dimension: int, samples: ArrayLike) -> Array:
    """Return w(d, N) = E log det W, W ~ Wishart_d(N, I), exactly; the shape of `samples`.

    −inf for N < d. The sum of digammas telescopes, so that d = 10⁶ costs nothing:
    Σ_{j=1..m} ψ(x+j) = (x+m) ψ(x+m) − x ψ(x) − m.

    >>> round(float(wishart_log_determinant(1, 2)), 4)  # E log of a chi² with two degrees
    0.1159
    """
    n = np.asarray(samples, dtype=np.float64)
    regular = np.where(n >= dimension, n, dimension + 1.0)
    total = dimension * np.log(2.0)
    for start, terms in ((regular / 2, (dimension + 1) // 2), ((regular - 1) / 2, dimension // 2)):
        if terms:
            below = start - terms
            total = total + start * digamma(start) - _x_digamma(below) - terms
    return np.asarray(np.where(n >= dimension, total, -np.inf))


def ginibre_correction(dimension: int) -> float:
    """Return g(d) = w(d, d) − (d log d − d), about −½ log d − 0.1352.

    >>> round(ginibre_correction(10_000) + 0.5 * math.log(10_000), 4)
    -0.1352
    """
    square = float(wishart_log_determinant(dimension, dimension))
    return square - dimension * (math.log(dimension) - 1)


def deformed_ginibre_log_determinant(dimension: int, k: ArrayLike, r: float) -> Array:
    """Return the leading order of E log det AᵀA, without g(d), for k > 1 and 0 < r < 1.

    A = √r W^½ + √(1−r) Z with N = k d. Derived above (Fuglede–Kadison determinant).
    """
    k = np.asarray(k, dtype=np.float64)
    c = 1 / k
    m = r * k / (1 - r)
    z = (1 - (1 - c) * m) / (m * (c * m + 1))
    u = np.where(z > 0, r * k * z, 1.0)
    inside = np.log(u) + shannon_transform(r * k / u, c) - u / (1 - r)
    outside = np.log(r * k) + log_moment(c)
    return np.asarray(dimension * (np.where(z > 0, inside, outside) + np.log(dimension)))


def edge_crossover(eta: ArrayLike) -> Array:
    """Return phi(eta), the O(1) part of the log determinant where the edge passes the origin.

    Tends to −0.1352 for eta → −∞ and to log eta for eta → ∞; between, a monotone interpolation of
    simulated values with a standard error of 0.007: an observation, not a derivation.

    >>> [round(float(v), 3) for v in edge_crossover([-50, 0, 100])]
    [-0.135, -0.233, 4.605]
    """
    from scipy.interpolate import PchipInterpolator

    eta = np.maximum(np.asarray(eta, dtype=np.float64), _EDGE[0][0])
    nodes, values = np.array(_EDGE).T
    inner = PchipInterpolator(nodes, values)(np.minimum(eta, nodes[-1]))
    last = nodes[-1]
    beyond = np.maximum(eta, last)
    tail = np.log(beyond) + (values[-1] - np.log(last)) * (last / beyond) ** 4
    return np.asarray(np.where(eta > last, tail, inner))


def _x_digamma(x: Array) -> Array:
    """Return x ψ(x), which is −1 at x = 0."""
    safe = np.where(x == 0, 1.0, x)
    return np.asarray(np.where(x == 0, -1.0, safe * digamma(safe)))
