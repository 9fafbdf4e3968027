"""The relative distance Delta of T against H at equal bandwidth, in two forms, with intervals.

KL form (the entropy of G cancels), in nats:
    Delta_KL(eps) = mean_g [log rho_H,eps(g) − log rho_T,eps(g)]
L2 form (the term ∫rho_G² cancels; both sets at the same bandwidth, G not smoothed):
    Delta_L2(eps) = [pair(T) − 2 cross(T)] − [pair(H) − 2 cross(H)]
    pair(A)  = mean over i ≠ j in A of N(a_i − a_j; 0, 2 eps² I)
    cross(A) = mean over g, a of N(g − a; 0, eps² I)
The diagonal of pair is left out: it is the same constant per point, and with |T| ≠ |H| would not
cancel. In high dimension both densities are of order e^-d, so Delta_L2 is divided by
pair(T ∪ H) + 2 cross(T ∪ H), all in logs. Kernel rows are cut to the nearest k entries.
Negative values mean memorization. Source: arXiv 2411.17807; matched bandwidths and the KL form are
derived in docs/explanation/statistics.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from byheart import intervals
from byheart.auditing.result import Delta, DeltaCurve
from byheart.auditing.statistics import NegativeDelta
from byheart.distances.kernels import log_kernels
from byheart.distances.neighbours import Neighbours

Floats = NDArray[np.float64]
_BLOCK = 8192  # rows of a table whose kernels are in memory at a time


def delta(
    forward: Neighbours,
    among_real: Neighbours,
    training: NDArray[np.bool_],
    bandwidths: tuple[float, ...],
    rng: np.random.Generator,
    level: float,
    dimension: int,
    relabelled: Floats | None = None,
) -> Delta:
    """Return both forms over `bandwidths`, with bootstrap intervals over generated rows.

    forward: (m, k) nearest real rows of generated rows; among_real: (N, k') nearest other real
    rows of real rows; training: (N,) True for training rows; dimension: d; relabelled: Delta_KL of
    random relabellings, (bandwidths, relabellings), for the band in which chance keeps the curve.
    """
    kl, l2 = [], []
    for bandwidth in bandwidths:
        kl.append(kl_contributions(forward, training, bandwidth))
        l2.append(l2_contributions(forward, among_real, training, bandwidth, dimension))
    stacked = np.stack(kl + l2, axis=1)
    means = stacked.mean(axis=0)
    bounds = intervals.bootstrap(stacked, rng, level)

    def curve(part: slice, null: Floats) -> DeltaCurve:
        return DeltaCurve(
            bandwidths,
            tuple(float(v) for v in means[part]),
            tuple((float(low), float(high)) for low, high in bounds[part]),
            tuple((float(low), float(high)) for low, high in null.T),
        )

    none = np.zeros((2, 0))
    ends = [level / 2, 1 - level / 2]
    band = none if relabelled is None else np.quantile(relabelled, ends, axis=1)
    return Delta(curve(slice(0, len(bandwidths)), band), curve(slice(len(bandwidths), None), none))


def kl_contributions(forward: Neighbours, training: NDArray[np.bool_], bandwidth: float) -> Floats:
    """Return log rho_H(g) − log rho_T(g) of each generated row, (m,); their mean is Delta_KL."""
    statistic = NegativeDelta("delta", forward, bandwidth, len(training))
    labels = training.astype(np.uint8)[:, None]
    odds = np.concatenate([block[:, 0] for block in statistic.contributions(labels)])
    marked = int(training.sum())
    return math.log(marked / (len(training) - marked)) - odds.astype(np.float64)


def l2_contributions(
    forward: Neighbours,
    among_real: Neighbours,
    training: NDArray[np.bool_],
    bandwidth: float,
    dimension: int,
) -> Floats:
    """Return the terms of the scaled Delta_L2, (m,), whose mean is the estimate."""
    size = {True: int(training.sum()), False: int((~training).sum())}
    # Both up to the common factor (4 pi eps²)^(-d/2); N(x; 0, eps² I) then carries 2^(d/2).
    rows, m = len(training), len(forward.distances)
    wider = bandwidth * math.sqrt(2)
    offset = dimension / 2 * math.log(2)
    scale = np.logaddexp(
        _log_sum(among_real, wider) - math.log(rows * (rows - 1)),
        math.log(2) + _log_sum(forward, bandwidth, offset) - math.log(rows * m),
    )
    overlap = dict.fromkeys(size, 0.0)
    for block in _blocks(rows):
        pair = np.exp(log_kernels(among_real.distances[block], wider) - scale)
        pair *= training[among_real.indices[block]] == training[block, None]
        for member in overlap:
            overlap[member] += float(pair[training[block] == member].sum())
    terms = np.zeros(m)
    for block in _blocks(m):
        cross = np.exp(log_kernels(forward.distances[block], bandwidth) + offset - scale)
        inside = training[forward.indices[block]]
        for member, sign in ((True, 1.0), (False, -1.0)):
            n = size[member]
            near = (cross * (inside == member)).sum(axis=1)
            terms[block] += sign * (overlap[member] / (n * (n - 1)) - 2 * near / n)
    return terms


def _log_sum(table: Neighbours, bandwidth: float, offset: float = 0.0) -> float:
    parts = [
        logsumexp(log_kernels(table.distances[block], bandwidth) + offset)
        for block in _blocks(len(table.distances))
    ]
    return float(np.logaddexp.reduce(parts))


def _blocks(rows: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, rows, _BLOCK))
