"""How large a trace is, beside the one that ordinary fitting leaves.

Any law that is fitted to n rows lies a little closer to them than to others: a Gaussian's mean is
theirs. So a significant area is put beside those of a smooth fit with no memory of single rows:

    T' ⊂ T ∪ H random, |T'| = n; a law fitted to T'; m fresh rows of it; the area with which the
    distance to the nearest of them tells rows of T' from the other real rows.

Vectors and images: the Gaussian of the mean and the covariance of T', the latter shrunk as Ledoit
and Wolf (2004) do. Tables: the Gaussian copula of the encoded columns, that is normal scores of
ranks, their shrunk correlation, and the columns' own quantiles. The range over `REPEATS` random T'
is descriptive: a model inside it leaves no more than such a fit would. For d ≥ n nothing is
fitted: there a Gaussian spans the rows themselves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from byheart.auditing.membership import area_under_curve
from byheart.auditing.pool import Pool
from byheart.auditing.result import Trace
from byheart.auditing.search import Search
from byheart.distances.neighbours import two_way

Floats = NDArray[np.float64]
REPEATS = 20
ASKED = 2000  # rows of T', and others, whose distances make the area


def size(search: Search, pool: Pool, auc: float, kind: str, rng: np.random.Generator) -> Trace:
    """Return the area `auc` of an audit beside those of ordinary fits to its real rows."""
    fit = "Gaussian copula" if kind == "table" else "Gaussian"
    rows, n = pool.rows, int(pool.training.sum())
    if rows.shape[1] >= n:
        return Trace(auc, None, fit, 0)
    areas = []
    for _ in range(REPEATS):
        order = rng.permutation(len(rows))
        chosen = rows[np.sort(order[:n])].astype(np.float64)
        draw = _copula if kind == "table" else _gaussian
        made = np.ascontiguousarray(draw(chosen, len(search.generated), rng), rows.dtype)
        inside, outside = (
            two_way(
                rows[np.sort(part[:ASKED])], made, 1, max_memory=search.max_memory
            ).forward.distances[:, 0]
            for part in (order[:n], order[n:])
        )
        areas.append(area_under_curve(inside, outside))
    return Trace(auc, (min(areas), max(areas)), fit, REPEATS)


def _gaussian(rows: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Draw from the shrunk Gaussian of `rows` (n, d): (count, d)."""
    mean = rows.mean(axis=0)
    values, vectors = np.linalg.eigh(_shrunk(rows - mean))
    factor = vectors * np.sqrt(np.maximum(values, 0.0))
    return np.asarray(mean + rng.normal(size=(count, rows.shape[1])) @ factor.T)


def _copula(rows: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Draw from the Gaussian copula of `rows` (n, d) with their own margins: (count, d)."""
    n = len(rows)
    # Equal values get ranks in random order: else they would lose their correlation's scale.
    ranks = np.argsort(np.lexsort((rng.random(rows.shape), rows), axis=0), axis=0)
    normal = _gaussian(ndtri((ranks + 0.5) / n), count, rng)
    shares = (np.argsort(np.argsort(normal, axis=0), axis=0) + rng.random(normal.shape)) / count
    ordered = np.sort(rows, axis=0)
    return np.take_along_axis(ordered, np.minimum((shares * n).astype(np.intp), n - 1), axis=0)


def _shrunk(centred: Floats) -> Floats:
    """Return the covariance of centred rows (n, d), shrunk towards a multiple of the identity.

    Ledoit and Wolf 2004, equations 14 to 17.
    """
    n, d = centred.shape
    sample = centred.T @ centred / n
    mean = np.trace(sample) / d
    away = float(((sample - mean * np.eye(d)) ** 2).sum())
    squares = float((np.einsum("ij,ij->i", centred, centred) ** 2).sum())
    noise = (squares / n - float((sample**2).sum())) / n
    share = min(max(noise / away, 0.0), 1.0) if away > 0 else 0.0
    return np.asarray(share * mean * np.eye(d) + (1 - share) * sample)
