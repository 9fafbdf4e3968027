"""Directions in which a model's log density is flat: the local Hessian spectral dimension.

Symbols: y, m, J, s as in `dimension`. The negative Hessian of log rho_s, in units of 1/s^2, is

    A = -s^2 grad^2 log rho_s(y) = I - J,

with eigenvalue a = s^2/(lam + s^2) along a tangent of variance lam and 1 along a normal. Between
two well separated modes a is negative: the density is convex there. The dimension is the trace of a
smooth step that keeps small a,

    LHSD = tr f(A),    f(a) = 1/(1 + (max(a, 0)/c)^p),    c = CUTOFF = 1/5, p = 4

(Osada 2026, arXiv 2605.01221, whose cut kappa = c/s^2 in the Hessian's own units is this one; p = 4
is its exponent). The cutoff is ours: a normal then counts 1/626 and not 1, so that 1,000 normals
add 1.6; the paper's code has c = 0.7 by default, with which each would add a fifth. Unlike FLIPD no
residual |m - y|^2/s^2 enters, so a point off the manifold does not diverge.

Up to D = 256 the eigenvalues are those of all of J (its symmetric part). Beyond, stochastic
Lanczos quadrature (Ubaru, Chen and Saad 2017): for a vector z of random signs and q_1 = z/|z|,
a few steps of Lanczos give T with E[z^T f(A) z] = tr f(A) and z^T f(A) z ~ D sum_j w_j f(t_j), t_j
the eigenvalues of T and w_j the squared first entries of its eigenvectors. Vectors are made
orthogonal in full, at O(steps^2 D), and T is the symmetric part of Q^T A Q, the same for a
symmetric A; a network's J is only nearly symmetric. Cost: 2 m probes steps values of `mean`.

Whether the cut lies in a gap of the spectrum is seen from `undecided`: the number of eigenvalues
within 1/10 of c. The estimate means nothing where they are many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from byheart import _check
from byheart.lab.diffusion.denoisers import Denoiser, check_query
from byheart.lab.diffusion.dimension import positive_levels, probe_signs
from byheart.lab.diffusion.jacobians import jacobians, products

Array = NDArray[np.float64]

CUTOFF, STEEPNESS = 0.2, 4
PROBES, STEPS = 8, 10
_NEAR = 0.1  # of the cutoff: undecided
_BREAKDOWN = 1e-6  # of the Krylov space: far above the products' error, far below an eigenvalue


@dataclass(frozen=True)
class SpectralDimension:
    """Local Hessian spectral dimension at m points over k noise levels.

    noise_levels: (k,). values, standard_errors (over the probes, 0 where exact) and undecided, the
    number of eigenvalues near the cut: (m, k).
    """

    noise_levels: Array
    values: Array
    standard_errors: Array
    undecided: Array


def spectral_dimension(
    denoiser: Denoiser,
    points: Array,
    noise_levels: Sequence[float] | Array,
    *,
    probes: int | None = None,
    steps: int = STEPS,
    rng: np.random.Generator | None = None,
) -> SpectralDimension:
    """Return the number of flat directions of log rho_s at `points`, (m, D).

    probes: None takes all eigenvalues up to D = 256 and 8 random vectors beyond; a number p >= 2
    takes p vectors. steps: of Lanczos, at most D. rng: draws the vectors. Raises UsageError for
    points of another shape, levels that are not above 0, or probes without rng.
    Source: Osada 2026, arXiv 2605.01221, with our cutoff; the module's introduction.

    >>> from byheart.lab.diffusion import GaussianDenoiser
    >>> plane = GaussianDenoiser(np.zeros(3), np.diag([1.0, 1.0, 0.0]))
    >>> spectral_dimension(plane, np.full((1, 3), 0.3), [0.1]).values.round(2)
    array([[2.]])
    """
    levels = positive_levels(noise_levels)
    y, _ = check_query(denoiser, points, float(levels[0]))
    steps = min(_check.integer(steps, "steps", 1), denoiser.dimension)
    signs = probe_signs(y, probes, PROBES, rng)
    values, errors, undecided = np.zeros((3, len(y), len(levels)))
    for i, s in enumerate(levels):
        for j in range(len(y)):
            one = y[j : j + 1]
            if signs is None:
                jacobian = jacobians(denoiser, one, s)[0]
                nodes = 1 - np.linalg.eigvalsh((jacobian + jacobian.T) / 2)[None]
                weights = np.ones_like(nodes)
            else:
                nodes, weights = _quadrature(denoiser, one, s, signs[j], steps)
            counts = (weights * kept(nodes)).sum(axis=1)
            values[j, i] = counts.mean()
            undecided[j, i] = (weights * (np.abs(nodes - CUTOFF) <= _NEAR)).sum(axis=1).mean()
            if signs is not None:
                errors[j, i] = counts.std(ddof=1) / np.sqrt(len(counts))
    return SpectralDimension(levels, values, errors, undecided)


def kept(eigenvalues: Array) -> Array:
    """Return the step f at eigenvalues of -s^2 times the Hessian.

    >>> kept(np.array([-1.0, 0.0, 0.2, 1.0])).round(4)
    array([1.    , 1.    , 0.5   , 0.0016])
    """
    return np.asarray(1 / (1 + (np.maximum(eigenvalues, 0) / CUTOFF) ** STEEPNESS))


def _quadrature(
    denoiser: Denoiser, point: Array, s: float, signs: Array, steps: int
) -> tuple[Array, Array]:
    """Return Lanczos nodes and weights (which add up to D), (p, steps), of I - J at one point."""
    p, d = signs.shape
    basis = np.zeros((steps, p, d))
    image = np.zeros((steps, p, d))
    vector = signs / np.sqrt(d)
    alive = np.ones(p, bool)
    for k in range(steps):
        basis[k, alive] = vector[alive]
        along = products(denoiser, point, s, vector[None, alive])[0]
        image[k, alive] = vector[alive] - along
        rest = image[k].copy()
        for _ in range(2):  # once is not enough in floating point
            for earlier in basis[: k + 1]:
                rest -= (rest * earlier).sum(axis=1, keepdims=True) * earlier
        length = np.linalg.norm(rest, axis=1, keepdims=True)
        alive &= length[:, 0] > _BREAKDOWN
        if not alive.any():
            break
        vector = rest / np.where(length > 0, length, 1.0)
    projected = np.einsum("ipd,jpd->pij", basis, image)
    nodes, vectors = np.linalg.eigh((projected + projected.transpose(0, 2, 1)) / 2)
    return nodes, d * vectors[:, 0, :] ** 2
