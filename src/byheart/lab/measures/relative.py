"""The relative distance Delta as arXiv 2411.17807 defines it, in exact arithmetic.

dist is the integrated squared difference of densities; the training set T and a large fresh set O
are smoothed by Gaussian kernels of bandwidth eps(N) = h N^(-1/d), one h for both, the generated law
rho_G = N(m_G, S) is known in closed form and not smoothed. The term ∫rho_G² cancels, so

    Delta = [pair(T) − 2 cross(T)] − [pair(O) − 2 cross(O)]
    pair(A)  = (1/N²) Σ_ij N(a_i − a_j; 0, 2 eps² I)
    cross(A) = (1/N) Σ_i N(a_i − m_G; 0, S + eps² I)

The diagonal of pair is (1/N) (4 pi eps²)^(-d/2) = (4 pi h²)^(-d/2) for every N: it cancels on
paper, and what is left of pair here is i ≠ j. In d dimensions every term is of order e^-d, so all
are kept as logs. With O drawn from N(mu, sigma² I) its terms have closed expectations
("exact"), no fresh points are needed:

    E pair(O)  = (1 − 1/N_O) (4 pi (sigma² + eps_O²))^(-d/2)
    E cross(O) = N(mu − m_G; 0, S + (sigma² + eps_O²) I)

Points actually drawn give another definition, not a noisy version of this one: cross(O) is a sum
dominated by its largest terms, and one frozen set is below its mean on a log scale (by about 0.2 at
d = 100, 6.6 at d = 400, N_O = 10⁴).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from byheart import _check
from byheart.errors import InputError, UsageError
from byheart.lab.theory.gaussians import (
    GaussianLaw,
    log_kernel_overlap,
    log_kernel_pairs,
    log_overlap,
)

FRESH_ROWS = 10_000  # the paper's N_O


@dataclass(frozen=True)
class RelativeDistance:
    """Delta, as a sign and the log of its size, with the logs of its four terms.

    Positive is generalization, negative memorization. pair_* leave out the diagonal.
    """

    sign: int
    log_size: float
    log_pair_train: float
    log_cross_train: float
    log_pair_fresh: float
    log_cross_fresh: float

    @property
    def positive(self) -> bool:
        """Whether the generated law is farther from the training set than from the data's law."""
        return self.sign > 0


def bandwidth(rows: int, dimension: int, scale: float = 1.0) -> float:
    """Return eps(N) = scale · N^(-1/d).

    >>> round(bandwidth(10_000, 4), 12)
    0.1
    """
    return scale * math.exp(-math.log(rows) / dimension)


def relative_distance(
    train: ArrayLike,
    law: GaussianLaw,
    *,
    mean: ArrayLike = 0.0,
    sigma: float = 1.0,
    fresh: str | NDArray[np.float64] = "exact",
    fresh_rows: int = FRESH_ROWS,
) -> RelativeDistance:
    """Return Delta of a Gaussian generated law, in the paper's definition.

    train: (n, d), n ≥ 2; law: of the generated samples; mean: mu, a number or (d,), and sigma: of
    the data's law N(mu, sigma² I). fresh: "exact" integrates N_O = `fresh_rows` fresh points out;
    an array (N_O, d) uses those points. Raises UsageError unless n < N_O, since P(Delta > 0) falls
    again as n comes near N_O. Source: arXiv 2411.17807; derived above.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(40, 3))
    >>> relative_distance(x, GaussianLaw.isotropic(np.zeros(3), 1.0)).sign
    1
    """
    x = _check.float64_matrix(train, "train")
    n, d = x.shape
    scale = _check.positive(sigma, "sigma")
    if isinstance(fresh, str):
        if fresh != "exact":
            raise UsageError(f'fresh must be "exact" or an array of fresh points, got {fresh!r}')
        rows = _check.integer(fresh_rows, "fresh_rows", 2)
    else:
        rows = len(fresh)
    if not 2 <= n < rows:
        raise UsageError(
            f"the fresh set must be larger than the training set, which needs 2 points: "
            f"n = {n:,}, N_O = {rows:,}; pass fresh_rows=100 * n"
        )
    variance, fresh_variance = bandwidth(n, d, scale) ** 2, bandwidth(rows, d, scale) ** 2
    log_pair_train = math.log1p(-1 / n) + log_kernel_pairs(x, 2 * variance)
    log_cross_train = float(log_kernel_overlap(x, variance, law))
    if isinstance(fresh, str):
        spread = scale**2 + fresh_variance
        data = GaussianLaw.isotropic(np.broadcast_to(mean, (d,)), spread)
        log_pair_fresh = math.log1p(-1 / rows) - d / 2 * math.log(4 * math.pi * spread)
        log_cross_fresh = float(log_overlap(data, law))
    else:
        points = _check.float64_matrix(fresh, "fresh")
        log_pair_fresh = math.log1p(-1 / rows) + log_kernel_pairs(points, 2 * fresh_variance)
        log_cross_fresh = float(log_kernel_overlap(points, fresh_variance, law))
    return combine(log_pair_train, log_cross_train, log_pair_fresh, log_cross_fresh)


def relative_sample_distance(
    train: ArrayLike, fresh: ArrayLike, generated: ArrayLike, *, sigma: float = 1.0
) -> RelativeDistance:
    """Return Delta of a model whose law is known by samples only, smoothed like the other sets.

    With G = m samples, cross(A) = (1/(N m)) Σ_ij N(a_i − g_j; 0, (eps_A² + eps_G²) I). train:
    (n, d), n ≥ 2; fresh: (N_O, d), never trained on; generated: (m, d). sigma: h of eps(N), one for
    all. Raises InputError for sets that do not match. Source: arXiv 2411.17807; derived above.

    >>> rng = np.random.default_rng(0)
    >>> train, fresh = rng.normal(size=(20, 3)), rng.normal(size=(2000, 3))
    >>> relative_sample_distance(train, fresh, train + 1e-3).sign
    -1
    """
    t, o, g = (
        _check.float64_matrix(values, role)
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


def combine(
    log_pair_train: float, log_cross_train: float, log_pair_fresh: float, log_cross_fresh: float
) -> RelativeDistance:
    """Return Delta from the logs of its four terms.

    >>> combine(-5.0, -9.0, -5.0, -8.0).sign
    1
    """
    logs = np.array(
        [
            log_pair_train,
            math.log(2) + log_cross_train,
            log_pair_fresh,
            math.log(2) + log_cross_fresh,
        ]
    )
    top = float(logs.max())
    pair_train, cross_train, pair_fresh, cross_fresh = np.exp(logs - top)
    scaled = float((pair_train - pair_fresh) + (cross_fresh - cross_train))
    return RelativeDistance(
        sign=int(np.sign(scaled)),
        log_size=top + math.log(abs(scaled)) if scaled else -math.inf,
        log_pair_train=log_pair_train,
        log_cross_train=log_cross_train,
        log_pair_fresh=log_pair_fresh,
        log_cross_fresh=log_cross_fresh,
    )
