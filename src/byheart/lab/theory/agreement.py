r"""How much two linear models trained on disjoint halves of the data agree, and what that is worth.

Two models start from the same noise z and generate G_1(z), G_2(z) (Kadkhodaie et al. 2024, arXiv
2310.02557). Their *agreement* is the cosine of the two, both less their mean, over all noise:

    q = E <G_1, G_2> / E |G|^2.

A linear model trained on n points of N(mu, Sigma), run down the probability flow from noise of
large variance to a noise floor of variance c, is G(z) = xbar + (Sigma_hat + c)^(1/2) z, with
z ~ N(0, I) and the unbiased covariance Sigma_hat of N = n - 1 degrees of freedom. The two
Sigma_hat are independent, so the expectation goes through each factor,

    q = tr (E A)^2 / tr E A^2,    A = (Sigma_hat + c)^(1/2),    E A^2 = Sigma + c:

nothing about a limit, or freeness, is needed. (Freeness gives the same for one pair of halves as
d -> infinity, with E tr A^2 replaced by what that pair shows.)

*Isotropic data*, Sigma = I, c = 0. E A is a multiple of I, since it commutes with all rotations, so
q = m^2, m = E tr Sigma_hat^(1/2)/d -> ∫ sqrt(x) dMP(x), the Marchenko–Pastur law of ratio
r = d/N, on [(1 - sqrt r)^2, (1 + sqrt r)^2]. Its moment of order p is a hypergeometric function for
r <= 1, for whole p the Narayana polynomial Σ_j r^j C(p, j) C(p-1, j)/(j+1) = 2F1(-p, 1-p; 2; r), so

    m(r) = 2F1(-1/2, 1/2; 2; r),           r <= 1,
    m(r) = m(1/r)/sqrt(r),                 r > 1:

the N eigenvalues above 0 are r times those of an N x d problem, and carry the mass 1/r. Limits:
q = 1 - r/4 + O(r^2) for r -> 0, (8/(3 pi))^2 = .7205 at r = 1, 1/r for r -> infinity. The mean of
the central limit theorem of Bai and Silverstein 2004 (their eq. 5.13 with f = sqrt), for Gaussian
data, is the first correction: with E the complete elliptic integral of the parameter,

    E tr Sigma_hat^(1/2) = d m + max(1, sqrt r)/2 - (1 + sqrt r)/pi E(4 sqrt r/(1 + sqrt r)^2)

up to terms of order 1/d.

*Any covariance.* E A is diagonal in the axes of Sigma (flip the sign of an axis: the law stays).
With A = (1/pi) ∫_0^inf t^(-1/2) (Sigma_hat + c)(Sigma_hat + c + t)^(-1) dt and the effective noise
kappa of `theory/effective_noise`, s E (Sigma_hat + s)^(-1) ~ kappa(s) (Sigma + kappa(s))^(-1),

    g_i = (E A)_ii ~ (1/pi) ∫_0^inf t^(-1/2) [c + t lam_i/(lam_i + kappa(c + t))]/(c + t) dt,

    q = Σ g_i^2 / Σ (lam_i + c).

*Agreement bounds recovery, from above only.* Let G* (z) be what the true law's own model makes of
the same noise, here Sigma^(1/2) z. For any two models of one recipe, independent given z, linear or
not, with F(z) = E[G(z) | z] over training sets (all less their means),

    q = E|F|^2 / E|G|^2,    cosine with the truth = E<F, G*> / sqrt(E|G|^2 E|G*|^2) <= sqrt(q)

by Cauchy and Schwarz, with equality if and only if F is a multiple of G*. Agreement says that a
model does not vary with its training set, not that it is right: for c -> infinity q -> 1 whatever
the data, because both models return z. For the linear model the cosine is
Σ g_i sqrt(lam_i) / sqrt(Σ (lam_i + c) Σ lam_i).

*A factor that agreement does not see* (Maillard and Goldt 2026, arXiv 2605.21402v1: convergence is
insensitive to the recovery of principal factors). Sigma = I + theta v v^T changes q by O(1/d),
while the leading eigenvector u of Sigma_hat finds v only beyond a sharp threshold (Baik, Ben Arous
and Péché 2005; the overlap: Paul 2007, theorem 4): with r = d/N,

    <u, v>^2 -> (1 - r/theta^2)/(1 + r/theta)   for theta > sqrt(r),   else 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ellipe, hyp2f1

from byheart import _check
from byheart.errors import UsageError
from byheart.lab.theory.effective_noise import effective_noise

Floats = NDArray[np.float64]

# t = e^u: the integrand is analytic for |Im u| < pi, so the trapezoidal rule with step h errs by
# about e^(-2 pi^2/h), 7e-18; its tails fall like e^(-|u|/2): what is cut off is below 1e-12 of g.
_STEP, _REACH = 0.5, 60.0


@dataclass(frozen=True)
class LinearAgreement:
    """Agreement q of two linear models on disjoint halves, and their cosine with the true law's
    model at the same noise; truth^2 <= agreement."""

    agreement: float
    truth: float


def isotropic_agreement(samples_per_dimension: ArrayLike, dimension: float = math.inf) -> Floats:
    """Return q of isotropic data without a noise floor, the shape of the first argument.

    samples_per_dimension: N/d > 0; for halves of n points with unknown mean N = n - 1.
    dimension: d; adds the correction of order 1/d for Gaussian data, of which O(1/d^2) is left.
    Derived above. Raises UsageError for values that are not above 0.

    >>> isotropic_agreement([0.5, 1.0, 10.0]).round(3)
    array([0.435, 0.721, 0.975])
    >>> isotropic_agreement(1.0, dimension=100).round(4)
    np.float64(0.7182)
    """
    k = _samples_per_dimension(samples_per_dimension)
    if not dimension > 0:
        raise UsageError(f"dimension must be above 0, got {dimension!r}")
    moment = hyp2f1(-0.5, 0.5, 2.0, np.minimum(k, 1 / k)) * np.sqrt(np.minimum(k, 1.0))
    root = np.sqrt(1 / k)
    mean = np.maximum(1, root) / 2 - (1 + root) / math.pi * ellipe(4 * root / (1 + root) ** 2)
    return np.asarray((moment + mean / dimension) ** 2, dtype=np.float64)


def linear_agreement(
    eigenvalues: ArrayLike, n: int, noise_floor: float = 0.0, weights: ArrayLike | None = None
) -> LinearAgreement:
    """Return what two linear models trained on n points each have in common.

    eigenvalues: (k,) of Sigma, at least 0, a variance. weights: (k,) multiplicities, default 1.
    n: points of each half, at least 2. noise_floor: c >= 0, a variance.
    Error: relative O(1/N) from kappa's limit; the quadrature's is below 1e-11. Derived above.
    Raises UsageError for values out of range.

    >>> found = linear_agreement([1.0], 201, weights=[200])
    >>> round(found.agreement, 4), round(found.truth**2, 4)  # equal: isotropic data have no bias
    (0.7205, 0.7205)
    """
    lam = np.atleast_1d(np.asarray(eigenvalues, dtype=np.float64))
    w = np.ones_like(lam) if weights is None else np.atleast_1d(np.asarray(weights, np.float64))
    _check.integer(n, "n", 2)
    if lam.ndim != 1 or w.shape != lam.shape:
        raise UsageError(
            f"eigenvalues and weights must be two lists of one length, got shapes {lam.shape} and "
            f"{w.shape}; use linear_agreement([1.0], n, weights=[100])"
        )
    values = np.concatenate([lam, w, [noise_floor]])
    if not np.isfinite(values).all() or (values < 0).any() or not (w @ lam) > 0:
        raise UsageError(
            "eigenvalues, weights and noise_floor must be finite and at least 0, and not all 0"
        )
    gain = _mean_square_root(lam, w, n, float(noise_floor))
    size = float(w @ (lam + noise_floor))
    truth = float(w @ (gain * np.sqrt(lam))) / math.sqrt(size * float(w @ lam))
    return LinearAgreement(float(w @ gain**2) / size, truth)


def factor_overlap(strength: float, samples_per_dimension: ArrayLike) -> Floats:
    """Return <u, v>^2 of the leading axis and a factor of variance 1 + theta on unit noise.

    strength: theta > 0. samples_per_dimension: N/d > 0. Limit d -> infinity (Paul 2007, theorem 4).
    The agreement of the same models is `isotropic_agreement`, with or without the factor.

    >>> factor_overlap(0.5, [1.0, 4.0, 16.0]).round(2)
    array([0.  , 0.  , 0.67])
    """
    theta = _check.positive(strength, "strength")
    k = _samples_per_dimension(samples_per_dimension)
    return np.asarray(np.maximum(0.0, (1 - 1 / (k * theta**2)) / (1 + 1 / (k * theta))))


def _mean_square_root(lam: Floats, weights: Floats, n: int, floor: float) -> Floats:
    """Return g, (k,): E (Sigma_hat + c)^(1/2) along the axes of Sigma."""
    scale = math.log(float(weights @ lam) / float(weights.sum()) + floor)
    t = np.exp(scale + np.arange(-_REACH, _REACH + _STEP, _STEP))[:, None]
    kappa = effective_noise(lam, n, floor + t[:, 0], weights)[:, None]
    share = (floor + t * lam / (lam + kappa)) / (floor + t)
    return np.asarray(_STEP / math.pi * (np.sqrt(t) * share).sum(axis=0))


def _samples_per_dimension(value: ArrayLike) -> Floats:
    k = np.asarray(value, dtype=np.float64)
    if not np.isfinite(k).all() or (k <= 0).any():
        raise UsageError(
            f"samples_per_dimension must be finite and above 0, got {np.min(k):g}; pass (n - 1) / d"
        )
    return k
