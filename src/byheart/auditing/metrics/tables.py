"""Descriptive figures beside the verdict; none of them decides anything.

Symbols: T, H, G are training, held-out and generated rows, m = |G|, R = T ∪ H (T alone without H).
d_A(x) is the distance from x to the nearest row of A other than x, d_A2(x) to the second nearest;
B_k(x, A) is the closed ball around x that reaches to its k-th nearest other row of A; k = 5.

From the audit's neighbour tables (`from_tables`):

    c_t                    z of Mann-Whitney's U of d_T(G) against d_T(H); negative: G lies nearer
    authenticity           share of g with d_T(g) > d_T(t), t the training row nearest to g
    nearest_share          share of g with d_T(g) < d_H(g), ties half (the DCR share)
    nearest_distance_ratio median over g of d_T(g)/d_T2(g) (NNDR)
    near_copy_share        share of g with d_R(g) <= d_R2(g)/3
    median_distance_ratio  median of d_R over G, over its median over R
    coverage               share of r in R with a generated row in B_k(r, R)

By further passes over the rows: `further_metrics`.

What each can and cannot tell: docs/explanation/metrics.md. Intervals are over draws of G with T and
H held fixed, but that of c_t over draws of G and H.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from byheart import intervals
from byheart.auditing.copies import reproduces
from byheart.auditing.membership import area_under_curve
from byheart.auditing.metrics.definitions import median_interval, metric, share_metric
from byheart.auditing.metrics.further import (
    BALL_NEIGHBOURS,
    by_further_passes,
    by_heldout_distances,
)
from byheart.auditing.metrics.neighbour_tables import NeighbourTables, nearest_training
from byheart.auditing.pool import Sample
from byheart.auditing.result import Metric
from byheart.distances.neighbours import Neighbours, TwoWay
from byheart.distances.rows import Chosen, Rows

Floats = NDArray[np.float64]


def measure(
    chosen: str, tables: NeighbourTables, level: float, rng: np.random.Generator
) -> dict[str, Metric]:
    """Return the metrics of `from_tables`, and with chosen = "all" those of further passes too."""
    found = from_tables(tables, level)
    if chosen == "all":
        found |= by_further_passes(tables, level, rng)
        found |= by_heldout_distances(tables, level, rng)
    return found


def from_tables(tables: NeighbourTables, level: float) -> dict[str, Metric]:
    """Return the metrics that the audit's neighbour tables hold.

    level: the intervals' chance to miss.

    >>> from byheart.distances.neighbours import two_way, within
    >>> rng = np.random.default_rng(0)
    >>> real, made = rng.normal(size=(80, 3)), rng.normal(size=(40, 3))
    >>> found = from_tables(
    ...     NeighbourTables(made, real, np.arange(80) < 40, two_way(made, real), within(real)), 0.05
    ... )
    >>> round(found["nearest_share"].value, 3)
    0.475
    """
    forward, among_real, training = tables.table.forward, tables.among_real, tables.training
    rows = len(forward.distances)
    (near, which), own = tables.to_train, tables.real_to_train
    authentic = int((near[:, 0] > own[training][which[:, 0]]).sum())
    k = min(BALL_NEIGHBOURS, among_real.distances.shape[1])
    radii = among_real.distances[:, k - 1]
    found = {
        "near_copy_share": _near_copies(forward, level),
        "authenticity": share_metric("authenticity", authentic, rows, level),
        "nearest_distance_ratio": _distance_ratio(near, level),
        "coverage": metric("coverage", *_coverage(tables.table, radii, level)),
        **_median_distance_ratio(forward, among_real),
    }
    if not training.all():
        found["nearest_share"] = _nearest_share(forward, training, near[:, 0], level)
        value, interval = data_copying(near[:, 0], own[~training], level)
        found["c_t"] = metric("c_t", value, interval)
    return found


def from_sample(
    sample: Sample,
    training: NDArray[np.bool_],
    generated: Rows,
    real: Rows,
    level: float,
    max_memory: int | None = None,
) -> dict[str, Metric]:
    """Return those metrics of `from_tables` that a random sample of rows estimates.

    generated: (a, d) the sampled generated rows; real: all N real rows, training: (N,). The
    intervals are over the sample. Authenticity and C_T are not among them: they need all rows.
    """
    forward, among_real = sample.forward, sample.among_real
    train = Chosen(real, np.flatnonzero(training))
    near, _ = nearest_training(forward, training, 2, generated, train, max_memory)
    k = min(BALL_NEIGHBOURS, among_real.distances.shape[1])
    covered = int((sample.backward.distances[:, 0] <= among_real.distances[:, k - 1]).sum())
    return {
        "near_copy_share": _near_copies(forward, level),
        "nearest_distance_ratio": _distance_ratio(near, level),
        "coverage": share_metric("coverage", covered, len(among_real.distances), level),
        "nearest_share": _nearest_share(forward, training, near[:, 0], level),
        **_median_distance_ratio(forward, among_real),
    }


def data_copying(
    generated: Floats, heldout: Floats, level: float
) -> tuple[float, tuple[float, float]]:
    """Return C_T of distances to the training rows, (m,) and (h,), and its interval.

    z = (U - m h/2) / sqrt(m h (m + h + 1)/12) with U = #{g > h} + #{g = h}/2: negative when
    generated rows lie nearer to the training rows than held-out ones do. The global statistic of
    Meehan et al. 2020. The interval is that of the area U/(m h) (Newcombe 2006).

    >>> value, interval = data_copying(np.zeros(50), np.ones(50), 0.05)
    >>> round(value, 2)
    -8.62
    """
    m, h = len(generated), len(heldout)
    per_area = m * h / math.sqrt(m * h * (m + h + 1) / 12)
    area = 1 - area_under_curve(generated, heldout)
    low, high = intervals.auc(area, m, h, level)
    return (area - 0.5) * per_area, ((low - 0.5) * per_area, (high - 0.5) * per_area)


def _coverage(
    table: TwoWay, radii: Floats, level: float
) -> tuple[float, tuple[float, float] | None]:
    """Return the share of balls, radii (N,), that hold a generated row, and a jackknife interval.

    Without g the share falls by the balls that hold g alone. The jackknife's variance is too large
    on average (Efron and Stein 1981), and more so where a ball's other rows are not in the lists.
    """
    forward, nearest = table.forward, table.backward
    inside = forward.distances <= radii[forward.indices]
    holds = np.bincount(forward.indices[inside], minlength=len(radii))
    covered = nearest.distances[:, 0] <= radii
    value, m = float(covered.mean()), len(forward.distances)
    alone = np.bincount(nearest.indices[covered & (holds <= 1), 0], minlength=m) / len(radii)
    half = float(ndtri(1 - level / 2)) * math.sqrt((m - 1) * alone.var())
    # Near 0 and 1 the jackknife sees no spread; the interval is never tighter than a proportion's.
    low, high = intervals.wilson(int(covered.sum()), len(radii), level)
    return value, (min(low, value - half), max(high, value + half))


def _near_copies(forward: Neighbours, level: float) -> Metric:
    close = int(reproduces(forward).sum())
    return share_metric("near_copy_share", close, len(forward.distances), level)


def _distance_ratio(near: Floats, level: float) -> Metric:
    """Return the median of d_T/d_T2; near: (m, 2), or (m, 1): a single row is its own second."""
    second = near[:, -1]
    ratio = np.where(second > 0, near[:, 0] / np.where(second > 0, second, 1.0), 1.0)
    return metric("nearest_distance_ratio", float(np.median(ratio)), median_interval(ratio, level))


def _median_distance_ratio(forward: Neighbours, among_real: Neighbours) -> dict[str, Metric]:
    """Return the ratio of the medians; nothing where most real rows have an equal twin."""
    scale = float(np.median(among_real.distances[:, 0]))
    if scale == 0:
        return {}
    typical = float(np.median(forward.distances[:, 0]))
    return {"median_distance_ratio": metric("median_distance_ratio", typical / scale, None)}


def _nearest_share(
    forward: Neighbours, training: NDArray[np.bool_], to_train: Floats, level: float
) -> Metric:
    """Return the share of generated rows nearer to T than to H, ties half."""
    nearest = forward.distances[:, 0]
    inside = training[forward.indices]
    tied = ((forward.distances == nearest[:, None]) & ~inside).any(axis=1)
    count = float((to_train == nearest).sum() - tied[to_train == nearest].sum() / 2)
    return share_metric("nearest_share", count, len(nearest), level)
