"""FLD's generalization gap: log-likelihoods of T and H under a mixture of Gaussians on G.

Jiralerspong et al. 2023, arXiv 2302.04440. On features standardised by H's mean and deviations,
each of m generated rows g_j is the centre of an isotropic Gaussian with a variance v_j of its own,
fitted to the n training rows by maximum likelihood. With d the number of coordinates,

    gap = 100 [L(H) - L(T)] / d,
    L(A) = mean over x in A of log (1/m) sum_j N(x; g_j, v_j I).

Zero is good. Below zero T is more likely than H: the model leans towards its training set. As in
the authors' code, the fit has a broad component beside the m, so that no row is lost from it. From
an exact copy the likelihood has no maximum: v_j falls to 0. The authors begin at the nearest row's
(|x_i - g_j|^2 + .001)/d and let v_j fall to e^-40 as far as 50 epochs go; here it ends at .001/d,
so that the gap of exact copies is a large number that does not depend on the climb.

The authors climb by Adam, up to 50 epochs. Here expectation-maximisation climbs the same likelihood
without a step size. With weights w_ij = (1/m) N(x_i; g_j, v_j I) / (the mixture at x_i, the broad
component included), it sets v_j = sum_i w_ij |x_i - g_j|^2 / (d sum_i w_ij), and so never descends
(Dempster, Laird and Rubin 1977; the mixture's weights are fixed).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtri

from byheart.distances.recheck import squared_distances
from byheart.errors import InputError

Floats = NDArray[np.float64]

_FLOOR = 1e-3  # of d times a variance, in squared deviations of H
_STEPS, _RISE = 100, 1e-5  # at most; and the rise of L/d that ends the climb
_CANCELS = 1e-6  # of the norms: the expansion of a squared distance below it loses digits
_NEAR = 0.9**2  # the broad component sees squared distances shrunk by this, as in the authors' code


def likelihood_gap(
    train: Floats, heldout: Floats, generated: Floats, level: float = 0.05
) -> tuple[float, tuple[float, float]]:
    """Return FLD's generalization gap and its interval over draws of T and H, the fit held fixed.

    train (n, d), heldout (h, d), generated (m, d): finite rows; columns without spread in H are
    left out. Memory: 3 n m numbers. Raises InputError when no column has a spread in H.

    >>> rng = np.random.default_rng(0)
    >>> train, heldout, fresh = rng.normal(size=(3, 200, 4))
    >>> copies = train + 0.1 * rng.normal(size=train.shape)
    >>> likelihood_gap(train, heldout, fresh)[0] > -25 > likelihood_gap(train, heldout, copies)[0]
    True
    """
    spread = heldout.std(axis=0, ddof=1) if len(heldout) > 1 else np.zeros(heldout.shape[1])
    used = spread > 0
    if not used.any():
        raise InputError("heldout: every column is constant; FLD's features need a spread")
    centre, spread = heldout.mean(axis=0)[used], spread[used]
    t, h, g = ((x[:, used] - centre) / spread for x in (train, heldout, generated))
    variances = _fit(t, g)
    trained, held = (_log_likelihood(x, g, variances) for x in (t, h))
    d = t.shape[1]
    value = 100 * (held.mean() - trained.mean()) / d
    error = 100 / d * math.sqrt(held.var() / len(held) + trained.var() / len(trained))
    width = float(ndtri(1 - level / 2)) * error
    return float(value), (float(value - width), float(value + width))


def _fit(rows: Floats, centres: Floats) -> Floats:
    """Return the variances (m,) that make `rows` (n, d) most likely around `centres` (m, d)."""
    d = rows.shape[1]
    squared = _squared(rows, centres)
    broad = _NEAR * ((rows - rows.mean(axis=0)) ** 2).sum(axis=1)
    variances: Floats = (squared.min(axis=0) + _FLOOR) / d
    width = 1.0
    before = -math.inf
    for _ in range(_STEPS):
        logs = _log_normal(squared, variances, d) - math.log(len(centres))
        beside = _log_normal(broad, np.float64(width), d)
        whole = np.logaddexp(logsumexp(logs, axis=1), beside)
        now = float(whole.mean()) / d
        if now - before < _RISE:
            break
        before = now
        weights = np.exp(logs - whole[:, None])
        total = weights.sum(axis=0)
        found = np.einsum("ij,ij->j", weights, squared)
        # A centre without any weight keeps the variance it has.
        variances = np.where(total > 0, found / (d * np.where(total > 0, total, 1.0)), variances)
        variances = np.maximum(variances, _FLOOR / d)
        share = np.exp(beside - whole)
        if share.sum() > 0:
            width = max(float(share @ broad / (d * share.sum())), _FLOOR / d)
    return variances


def _log_likelihood(rows: Floats, centres: Floats, variances: Floats) -> Floats:
    logs = _log_normal(_squared(rows, centres), variances, rows.shape[1])
    found: Floats = logsumexp(logs, axis=1) - math.log(len(centres))
    return found


def _log_normal(squared: Floats, variance: Floats | np.float64, d: int) -> Floats:
    found: Floats = -0.5 * squared / variance - 0.5 * d * np.log(2 * math.pi * variance)
    return found


def _squared(rows: Floats, centres: Floats) -> Floats:
    """Return all squared distances, (n, m); by subtraction where the expansion would cancel.

    The expansion errs by some 1e-15 of the squared norms; below 1e-6 of these a distance would be
    wrong by more than 1e-9 of itself, and copies have to come out as 0.
    """
    middle = rows.mean(axis=0)
    x, y = rows - middle, centres - middle
    norms = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1)
    out: Floats = norms - 2 * (x @ y.T)
    i, j = np.nonzero(out < _CANCELS * norms)
    out[i, j] = squared_distances(rows, centres, i, j)
    return out
