"""The spectrum of a population from a sample of it, by a least-squares inversion of kappa.

Let Sigma_hat have eigenvalues s_j and N = n - 1. The degrees of freedom of the sample at a noise
c, F_hat(c) = sum_j s_j/(s_j + c), are those of the population at the effective noise kappa
(`theory/effective_noise.py`): F(kappa) = F_hat(c) with kappa = c/(1 - F_hat(c)/N). So the sample
shows the curve F(kappa) itself, at a known kappa, and

    sum_g w_g lam_g/(lam_g + kappa_j) = F_hat(c_j),   w_g >= 0,   sum_g w_g = d

is linear in the weights of a fixed grid of eigenvalues: non-negative least squares (Lawson and
Hanson 1974). El Karoui (2008) inverts the same map at complex arguments with a linear programme;
here the real axis is enough, because every figure of the linear model is a functional of F at real
kappa. Individual eigenvalues stay ill-determined; those functionals do not.

The fit is done twice: E F_hat(c) is below F(kappa) by a finite-size term (`theory/linear_model`),
known once there is a spectrum, and it would bias the log loss by tenths of a nat.

With n <= d only kappa above its value at c -> 0 is seen: of the smaller eigenvalues the sum is
known, not the sizes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from byheart.errors import InputError, UsageError
from byheart.lab.theory.effective_noise import effective_noise

Floats = NDArray[np.float64]

_GRID = 80  # population eigenvalues, about 8 a decade
_LEVELS = 60  # noises at which the curves are matched
_TOTAL = 100.0  # weight of the equation sum w = d, whose other equations have weight 1
# The finite-size term is a correction: where it would move kappa by more, n is too near d for it.
_MOST = 0.1
_ROUNDING = 1e-10  # sample eigenvalues below this share of the largest are rounding errors


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Population eigenvalues (k,), a variance each, and their weights (k,), which sum to d.

    `rows` and `dimension` are those of the sample; `visible` is the smallest noise at which the
    sample shows the spectrum, 0 when n > d.
    """

    eigenvalues: Floats
    weights: Floats
    rows: int
    dimension: int
    visible: float


def population_spectrum(x: NDArray[np.floating]) -> Spectrum:
    """Estimate the population spectrum of the rows of x, shape (n, d).

    Raises InputError for fewer than 3 rows, for values that are not finite and for constant data.
    Derived in docs/explanation/forecast.md, compared with others in benchmarks/spectrum.py.

    >>> rng = np.random.default_rng(0)
    >>> found = population_spectrum(rng.normal(size=(300, 200)))
    >>> bool(found.eigenvalues.min() > 0.9), bool(found.eigenvalues.max() < 1.1)
    (True, True)
    """
    return invert(sample_eigenvalues(x), len(x))


def sample_eigenvalues(x: NDArray[np.floating]) -> Floats:
    """Return the d eigenvalues of the unbiased covariance of x, shape (n, d), in falling order."""
    if x.ndim != 2 or len(x) < 3:
        raise InputError(f"a spectrum needs at least 3 rows, got shape {x.shape}")
    centred = np.asarray(x, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    rows, dimension = centred.shape
    with np.errstate(all="ignore"):  # what overflows is refused below
        gram = centred.T @ centred if dimension < rows else centred @ centred.T
    if not np.isfinite(gram).all():
        raise InputError("the data hold values that are not finite, or too large to square")
    found = np.linalg.eigvalsh(gram / (rows - 1))[::-1]
    values = np.zeros(dimension)
    values[: min(len(found), rows - 1)] = found[: rows - 1]
    values[values < _ROUNDING * values[0]] = 0.0
    return values


def invert(sample: Floats, rows: int) -> Spectrum:
    """Population spectrum from the d sample eigenvalues (d,) of `rows` points."""
    if rows < 3:
        raise UsageError(f"a spectrum needs at least 3 rows, got {rows}")
    positive = sample[sample > 0]
    if len(positive) == 0:
        raise InputError("all rows are equal, so there is no spectrum; give data that vary")
    samples, dimension = rows - 1, len(sample)
    floor = np.geomspace(1e-3 * positive.min(), 10 * positive.max(), _LEVELS)
    freedom = (positive / (positive + floor[:, None])).sum(axis=1)
    # Population eigenvalues lie within the sample's when all are seen; else some are too small
    # to be seen, and end up somewhere below the smallest kappa.
    lowest = positive.min()
    if len(positive) < dimension:
        lowest = 1e-2 * floor[0] / (1 - freedom[0] / samples)
    grid = np.geomspace(lowest, positive.max(), _GRID)
    weights = _match(grid, freedom, floor, samples, dimension)
    gap = np.minimum(_finite_size(grid, weights, floor, samples), _MOST * (samples - freedom))
    weights = _match(grid, freedom + gap, floor, samples, dimension)
    used = weights > 0
    return Spectrum(
        grid[used],
        weights[used],
        rows,
        dimension,
        0.0 if rows > dimension else float(effective_noise(grid, rows, 0.0, weights)),
    )


def _match(grid: Floats, freedom: Floats, floor: Floats, samples: int, dimension: int) -> Floats:
    """The weights whose degrees of freedom at the effective noises are those observed."""
    kappa = floor / (1 - freedom / samples)
    system = np.vstack([grid / (grid + kappa[:, None]), np.full(len(grid), _TOTAL)])
    weights, _ = nnls(system, np.append(freedom, _TOTAL * dimension), maxiter=100 * len(grid))
    return np.asarray(weights * (dimension / weights.sum()), dtype=np.float64)


def _finite_size(grid: Floats, weights: Floats, floor: Floats, samples: int) -> Floats:
    """F(kappa) - E F_hat(c) = c delta/(kappa (1 - gamma)^2), see `lab/theory/linear_model.py`."""
    kappa = effective_noise(grid, samples + 1, floor, weights)
    share = grid / (grid + kappa[:, None])
    gamma = share**2 @ weights / samples
    delta = (share**2 * (1 - share)) @ weights / samples
    return np.asarray(floor / kappa * delta / (1 - gamma) ** 2)
