"""Random matrices behind the solvable model: Marchenko–Pastur, Wishart, deformed Ginibre.

With W ~ Wishart_d(N, I), the eigenvalues x of W/N follow for d, N → ∞ at c = d/N < 1 the
Marchenko–Pastur law on [(1−√c)², (1+√c)²], and k = 1/c. Closed forms used here:

    ∫ log x dMP = (1 − 1/c) log(1−c) − 1
    w(d, N) = E log det W = Σ_{i<d} [ψ((N−i)/2) + log 2]             exact
    g(d)    = w(d, d) − (d log d − d)                                 exact, ≈ −½ log d − 0.1352

The deformed Ginibre matrix A = √r W^½ + √(1−r) Z, Z real with independent normal entries, has at
leading order the Fuglede–Kadison determinant of a positive plus a circular operator (Haagerup and
Schultz 2007): E log det AᵀA ≈ d [∫ log(r k x + u) dMP − u/(1−r) + log d], where u solves
∫ dMP/(r k x + u) = 1/(1−r), or is 0 beyond k r = 1. Since c z M² + (z+1−c) M = 1 for
M(z) = ∫ dMP/(x+z), both are closed forms: u = (1−r)(1−r k), and the bracket is
(1−k) log(1−r) − 1 + log d.

More is exact. With B = (YᵀY)⁻¹ YᵀX the least-squares matrix (`exact_log_determinant`), whose
log det BᵀB has the law of log det AᵀA − log det W,

    E log det BᵀB = w(d, d) − w(d, N) − (N−d) log(1−r) − (terms of order r^(d+1) and beyond),

the terms in closed form. They vanish as d → ∞ while k r < 1, so that the O(1) part there is g(d),
and make the transition at k r = 1, through the functions of `edge`. Proofs and what is numerical:
docs/explanation/solvable-model.md.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma, xlog1py

from byheart.lab.theory.edge import GINIBRE_CONSTANT, crossover, crossover_correction

Array = NDArray[np.float64]


def log_moment(c: ArrayLike) -> Array:
    """Return ∫ log x dMP for ratio 0 < c ≤ 1, the shape of `c`.

    >>> round(float(log_moment(0.5)), 4)
    -0.3069
    """
    c = np.asarray(c, dtype=np.float64)
    return np.asarray(xlog1py(1 - 1 / c, -c) - 1)


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

    >>> round(float(deformed_ginibre_log_determinant(1, 2.0, 0.25)), 4)  # −log(3/4) − 1
    -0.7123
    """
    k = np.asarray(k, dtype=np.float64)
    inside = (1 - k) * math.log1p(-r) - 1
    outside = np.log(r * k) + log_moment(1 / k)
    return np.asarray(dimension * (np.where(k * r < 1, inside, outside) + np.log(dimension)))


def regression_log_determinant(
    dimension: int, samples: ArrayLike, r: float, noise_share: float
) -> Array:
    """Return E log det BᵀB of the least-squares matrix; −inf for N < d; the shape of `samples`.

    dimension: d; samples: N; r in (0, 1) and noise_share = 1 − r, which the caller has without
    the cancellation near r = 1. With k = N/d, ell = log[r (k−1)/(1−r)], D = d (1−1/k),
    eta = √D ell and R, phi, F, G of `edge`:

        eta < 0:  w(d, d) − w(d, N) − (N−d) log(1−r) + R(eta) + [F(eta) + G(eta)/k]/√D
        eta ≥ 0:  d log r − ½ log D + phi(eta) + log((1−e^(−ell))/ell) + [F(eta) + G(eta)/k]/√D
                  + terms of order 1/D: −1/(D (e^ell − 1)²) and the −1 of E tr W⁻¹ = d/(N−d−1) as
                  they are at large eta, and one that lets the lines meet at eta = 0

    Largest error against `exact_log_determinant` for n ≥ 1.25 d, r = .05 … .95: .034 at d = 4, .017
    at d = 8, .013 at d = 16, .007 at d = 32, .005 at d = 64 and 100 (at d = 100 .0001 for r k < .9
    and .0015 for r k > 1.1). No simulation in it (python -m benchmarks.theory_accuracy).

    >>> round(float(regression_log_determinant(100, 298, 0.25, 0.75)), 2)
    -135.41
    """
    d = dimension
    n = np.asarray(samples, dtype=np.float64)
    regular = n > d
    n_safe = np.where(regular, n, d + 1.0)
    excess = n_safe - d
    width = excess * (d / n_safe)
    ell = math.log(r) + np.log(excess / d) - math.log(noise_share)
    eta = np.sqrt(width) * ell
    gap = wishart_log_determinant(d, np.asarray(d)) - wishart_log_determinant(d, n_safe)
    order = crossover_correction(eta, d / n_safe) / np.sqrt(width)
    before = -excess * math.log(noise_share) + gap
    before = before + crossover(np.minimum(eta, 0.0)) - GINIBRE_CONSTANT + order
    beyond, eta_beyond = np.maximum(ell, 0.0), np.maximum(eta, 0.0)
    # The two lines at eta = 0, where r = d/N: what the second lacks there.
    jump = (
        (-excess * np.log1p(-d / n_safe) + gap - GINIBRE_CONSTANT)
        - (d * np.log(d / n_safe) - np.log(width) / 2)
        - _small_terms(np.zeros_like(ell), width, excess)
    )
    after = (
        d * math.log(r)
        - np.log(width) / 2
        + crossover(eta_beyond)
        + _log_share(beyond)
        + order
        + _small_terms(beyond, width, excess)
        + jump * np.exp(-eta_beyond)
    )
    value = np.where(eta < 0, before, after)
    square = np.where(n == d, 0.0, -np.inf)  # N = d: YᵀX and YᵀY have one law of the determinant
    return np.asarray(np.where(regular, value, square))


def _log_share(ell: Array) -> Array:
    """Return log((1−e^(−ell))/ell), 0 at ell = 0."""
    safe = np.where(ell > 0, ell, 1.0)
    return np.asarray(np.where(ell > 0, np.log(-np.expm1(-safe) / safe), 0.0))


def _small_terms(ell: Array, width: Array, excess: Array) -> Array:
    """Return the terms of order 1/D without their poles at ell = 0, which phi, F and G contain."""
    near = ell < 1e-3  # a series there: the poles cancel
    safe = np.where(near, 1.0, np.minimum(ell, 700.0))
    pole = 1 / np.expm1(safe)
    double = np.where(near, -5 / 12 + ell / 12, -(pole**2) + safe**-2 - 1 / safe)
    single = np.where(near, 0.5 - ell / 12, 1 / safe - pole)
    return np.asarray(double / width + single / excess)


def _x_digamma(x: Array) -> Array:
    """Return x ψ(x), which is −1 at x = 0."""
    safe = np.where(x == 0, 1.0, x)
    return np.asarray(np.where(x == 0, -1.0, safe * digamma(safe)))
