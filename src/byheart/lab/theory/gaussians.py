"""Gaussian laws: divergences and overlaps, in logs, for full, low-rank and isotropic covariances.

One representation serves all three. A covariance is kept as

    C = U diag(v) Uᵀ + f I,      U: (d, k) orthonormal columns, v >= 0, f >= 0,

with k = 0 for an isotropic law, k < d for a low-rank one and k = d for a full one. Then

    log det C   = sum log(v_j + f) + (d - k) log f,
    aᵀ C⁻¹ a    = sum (u_j·a)² / (v_j + f) + |a - U Uᵀ a|² / f,

cost O(d k), and no d × d array is made for the first two. With m the means, δ = m_p - m_q,

    KL(p ‖ q)   = ½ [tr(C_q⁻¹ C_p) + δᵀ C_q⁻¹ δ - d + log det C_q - log det C_p],
    log BC      = -⅛ δᵀ C⁻¹ δ - ½ log det C + ¼ (log det C_p + log det C_q),  C = (C_p + C_q)/2,
    log ∫ p q   = log N(δ; 0, C_p + C_q).

BC is the Bhattacharyya coefficient ∫ √(p q), and 1 - BC the squared Hellinger distance. A law
without a density (C singular) is infinitely far from one that has a density: KL is inf both ways,
BC is 0. Two laws without densities are refused, because the answer depends on their supports.

Every function takes laws with leading (batch) axes and broadcasts them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from byheart.errors import UsageError

Array = NDArray[np.float64]

LOG_2PI = math.log(2 * math.pi)
# A covariance eigenvalue below this share of the largest, per dimension, is rounding error.
_ROUNDING = 4 * np.finfo(np.float64).eps


@dataclass(frozen=True, eq=False)
class GaussianLaw:
    """A normal law with covariance `basis @ diag(values) @ basis.T + floor * I`.

    mean: (..., d); basis: (..., d, k), orthonormal columns; values: (..., k); floor: (...).
    Use the constructors `isotropic`, `from_factor` and `from_covariance`.

    >>> law = GaussianLaw.from_covariance([0.0, 0.0], [[2.0, 0.0], [0.0, 3.0]])
    >>> round(float(law.log_determinant), 4) == round(math.log(6.0), 4)
    True
    """

    mean: Array
    basis: Array
    values: Array
    floor: Array

    @staticmethod
    def isotropic(mean: ArrayLike, variance: ArrayLike) -> GaussianLaw:
        """N(mean, variance I); mean: (..., d), variance: (...)."""
        mean = np.asarray(mean, dtype=np.float64)
        if mean.ndim == 0:
            raise UsageError("mean must be a vector; for one dimension pass mean=[m]")
        floor = np.asarray(variance, dtype=np.float64)
        if not np.all(floor >= 0):
            raise UsageError(f"variance must not be negative, got {floor.min()}")
        lead = np.broadcast_shapes(mean.shape[:-1], floor.shape)
        d = mean.shape[-1]
        mean = np.broadcast_to(mean, (*lead, d))
        floor = np.broadcast_to(floor, lead)
        return GaussianLaw(mean, np.zeros((*lead, d, 0)), np.zeros((*lead, 0)), floor)

    @staticmethod
    def from_factor(mean: ArrayLike, factor: ArrayLike, floor: ArrayLike = 0.0) -> GaussianLaw:
        """N(mean, factor factorᵀ + floor I); mean: (..., d), factor: (..., d, k), floor: (...).

        Any k; columns need not be independent. Cost O(d k min(d, k)).

        >>> law = GaussianLaw.from_factor([0.0, 0.0], [[1.0], [1.0]])
        >>> float(law.log_determinant), round(float(law.trace), 12)
        (-inf, 2.0)
        """
        mean = np.asarray(mean, dtype=np.float64)
        factor = np.asarray(factor, dtype=np.float64)
        floor = np.asarray(floor, dtype=np.float64)
        if factor.ndim < 2 or mean.shape[-1:] != factor.shape[-2:-1]:
            raise UsageError(
                f"factor must be (..., d, k) with d = {mean.shape[-1:]}, got shape {factor.shape}"
            )
        basis, singular, _ = np.linalg.svd(factor, full_matrices=False)
        return _law(mean, basis, singular**2, floor)

    @staticmethod
    def from_covariance(mean: ArrayLike, covariance: ArrayLike) -> GaussianLaw:
        """N(mean, covariance); mean: (..., d), covariance: (..., d, d) symmetric.

        Raises UsageError for another shape and for a covariance with a negative eigenvalue.
        """
        mean = np.asarray(mean, dtype=np.float64)
        covariance = np.asarray(covariance, dtype=np.float64)
        d = mean.shape[-1]
        if covariance.shape[-2:] != (d, d):
            raise UsageError(f"covariance must be (..., {d}, {d}), got shape {covariance.shape}")
        values, basis = np.linalg.eigh(covariance)
        if np.any(values[..., 0] < -1e-8 * np.maximum(values[..., -1], 0)):
            raise UsageError("covariance has a negative eigenvalue; pass (C + C.T) / 2 of a law")
        return _law(mean, basis, values, np.zeros(()))

    @property
    def dimension(self) -> int:
        """Number of coordinates d."""
        return int(self.mean.shape[-1])

    @property
    def log_determinant(self) -> Array:
        """Log determinant of the covariance, -inf if it is singular; shape (...)."""
        rest = self.dimension - self.values.shape[-1]
        spread = self.values + self.floor[..., None]
        total = np.sum(_log(spread), axis=-1)
        return np.asarray(total + rest * _log(self.floor) if rest else total)

    @property
    def trace(self) -> Array:
        """Trace of the covariance; shape (...)."""
        return np.asarray(np.sum(self.values, axis=-1) + self.dimension * self.floor)

    @property
    def singular(self) -> NDArray[np.bool_]:
        """Whether the law has no density in d dimensions; shape (...)."""
        return np.asarray(np.isneginf(self.log_determinant))

    def smoothed(self, variance: ArrayLike) -> GaussianLaw:
        """The law of a point plus independent noise N(0, variance I).

        >>> float(GaussianLaw.isotropic([0.0], 1.0).smoothed(2.0).trace)
        3.0
        """
        floor = np.asarray(self.floor + np.asarray(variance, dtype=np.float64))
        lead = np.broadcast_shapes(floor.shape, self.mean.shape[:-1])
        return GaussianLaw(self.mean, self.basis, self.values, np.broadcast_to(floor, lead))

    def sample(self, count: int, rng: np.random.Generator) -> Array:
        """Draw `count` points of each law; shape (..., count, d)."""
        lead = self.mean.shape[:-1]
        z = rng.standard_normal((*lead, count, self.values.shape[-1]))
        x = (z * np.sqrt(self.values)[..., None, :]) @ np.swapaxes(self.basis, -1, -2)
        if np.any(self.floor > 0):
            white = rng.standard_normal((*lead, count, self.dimension))
            x = x + np.sqrt(self.floor)[..., None, None] * white
        return np.asarray(x + self.mean[..., None, :])

    def log_density(self, x: ArrayLike) -> Array:
        """Log density at points x: (..., points, d); shape (..., points).

        Where the law is singular it is inf on the support (within rounding) and -inf off it.

        >>> float(GaussianLaw.isotropic([0.0], 1.0).log_density([[0.0]])[0]).__round__(4)
        -0.9189
        """
        offset = np.asarray(x, dtype=np.float64) - self.mean[..., None, :]
        squared, outside = _mahalanobis(self, offset)
        constant = self.dimension * LOG_2PI + self.log_determinant[..., None]
        safe = np.where(np.isneginf(constant), 0.0, constant)
        value = -0.5 * (safe + squared)
        flat = np.where(outside, -np.inf, np.inf)
        return np.asarray(np.where(self.singular[..., None], flat, value))


def kl(p: GaussianLaw, q: GaussianLaw) -> Array:
    """Kullback–Leibler divergence KL(p ‖ q) in nats; inf if one law is singular.

    Raises UsageError for laws of different dimension and where both are singular.

    >>> p, q = GaussianLaw.isotropic([0.0, 0.0], 1.0), GaussianLaw.isotropic([1.0, 0.0], 1.0)
    >>> float(kl(p, q))
    0.5
    """
    singular = _comparable(p, q)
    mahalanobis, _ = _mahalanobis(q, (p.mean - q.mean)[..., None, :])
    directions, _ = _mahalanobis(q, np.swapaxes(p.basis, -1, -2))
    inverse = np.sum(1 / _positive(q.values + q.floor[..., None]), axis=-1)
    inverse = inverse + (q.dimension - q.values.shape[-1]) / _positive(q.floor)
    trace = p.floor * inverse + np.sum(p.values * directions, axis=-1)
    with np.errstate(invalid="ignore"):
        gap = q.log_determinant - p.log_determinant
    value = 0.5 * (trace + mahalanobis[..., 0] - p.dimension + gap)
    return np.asarray(np.where(singular, np.inf, value))


def log_bhattacharyya(p: GaussianLaw, q: GaussianLaw) -> Array:
    """Log of the Bhattacharyya coefficient ∫ √(p q); -inf if one law is singular.

    Raises UsageError for laws of different dimension and where both are singular.
    """
    singular = _comparable(p, q)
    middle = _sum(p, q, 0.5)
    squared, _ = _mahalanobis(middle, (p.mean - q.mean)[..., None, :])
    with np.errstate(invalid="ignore"):
        ends = 0.25 * (p.log_determinant + q.log_determinant) - 0.5 * middle.log_determinant
    return np.asarray(np.where(singular, -np.inf, -squared[..., 0] / 8 + ends))


def squared_hellinger(p: GaussianLaw, q: GaussianLaw) -> Array:
    """Squared Hellinger distance 1 - ∫ √(p q), in [0, 1]; 1 if one law is singular.

    >>> p = GaussianLaw.isotropic([0.0], 1.0)
    >>> float(squared_hellinger(p, p)), float(squared_hellinger(p, p.isotropic([0.0], 0.0)))
    (0.0, 1.0)
    """
    return np.asarray(0.0 - np.expm1(np.minimum(log_bhattacharyya(p, q), 0.0)))


def log_overlap(p: GaussianLaw, q: GaussianLaw) -> Array:
    """Log of ∫ p(x) q(x) dx = N(m_p - m_q; 0, C_p + C_q).

    If C_p + C_q is singular: inf where the supports meet (within rounding), -inf where not.
    """
    _same_dimension(p, q)
    total = _sum(p, q, 1.0)
    centred = GaussianLaw(np.zeros_like(total.mean), total.basis, total.values, total.floor)
    return np.asarray(centred.log_density((p.mean - q.mean)[..., None, :])[..., 0])


def log_kernel_overlap(points: ArrayLike, variance: ArrayLike, law: GaussianLaw) -> Array:
    """Log of ∫ ρ(x) law(x) dx, ρ the kernel mixture (1/n) Σ N(x_i, variance I) of `points`.

    points: (..., n, d); variance: (...), the squared bandwidth. This is the cross term of the
    integrated squared difference (arXiv 2411.17807).
    """
    from scipy.special import logsumexp

    logs = law.smoothed(variance).log_density(points)
    return np.asarray(logsumexp(logs, axis=-1) - math.log(logs.shape[-1]))


def log_kernel_pairs(
    points: ArrayLike, variance: float, others: ArrayLike | None = None, block: int = 1024
) -> float:
    """Log of the mean kernel N(a_i - b_j; 0, variance I) over pairs.

    points: (n, d), others: (m, d). Without `others` the mean runs over the n (n - 1) ordered pairs
    i ≠ j of `points`, and n must be at least 2. For the overlap of two kernel mixtures with
    squared bandwidths e and e' pass variance = e + e'. Memory: block² numbers.

    >>> pairs = log_kernel_pairs([[0.0], [1.0]], 2.0)
    >>> round(pairs + 0.5 * math.log(4 * math.pi) + 0.25, 12) == 0
    True
    """
    a = np.asarray(points, dtype=np.float64)
    b = a if others is None else np.asarray(others, dtype=np.float64)
    if others is None and len(a) < 2:
        raise UsageError("pairs of different points need at least 2 points; pass others=")
    centre = b.mean(axis=0)  # centred before squaring: |a|² + |b|² - 2 a·b then loses little
    a, b = a - centre, b - centre
    squared_a, squared_b = np.sum(a**2, axis=1), np.sum(b**2, axis=1)
    total = -math.inf
    for i in range(0, len(a), block):
        # Without others the blocks below the diagonal repeat those above it.
        for j in range(i if others is None else 0, len(b), block):
            rows, columns = slice(i, i + block), slice(j, j + block)
            logs = (-2 * a[rows]) @ b[columns].T
            logs += squared_a[rows, None]
            logs += squared_b[columns]
            np.maximum(logs, 0.0, out=logs)
            logs /= -2 * variance
            if others is None and i == j:
                np.fill_diagonal(logs, -np.inf)
            peak = float(logs.max())
            if peak > -math.inf:
                logs -= peak
                part = peak + math.log(float(np.exp(logs, out=logs).sum()))
                twice = others is None and i < j
                total = float(np.logaddexp(total, part + math.log(2) if twice else part))
    count = len(a) * (len(a) - 1) if others is None else len(a) * len(b)
    return float(total - math.log(count) - a.shape[1] / 2 * (LOG_2PI + math.log(variance)))


def _law(mean: Array, basis: Array, values: Array, floor: Array) -> GaussianLaw:
    """Broadcast the parts to one batch shape and set rounding errors of eigenvalues to 0."""
    largest = np.max(values, axis=-1, keepdims=True, initial=0.0)
    values = np.where(values > _ROUNDING * basis.shape[-2] * largest, values, 0.0)
    lead = np.broadcast_shapes(mean.shape[:-1], basis.shape[:-2], floor.shape)
    return GaussianLaw(
        np.broadcast_to(mean, (*lead, mean.shape[-1])),
        np.broadcast_to(basis, (*lead, *basis.shape[-2:])),
        np.broadcast_to(values, (*lead, values.shape[-1])),
        np.broadcast_to(floor, lead),
    )


def _sum(p: GaussianLaw, q: GaussianLaw, scale: float) -> GaussianLaw:
    """A law with covariance scale (C_p + C_q), its mean of no meaning."""
    floor = scale * (p.floor + q.floor)
    lead = np.broadcast_shapes(p.mean.shape[:-1], q.mean.shape[:-1])
    d, ranks = p.dimension, (p.values.shape[-1], q.values.shape[-1])
    mean = np.zeros((*lead, d))
    if 0 in ranks:  # one of them isotropic: nothing to diagonalise
        wide = q if ranks[0] == 0 else p
        return _law(mean, wide.basis, scale * wide.values, floor)
    parts = [
        np.broadcast_to(x.basis * np.sqrt(scale * x.values)[..., None, :], (*lead, d, k))
        for x, k in zip((p, q), ranks, strict=True)
    ]
    if sum(ranks) < d:
        return GaussianLaw.from_factor(mean, np.concatenate(parts, axis=-1), floor)
    covariance: Any = sum(x @ np.swapaxes(x, -1, -2) for x in parts)
    values, basis = np.linalg.eigh(covariance)
    return _law(mean, basis, values, floor)


def _mahalanobis(law: GaussianLaw, offset: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Squared lengths aᵀ C⁻¹ a of rows a: (..., rows, d), and whether a leaves the support.

    Directions of no variance count nothing in the first; the caller decides by `law.singular`.
    """
    inside = offset @ law.basis
    spread = (law.values + law.floor[..., None])[..., None, :]
    squared = np.sum(inside**2 / _positive(spread), axis=-1)
    lost = np.sum(np.where(spread > 0, 0.0, inside**2), axis=-1)
    if law.values.shape[-1] < law.dimension:
        rest = np.sum((offset - inside @ np.swapaxes(law.basis, -1, -2)) ** 2, axis=-1)
        floor = law.floor[..., None]
        squared = squared + rest / _positive(floor)
        lost = lost + np.where(floor > 0, 0.0, rest)
    scale = np.sum(offset**2, axis=-1)
    return np.asarray(squared), np.asarray(lost > 1e-20 * law.dimension * scale)


def _positive(x: Array) -> Array:
    """`x` with inf for zeros, so that 1/x is 0 there."""
    return np.asarray(np.where(x > 0, x, np.inf))


def _log(x: Array) -> Array:
    """Log with log 0 = -inf, silently."""
    return np.asarray(np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), -np.inf))


def _same_dimension(p: GaussianLaw, q: GaussianLaw) -> None:
    if p.dimension != q.dimension:
        raise UsageError(f"the laws have dimensions {p.dimension} and {q.dimension}")


def _comparable(p: GaussianLaw, q: GaussianLaw) -> NDArray[np.bool_]:
    """Where exactly one law is singular; raises if both are."""
    _same_dimension(p, q)
    if np.any(p.singular & q.singular):
        raise UsageError("both laws are singular; add noise to both: law.smoothed(variance)")
    return np.asarray(p.singular | q.singular)
