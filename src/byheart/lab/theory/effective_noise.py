"""The effective noise kappa: how much noise n samples leave on top of a noise floor.

Let Sigma have eigenvalues lam_i, let Sigma_hat be the unbiased covariance of n samples, N = n - 1,
and c >= 0 the noise floor. The resolvent of Sigma_hat is that of Sigma at a larger noise kappa
(Marchenko and Pastur 1967; Silverstein 1995),

    c E (Sigma_hat + c)^-1  ~  kappa (Sigma + kappa)^-1,     kappa (1 - F(kappa)/N) = c,

with the degrees of freedom F(kappa) = sum_i lam_i/(lam_i + kappa). For c > 0 the root is unique and
lies in [c, c + tr Sigma/N]. For c = 0 it is 0 as long as N is at least the rank of Sigma, and
positive below: fewer samples than dimensions leave noise even without a floor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_BLOCK = 1 << 21  # entries of one (pairs, eigenvalues) work array
_STEPS = 500  # about 10 are needed, a few hundred for spectra over many decades


def effective_noise(
    eigenvalues: ArrayLike,
    n: ArrayLike,
    noise_floor: ArrayLike,
    weights: ArrayLike | None = None,
) -> Floats:
    """Solve kappa = c + (kappa/N) sum_i w_i lam_i/(lam_i + kappa) for each pair of n and c.

    eigenvalues: (k,), at least 0. weights: (k,), multiplicities w_i (default 1), so that an
    isotropic law of a million dimensions is one eigenvalue. n: number of samples, above 1,
    np.inf allowed. noise_floor: c, at least 0, in units of the eigenvalues (a variance).
    n and noise_floor broadcast; the result has their common shape and the units of c.
    Derived in docs/explanation/forecast.md.

    >>> effective_noise([1.0], [101, 2001, np.inf], 0.01, weights=[100]).round(5)
    array([0.10512, 0.01052, 0.01   ])
    """
    lam = np.asarray(eigenvalues, dtype=np.float64)
    weight = np.ones_like(lam) if weights is None else np.asarray(weights, dtype=np.float64)
    used = (lam > 0) & (weight > 0)
    lam, weight = lam[used], weight[used]
    samples, floor = np.broadcast_arrays(
        np.asarray(n, dtype=np.float64) - 1, np.asarray(noise_floor, dtype=np.float64)
    )
    solved = in_blocks(lambda n_, c_: _solve(lam, weight, n_, c_), len(lam), samples, floor)
    return np.asarray(solved.reshape(samples.shape), dtype=np.float64)


def in_blocks(function: Callable[..., Floats], width: int, *arrays: NDArray[Any]) -> Floats:
    """Apply a function of flat arrays block by block, so that block x width entries stay few."""
    flat = [np.ravel(a) for a in arrays]
    step = max(1, _BLOCK // max(width, 1))
    parts = [
        function(*(f[start : start + step] for f in flat)) for start in range(0, len(flat[0]), step)
    ]
    return np.concatenate(parts) if parts else np.empty(0)


def _solve(lam: Floats, weight: Floats, samples: Floats, floor: Floats) -> Floats:
    if len(lam) == 0:
        return floor.copy()
    # g(kappa) = kappa (1 - F(kappa)/N) - c is convex and not negative at c + tr Sigma/N: Newton
    # from there falls to the largest root without overshooting. Its slope is 1 - gamma.
    rank = weight.sum()
    kappa = np.where((floor == 0) & (rank <= samples), 0.0, floor + weight @ lam / samples)
    active = np.flatnonzero(kappa > floor)
    for _ in range(_STEPS):
        if len(active) == 0:
            break
        k, big_n, c = kappa[active], samples[active], floor[active]
        share = lam / (lam + k[:, None])
        freedom, gamma = share @ weight / big_n, share**2 @ weight / big_n
        step = (k * (1 - freedom) - c) / (1 - gamma)
        kappa[active] = np.maximum(k - step, c)
        # a last step of 1e-10 leaves an error of about its square
        active = active[np.abs(step) > 1e-10 * k]
    return np.asarray(kappa, dtype=np.float64)
