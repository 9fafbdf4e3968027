"""Descriptive figures that take passes of their own over the rows; none of them decides anything.

Symbols as in `metrics`.

    precision              share of g in some B_k(r, R), r in R
    density                mean over g of the number of such balls, over k
    recall                 share of r in R in some B_k(g, G), g in G
    memorization_distance  mean over g of min over t of 1 - |cos(g, t)|
    vendi_score            exp of the entropy of K/n's eigenvalues, K the cosines of n rows of G
    likelihood_gap         FLD's generalization gap, of at most 1,000 rows a set (`likelihood_gap`)
    local_dimension        median local dimension of R at training rows (`geometry`)
    overfit_share          share of these rows where that of G is less, by intervals (`geometry`)
    memorized_share        share of g with d_T(g) <= delta_m, and with held-out rows only
    spurious_share         share of the others with d_G(g) <= delta_s; thresholds: `phases`
    generalized_share      share of the rest
    ams                    share of g with d_T(g) <= r, r the 1% quantile of d_T over H
    ums                    number of t with d_G(t) <= r, over m (`extraction`)

What each can and cannot tell: docs/explanation/metrics.md. Intervals are over draws of G with T and
H held fixed, but that of recall over draws of R with G fixed, that of likelihood_gap over draws of
T and H with G and the fit held fixed, those of the dimensions over draws of the training rows.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from byheart.auditing.metrics import balls, geometry, phases
from byheart.auditing.metrics.definitions import (
    VENDI_ROWS,
    mean_interval,
    median_interval,
    metric,
    share_metric,
)
from byheart.auditing.metrics.extraction import distinct_interval
from byheart.auditing.metrics.likelihood_gap import likelihood_gap
from byheart.auditing.metrics.neighbour_tables import NeighbourTables
from byheart.auditing.result import Metric
from byheart.distances.neighbours import two_way, within
from byheart.distances.rows import Chosen, Rows, Stacked, Unit, extent, row_blocks

Floats = NDArray[np.float64]
BALL_NEIGHBOURS = 5  # k of the balls, as in Naeem et al.
HELD_OUT = 0.01  # share of held-out rows within the radius of AMS and UMS
GAP_ROWS, GAP_VALUES = 1000, 1 << 21  # at most of each set in FLD's gap, which meets all pairs
_GRAM_VALUES = 1 << 17  # values of a block of rows for the cosines


def by_further_passes(
    tables: NeighbourTables, level: float, rng: np.random.Generator
) -> dict[str, Metric]:
    """Return the metrics that need more than the audit's tables.

    level: the intervals' chance to miss. rng chooses the rows of the Vendi score, of FLD's gap and
    of the dimensions. Cost in products of m x N values: one for precision and density, one for
    recall and half of m x m, one or two of m x n for the memorization distance, one of m x 1,000
    for the dimensions.

    >>> rng = np.random.default_rng(0)
    >>> real, made = rng.normal(size=(80, 3)), rng.normal(size=(40, 3))
    >>> found = by_further_passes(
    ...     NeighbourTables(made, real, np.arange(80) < 40, two_way(made, real), within(real)),
    ...     0.05,
    ...     rng,
    ... )
    >>> found["precision"].value, found["recall"].value
    (0.95, 0.9625)
    """
    generated, real, among_real = tables.generated, tables.real, tables.among_real
    memory = tables.max_memory
    k = min(BALL_NEIGHBOURS, among_real.distances.shape[1])
    around = balls.counts(generated, real, among_real.distances[:, k - 1], max_memory=memory)
    found = {
        "precision": share_metric("precision", int((around > 0).sum()), len(generated), level),
        "density": metric("density", *mean_interval(around / k, level)),
    }
    among_generated = within(generated, BALL_NEIGHBOURS, max_memory=memory).distances
    if among_generated.size:
        back = balls.covered(real, generated, among_generated[:, -1], max_memory=memory)
        found["recall"] = share_metric("recall", int(back.sum()), len(real), level)
    cosines = cosine_distances(generated, tables.train, memory)
    found["memorization_distance"] = metric("memorization_distance", *mean_interval(cosines, level))
    some = rng.permutation(len(generated))[:VENDI_ROWS]
    # The largest possible score is the number of rows.
    found["vendi_score"] = Metric(
        vendi(Chosen(generated, some)), None, "maximize", 1.0, float(len(some))
    )
    return found | _gap(tables, level, rng) | _dimensions(tables, level, rng)


def _gap(tables: NeighbourTables, level: float, rng: np.random.Generator) -> dict[str, Metric]:
    """Return FLD's gap; nothing without held-out rows, or without any spread in them."""
    if tables.training.all():
        return {}
    most = max(2, min(GAP_ROWS, GAP_VALUES // tables.real.shape[1]))
    t, h, g = (
        np.asarray(rows[rng.permutation(len(rows))[:most]], dtype=np.float64)
        for rows in (tables.train, tables.heldout, tables.generated)
    )
    if not (h.max(axis=0) > h.min(axis=0)).any():
        return {}
    return {"likelihood_gap": metric("likelihood_gap", *likelihood_gap(t, h, g, level))}


def _dimensions(
    tables: NeighbourTables, level: float, rng: np.random.Generator
) -> dict[str, Metric]:
    """Return what `metrics.geometry` finds around training rows; nothing for too few rows."""
    around = geometry.around_training(tables, level, rng)
    if around is None or not math.isfinite(typical := float(np.median(around[1].values))):
        return {}
    ends = median_interval(around[1].values, level, math.inf)
    kinds = [point.kind for point in geometry.judge(*around)]
    return {
        "local_dimension": metric(
            "local_dimension", typical, ends if math.isfinite(ends[1]) else None
        ),
        "overfit_share": share_metric(
            "overfit_share", kinds.count("overfitting-driven"), len(kinds), level
        ),
    }


def by_heldout_distances(
    tables: NeighbourTables, level: float, rng: np.random.Generator
) -> dict[str, Metric]:
    """Return the metrics whose thresholds are distances from held-out to training rows.

    None with fewer than 2 held-out rows. Cost: half of m x m and half of h x h values for the
    shares of `phases` (G with itself), one of m x n for the distinct rows.
    """
    if len(tables.heldout) < 2 or len(tables.generated) < 2:
        return {}
    to_train = tables.to_train[0][:, 0]
    heldout_to_train = tables.real_to_train[~tables.training]
    found = phases.classify(
        to_train,
        heldout_to_train,
        tables.heldout,
        tables.generated,
        level=level,
        rng=rng,
        max_memory=tables.max_memory,
    )
    shares = (found.memorized, found.spurious, found.generalized)
    return {
        f"{phase}_share": metric(f"{phase}_share", share.value, share.interval)
        for phase, share in zip(phases.PHASES, shares, strict=True)
    } | _extracted(to_train, heldout_to_train, tables, level)


def _extracted(
    to_train: Floats, heldout_to_train: Floats, tables: NeighbourTables, level: float
) -> dict[str, Metric]:
    """Return AMS and UMS within the radius that holds 1% of the held-out rows."""
    m = len(tables.generated)
    radius = float(np.quantile(heldout_to_train, HELD_OUT))
    back = two_way(tables.train, tables.generated, 2, max_memory=tables.max_memory).forward
    hit = back.distances[:, 0] <= radius
    single = hit & (back.distances[:, 1] > radius)
    alone = np.bincount(back.indices[single, 0], minlength=m).astype(np.float64)
    distinct = int(hit.sum())
    low, high = distinct_interval(distinct, alone, len(tables.train), level)
    return {
        "ams": share_metric("ams", int((to_train <= radius).sum()), m, level),
        "ums": metric("ums", distinct / m, (low / m, high / m)),
    }


def cosine_distances(generated: Rows, train: Rows, max_memory: int | None = None) -> Floats:
    """Return min over training rows of 1 - |cos| of each generated row, (m,) (Bai et al. 2021).

    A row of zeros has no direction: it counts as orthogonal to all others. Found as the nearest
    neighbour u of unit rows and their negatives, by 1 - cos = |u - v|²/2.

    >>> cosine_distances(np.array([[3.0, 0.0], [0.0, 0.0]]), np.array([[-1.0, 0.0], [1.0, 1.0]]))
    array([0., 1.])
    """
    ours, theirs = Unit(generated), Unit(train)
    mine, other = ours.directed(), theirs.directed()
    distances = np.ones(len(generated))
    if len(mine) == 0 or len(other) == 0:
        return distances
    references: Rows = Chosen(theirs, other)
    if min(extent(generated)[0], extent(train)[0]) < 0:
        references = Stacked(references, Chosen(Unit(train, sign=-1), other))
    table = two_way(Chosen(ours, mine), references, 1, max_memory=max_memory)
    distances[mine] = np.minimum(table.forward.distances[:, 0] ** 2 / 2, 1.0)
    return distances


def vendi(rows: Rows) -> float:
    """Return the Vendi score of (n, d) rows under the cosine kernel: the effective number of rows.

    exp(-sum l log l), l the eigenvalues of K/n (Friedman and Dieng 2023). A row of
    zeros has similarity 0 to all others and, like every row, 1 to itself.

    >>> round(vendi(np.eye(4)), 6), round(vendi(np.ones((4, 3))), 6)
    (4.0, 1.0)
    """
    unit = Unit(rows, dtype=np.float64)
    n = len(rows)
    parts = list(row_blocks(n, rows.shape[1], _GRAM_VALUES))
    gram = np.empty((n, n))
    for i, first in enumerate(parts):
        left = unit[first]
        for second in parts[: i + 1]:
            gram[first, second] = left @ unit[second].T
            gram[second, first] = gram[first, second].T
    np.fill_diagonal(gram, 1.0)
    gram /= n
    shares = np.linalg.eigvalsh(gram)
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))
