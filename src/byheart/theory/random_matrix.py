"""Random-matrix averages: Marchenko–Pastur, Wishart, deformed Ginibre, effective noise.

x ~ MP(c) is an eigenvalue of W/N, W a Wishart matrix of N degrees of freedom in d dimensions,
c = d/N (with an atom 1 − 1/c at 0 if c > 1). With the Stieltjes transform at −u,

    s(u) = ∫ dMP / (x + u),       c u s² + (1 − c + u) s = 1,
    ∫ log(x + u) dMP = (1/c) log(1 + c s) − log s + u s − 1,

both in closed form (Tulino and Verdú 2004, section 2.2.2). The Fuglede–Kadison determinant of a
signal plus noise, A = M + √v Z with Z a d × d Ginibre matrix (real or complex, entries of
variance 1/d) and x the squared singular values of M, is

    (1/d) log det AᵀA → ∫ log(x + u) − u/v,   ∫ 1/(x + u) = 1/v;   u = 0 if ∫ 1/x < 1/v

(Haagerup and Schultz 2007). For a Wishart signal, M² = r k W/N with k = N/d > 1 and v = 1 − r, the
equation has the solution u = (1 − r)(1 − r k), and the determinant is (1 − k) log(1 − r) − 1 for
r k < 1, log r + ∫ log(k x) for r k >= 1.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma

from byheart.errors import UsageError
from byheart.theory.edge import GINIBRE_CONSTANT, crossover, crossover_correction

Array = NDArray[np.float64]


def marchenko_pastur_stieltjes(u: ArrayLike, ratio: ArrayLike) -> Array:
    """∫ 1/(x + u) over MP(ratio); inf at u = 0 for ratio >= 1.

    u: >= 0 and ratio: d/N > 0 broadcast.

    >>> float(marchenko_pastur_stieltjes(0.0, 0.5))
    2.0
    """
    u, c = np.asarray(u, dtype=np.float64), np.asarray(ratio, dtype=np.float64)
    b = 1 - c + u
    root = np.sqrt(b * b + 4 * c * u)
    # the root without cancellation on either side of b = 0
    below = np.where(b > 0, b + root, 1.0)
    above = np.where((b <= 0) & (u > 0), 2 * c * u, np.inf)
    value = np.where(b > 0, 2 / below, (root - b) / above)
    return np.asarray(np.where((b <= 0) & (u <= 0), np.inf, value))


def marchenko_pastur_log(u: ArrayLike, ratio: ArrayLike) -> Array:
    """∫ log(x + u) over MP(ratio); -inf at u = 0 for ratio > 1.

    >>> round(float(marchenko_pastur_log(0.0, 1.0)), 12)
    -1.0
    """
    u, c = np.broadcast_arrays(np.asarray(u, np.float64), np.asarray(ratio, np.float64))
    s = marchenko_pastur_stieltjes(u, c)
    finite = np.where(np.isfinite(s), s, 1.0)
    value = np.log1p(c * finite) / c - np.log(finite) + u * finite - 1
    edge = np.where(c > 1, -np.inf, -1.0)  # u = 0: the limit s → ∞ at c = 1
    return np.asarray(np.where(np.isfinite(s), value, edge))


def marchenko_pastur_nodes(ratio: float, count: int = 400) -> tuple[Array, Array]:
    """Nodes x and weights of ∫ f dMP(ratio), ratio in (0, 1]; weights sum to 1 and Σ w x = 1.

    Chebyshev nodes of the second kind: exact up to rounding for analytic f when `count` is large
    against 1/(1 − √ratio).

    >>> x, w = marchenko_pastur_nodes(0.5)
    >>> [round(float(v), 10) for v in (w.sum(), w @ x, w @ (1 / x))]
    [1.0, 1.0, 2.0]
    """
    if not 0 < ratio <= 1:
        raise UsageError(f"ratio must lie in (0, 1], got {ratio}")
    angle = np.arange(1, count + 1) * (math.pi / (count + 1))
    x = 1 + ratio + 2 * math.sqrt(ratio) * np.cos(angle)
    weights = 2 / (count + 1) * np.sin(angle) ** 2 / x
    return x, weights / weights.sum()


def wishart_log_determinant(dimension: ArrayLike, degrees: ArrayLike) -> Array:
    """E log det W = Σ_{i<d} [ψ((N − i)/2) + log 2], W ~ Wishart_d(N, I); -inf for N < d.

    Exact (Muirhead 1982, section 3.2). Closed form in d, by Σ_j ψ(a + j) = F(a + m) − F(a) with
    F(y) = (y − 1) ψ(y) − y, so d = 10⁶ costs as much as d = 1.

    >>> round(float(wishart_log_determinant(1, 2)), 6) == round(float(digamma(1.0)) + math.log(2), 6)
    True
    """
    d, n = np.broadcast_arrays(np.asarray(dimension, np.int64), np.asarray(degrees, np.int64))
    regular = n >= d
    n = np.where(regular, n, d)
    # i even: arguments n/2, n/2 - 1, ...; i odd: (n - 1)/2, ...
    even, odd = (d + 1) // 2, d // 2
    total = _digamma_sum(n / 2 - even + 1, even) + _digamma_sum((n + 1) / 2 - odd, odd)
    return np.asarray(np.where(regular, total + d * math.log(2), -np.inf))


def _digamma_sum(start: Array, count: Array) -> Array:
    """Σ_{j<count} ψ(start + j)."""
    stop = start + count
    safe = np.where(count > 0, start, 1.0)
    stop = np.where(count > 0, stop, 1.0)
    total = (stop - 1) * digamma(stop) - stop - (safe - 1) * digamma(safe) + safe
    return np.asarray(total)


def fuglede_kadison(squared: ArrayLike, weights: ArrayLike, variance: float) -> float:
    """(1/d) log det of a signal plus a Ginibre matrix, to leading order; see the module.

    squared: (k,) squared singular values of the signal; weights: (k,), summing to 1; variance: v.

    >>> round(fuglede_kadison([0.0], [1.0], 1.0), 12)  # no signal: d!/d^d
    -1.0
    """
    from scipy.optimize import brentq

    x, w = np.asarray(squared, np.float64), np.asarray(weights, np.float64)
    if x.shape != w.shape or not variance > 0 or np.any(x < 0):
        raise UsageError("squared and weights must agree in shape, x >= 0 and variance > 0")
    if np.all(x > 0) and float(w @ (1 / x)) <= 1 / variance:
        return float(w @ np.log(x))
    # ∫ 1/(x + u) <= 1/u, so u <= variance
    u = brentq(lambda v: float(w @ (variance / (x + v))) - 1, 1e-300, variance * (1 + 1e-12))
    return float(w @ np.log(x + u)) - u / variance


def regression_log_determinant(
    dimension: int, degrees: ArrayLike, correlation: float, noise_share: float | None = None
) -> Array:
    """E log det BᵀB of the least-squares matrix B = (YᵀY)⁻¹ YᵀX (see exact_log_determinant).

    dimension: d; degrees: N, any shape, integers; correlation: r in (0, 1); noise_share: 1 − r, to
    be given where r is so close to 1 that the subtraction would lose digits. -inf for N < d.

    With k = N/d, l = log[r (k − 1)/(1 − r)], D = d (1 − 1/k), η = √D l and w = E log det W,

        η < 0:   −(N − d) log(1 − r) + w(d, d) − w(d, N) + R(η) + [F(η) + G(η)/k]/√D
        η >= 0:  d log r − ½ log D + φ(η) + log((1 − e^-l)/l) + [F(η) + G(η)/k]/√D + O(1/D)

    Below η = −5 this is the exact series up to a remainder that vanishes with all its orders. The
    O(1/D) terms used for η >= 0 are those of large η, −1/(D (e^l − 1)²) and the −1 of
    E tr W⁻¹ = d/(N − d − 1), and one that makes the two lines meet at η = 0.
    Error against the exact series: below 1e-3 for d >= 100, see docs/explanation/solvable-model.md.
    """
    d = int(dimension)
    n = np.asarray(degrees, dtype=np.int64)
    q = 1 - correlation if noise_share is None else noise_share
    regular = n > d
    n_safe = np.where(regular, n, d + 1)
    k = n_safe / d
    effective = (n_safe - d) * (d / n_safe)
    log_odds = math.log(correlation) + np.log((n_safe - d) / d) - math.log(q)
    eta = np.sqrt(effective) * log_odds
    gap = wishart_log_determinant(d, d) - wishart_log_determinant(d, n_safe)
    order = crossover_correction(eta, 1 / k) / np.sqrt(effective)
    inside = np.minimum(eta, 0.0)
    below = -(n_safe - d) * math.log(q) + gap + crossover(inside) - GINIBRE_CONSTANT + order
    outside = np.maximum(log_odds, 0.0)
    above = (
        d * math.log(correlation)
        - 0.5 * np.log(effective)
        + crossover(np.maximum(eta, 0.0))
        + _log_ratio(outside)
        + order
        + _far_terms(outside, effective, n_safe - d)
        + _jump(d, n_safe, gap, effective) * np.exp(-np.maximum(eta, 0.0))
    )
    value = np.where(eta < 0, below, above)
    edge = np.where(n == d, 0.0, -np.inf)  # N = d: YᵀX and YᵀY have the same determinant law
    return np.asarray(np.where(regular, value, edge))


def _log_ratio(gap: Array) -> Array:
    """log((1 − e^-l)/l), 0 at l = 0."""
    safe = np.where(gap > 0, gap, 1.0)
    return np.asarray(np.where(gap > 0, np.log(-np.expm1(-safe) / safe), 0.0))


def _far_terms(gap: Array, effective: Array, excess: Array) -> Array:
    """The O(1/D) terms beyond what φ, F and G contain, regular at l = 0."""
    small = gap < 1e-3  # series there: the differences of poles lose all digits
    safe = np.where(small, 1.0, gap)
    pole = 1 / np.expm1(np.minimum(safe, 700.0))
    square = np.where(small, -5 / 12 + gap / 12, -(pole**2) + safe**-2 - 1 / safe)
    single = np.where(small, 0.5 - gap / 12, 1 / safe - pole)
    return np.asarray(square / effective + single / np.maximum(excess - 1, 1))


def _jump(d: int, n: Array, gap: Array, effective: Array) -> Array:
    """Second line minus first at η = 0 (r = d/N), without this term, with the sign that closes it."""
    first = -(n - d) * np.log1p(-d / n) + gap - GINIBRE_CONSTANT
    second = d * np.log(d / n) - 0.5 * np.log(effective)
    return np.asarray(first - second - _far_terms(np.zeros(()), effective, n - d))


def effective_noise(eigenvalues: ArrayLike, floor: ArrayLike, degrees: ArrayLike) -> Array:
    """kappa, the root of kappa = c + (kappa/N) Σ lam_i/(lam_i + kappa).

    eigenvalues: (d,), of the population covariance, >= 0; floor: c > 0 and degrees: N > 0
    broadcast. The sample covariance plus c I acts on average as (kappa = c at N = ∞) a ridge of
    strength kappa on the population covariance (theory: Silverstein 1995).

    >>> round(float(effective_noise([1.0], 0.01, 10**9)), 6)
    0.01
    """
    lam = np.asarray(eigenvalues, dtype=np.float64)
    c, n = np.broadcast_arrays(np.asarray(floor, np.float64), np.asarray(degrees, np.float64))
    if lam.ndim != 1 or np.any(lam < 0) or np.any(c <= 0) or np.any(n <= 0):
        raise UsageError("eigenvalues must be a vector >= 0, floor > 0 and degrees > 0")
    # f(kappa) = kappa (1 − df/N) − c increases through its only root; bracket in [c, c + tr/N]
    low, high = np.log(c), np.log(c + lam.sum() / n)
    for _ in range(70):
        middle = (low + high) / 2
        kappa = np.exp(middle)
        freedom = np.sum(lam / (lam + kappa[..., None]), axis=-1)
        positive = kappa * (1 - freedom / n) > c
        low, high = np.where(positive, low, middle), np.where(positive, middle, high)
    return np.asarray(np.exp((low + high) / 2))
