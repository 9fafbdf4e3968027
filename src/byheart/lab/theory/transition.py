"""Where the solvable model stops memorizing: a prediction of P(Delta > 0) and of n_mem.

The linear one-step model generates N(m_G, S), in units sigma = 1 (`solvable_model`). Let x follow
the Marchenko–Pastur law of ratio 1/k, k = N/d, N = n − 1. A self-consistent calculation of the
resolvent of S at e = eps² gives two numbers t, v from the fixed point

    D = (1−r)/(k x),   A = e(1+v) + r/(1+D t),   B = e(1+D t) + r/(1+v),
    t = ∫ 1/A dMP,     v = ∫ D/B dMP,

and from them, per dimension,

    (1/d) tr (S+e)⁻¹             = t
    l(e) = (1/d) E log det(S+e)  = ∫ [log A + log(1+D t)] dMP − e t v
    q(e) = E u_i/d               = (1−1/n) [∫ x(1−e/B) dMP + (1−r)(1−1/k) t] + (1−r)(1−e t)/n

with u_i = (x_i − m_G)ᵀ(S+e)⁻¹(x_i − m_G) over the *training* points: the fit has learned from those
very points, so q lies below its value over fresh ones. The u_i spread like q rho chi²_{d/rho},
rho = 1 − (4 q0 − 2 q0²) r(1−r)/(k+1), q0 = 1/(r + e). Then with e_T = eps(n)², e' = 1 + eps(N_O)²,
t' = t(e'):

    log cross(T) = −(d/2) log 2π − (d/2) l(e_T) + log (1/n) Σ exp(−u_i/2)     (random: n gammas)
    log cross(O) = −(d/2) log 2π − (d/2) l(e') − ½ (d/n) [t' + (1−r)(1−e' t')]
    log pair(T)  = log(1−1/n) − (d/2) log 4π(1+e_T),   pair(O) likewise with e' and N_O.

As d → ∞, log n ≪ d: the sum of n terms no longer helps, eps_T and eps_O tend to 1, and the balance
q(k; 1) = l(2) − l(1) gives n_mem/d → k*(r), a constant: the two scales of arXiv 2411.17807 align,
n_mem/n_gen → k*(r), 1.2 to 1.6 for r = .2 to .7 (n_gen = d + 3 needs r > .187). On the way n_mem/d
rises to about 3.6 near d = 150 (r = .505), because n^(-2/d) lowers e_T and the largest of n terms
counts, and falls again.

The fixed point is a large-d calculation, not a proof at finite d; its error is measured against
simulation by python -m benchmarks.transition_table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from byheart import _check
from byheart.errors import UsageError

Array = NDArray[np.float64]
NODES = 600  # of the quadrature; with 1,200 no figure below changes in its sixth digit
DRAWS = 400  # training sets drawn for one probability


@dataclass(frozen=True)
class Resolvent:
    """The fixed point at one e: `trace` is t, `log_determinant` l(e), both per dimension."""

    e: float
    trace: float
    log_determinant: float
    mahalanobis: float  # q(e) without its terms in 1/n


@lru_cache(maxsize=256)
def _marchenko_pastur(k: float) -> tuple[Array, Array]:
    """Nodes and weights of the Marchenko–Pastur law of ratio 1/k, k > 1 (Gauss–Chebyshev)."""
    angles = np.pi * np.arange(1, NODES + 1) / (NODES + 1)
    half = 2 / math.sqrt(k)
    x = 1 + 1 / k + half * np.cos(angles)
    # density √((b−x)(x−a))/(2π x/k); with x − mid = half cos θ: half² sin² θ k/(2π x) dθ
    weights = half**2 * np.sin(angles) ** 2 * k / (2 * np.pi * x) * (np.pi / (NODES + 1))
    return x, weights / weights.sum()


@lru_cache(maxsize=4096)
def resolvent(e: float, k: float, r: float) -> Resolvent:
    """Solve the fixed point at e > 0 for k = N/d > 1 and squared correlation 0 < r < 1.

    Raises UsageError outside these ranges. Derived above.

    >>> round(resolvent(1.0, 1e6, 0.5).trace, 4)  # many samples: S is r times the identity
    0.6667
    """
    if not (e > 0 and k > 1 and 0 < r < 1):
        raise UsageError(f"e = {e}, k = {k}, r = {r}: need e > 0, k > 1 (n > d + 1) and 0 < r < 1")
    x, weight = _marchenko_pastur(k)
    noise = (1 - r) / (k * x)  # D
    t, v = 1 / (r + e), float(weight @ noise) / (r + e)
    for _ in range(5000):
        inner = 1 + noise * t
        new_t = float(weight @ (1 / (e * (1 + v) + r / inner)))
        new_v = float(weight @ (noise / (e * inner + r / (1 + v))))
        change = abs(new_t - t) / t + abs(new_v - v) / (1 + v)
        t, v = (t + new_t) / 2, (v + new_v) / 2
        if change < 1e-13:
            break
    inner = 1 + noise * t
    outer = e * (1 + v) + r / inner
    other = e * inner + r / (1 + v)
    return Resolvent(
        e=e,
        trace=t,
        log_determinant=float(weight @ (np.log(outer) + np.log(inner))) - e * t * v,
        mahalanobis=float(weight @ (x * (1 - e / other))) + (1 - r) * (1 - 1 / k) * t,
    )


@dataclass(frozen=True)
class Transition:
    """The paper's experiment for the linear one-step model with sigma = 1 and exact fresh set.

    dimension: d; correlation: r, the squared correlation of a coordinate with its noisy version
    (`LinearOneStep.correlation`); fresh_rows: N_O.
    """

    dimension: int
    correlation: float
    fresh_rows: int = 10_000

    def __post_init__(self) -> None:
        _check.integer(self.dimension, "dimension", 1)
        _check.fraction(self.correlation, "correlation")
        _check.integer(self.fresh_rows, "fresh_rows", 3)

    def probability(self, n: int, draws: int = DRAWS, seed: int = 0) -> float:
        """Return the predicted P(Delta > 0) over training sets of n points, d + 1 < n < N_O.

        The same seed gives common random numbers for all n. Standard error: at most
        1/(2 √draws), beside the error of the theory (see the module).

        >>> Transition(100, 0.505).probability(1000) > 0.8
        True
        """
        n = _check.integer(n, "n", self.dimension + 2, self.fresh_rows - 1)
        return float(np.mean(self._margin(n, draws, seed) > 0))

    def memorization_scale(self, threshold: float = 0.5, seed: int = 0) -> float:
        """Return n_mem: the n at which the predicted P(Delta > 0) crosses `threshold`.

        Returns inf when it does not do so below N_O. Search by doubling and bisection, to 0.5%
        of n.

        >>> 300 < Transition(100, 0.505).memorization_scale() < 340
        True
        """
        threshold = _check.fraction(threshold, "threshold")

        def crossed(n: int) -> bool:
            return self.probability(n, seed=seed) >= threshold

        low, high = self.dimension + 2, 2 * self.dimension + 4
        while high < self.fresh_rows and not crossed(high):
            low, high = high, 2 * high
        if high >= self.fresh_rows:
            if not crossed(self.fresh_rows - 1):
                return math.inf
            high = self.fresh_rows - 1
        while high - low > max(1, 0.005 * low):
            middle = (low + high) // 2
            low, high = (low, middle) if crossed(middle) else (middle, high)
        return (low + high) / 2

    def _margin(self, n: int, draws: int, seed: int) -> Array:
        """Return log of the terms that are for Delta > 0 less log of those against, (draws,)."""
        d, r, fresh = self.dimension, self.correlation, self.fresh_rows
        k = (n - 1) / d
        e_train, e_fresh = n ** (-2 / d), 1 + fresh ** (-2 / d)
        train, outside = resolvent(e_train, k, r), resolvent(e_fresh, k, r)
        q = (1 - 1 / n) * train.mahalanobis + (1 - r) * (1 - e_train * train.trace) / n
        q0 = 1 / (r + e_train)
        rho = 1 - (4 * q0 - 2 * q0**2) * r * (1 - r) / (k + 1)
        rng = np.random.default_rng(seed)
        log_sums = np.empty(draws)
        for i in range(draws):
            u = 2 * q * rho * rng.standard_gamma(d / (2 * rho), size=n)  # chi² is twice a gamma
            log_sums[i] = np.logaddexp.reduce(-u / 2) - math.log(n)
        # Both cross terms without their common (2π)^(-d/2), and the pair terms likewise.
        cross_train = math.log(2) - d / 2 * train.log_determinant + log_sums
        cross_fresh = (
            math.log(2)
            - d / 2 * outside.log_determinant
            - d / (2 * n) * (outside.trace + (1 - r) * (1 - e_fresh * outside.trace))
        )
        pair_train = math.log1p(-1 / n) - d / 2 * math.log(2 * (1 + e_train))
        pair_fresh = math.log1p(-1 / fresh) - d / 2 * math.log(2 * e_fresh)
        return np.asarray(
            np.logaddexp(pair_train, cross_fresh) - np.logaddexp(pair_fresh, cross_train)
        )


def limiting_ratio(correlation: float) -> float:
    """Return k*(r), the limit of n_mem/d as d → ∞, and of n_mem/n_gen where n_gen = d + 3.

    The root of q(k; 1) = l(2) − l(1); 1 if q is the larger for all k > 1 (r of .8 and more), inf
    if there is none below 10⁴. Derived above.

    >>> round(limiting_ratio(0.505), 2)
    1.47
    """
    r = _check.fraction(correlation, "correlation")

    def balance(k: float) -> float:
        at_one = resolvent(1.0, k, r)
        gap = resolvent(2.0, k, r).log_determinant - at_one.log_determinant
        return at_one.mahalanobis - gap

    low, high = 1 + 1e-6, 2.0
    if balance(low) >= 0:
        return 1.0
    while balance(high) < 0:
        low, high = high, 2 * high
        if high > 1e4:
            return math.inf
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if balance(middle) >= 0 else (middle, high)
    return (low + high) / 2
