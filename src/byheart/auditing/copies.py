"""Which training points came back in the samples, and how many at least.

*Named points.* Conformal p-value of training point i with score s_i (small is suspicious):
(1 + #{h in H: s_h ≤ s_i}) / (|H| + 1); Benjamini–Hochberg at `fdr` over T. The list holds at most
that share of false alarms in expectation (Bates, Candès, Lei, Romano and Sesia 2023).

*How many at least.* For k = 0, 1, … delete the k best-ranked training points and test the rest
with Berk–Jones at its null for (n − k, N − k), on the distance, on the ratio and on each score that
tables and images have beside them, each at its equal share of the level and each deleting its own
best; k is rejected when any test rejects, and the bound is the number of k rejected before the
first acceptance. It is exact: if K points are memorized, deleting
those leaves exchangeable rows; deleting the k ≥ K best-ranked training points instead can only
lower every count, so the first k ≥ K on the grid is rejected with probability at most `level`,
and no later k is reached.

*Reproduced points.* A real point is reproduced when some generated one lies at most a third as far
from it as from any other real point (ratio ≤ 1/3: Yoon et al. 2023). Held-out points are
reproduced by chance only; these "phantoms" are the yardstick for the training points. A second
yardstick needs no held-out set: how often the rows of T reproduce each other.

Which generated rows copy a listed point, and how often it comes back, is decided in `copying`.

With groups of rows, a point is a group and its score the smallest over its rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from byheart import intervals
from byheart.auditing import copying
from byheart.auditing.pool import Points, Pool
from byheart.auditing.result import CopiedPair, Copies, Verbatim
from byheart.auditing.scores import relative_scores
from byheart.auditing.settings import Settings
from byheart.auditing.statistics import berk_jones, ladder, log_upper_tail
from byheart.distances.neighbours import Neighbours, TwoWay

Floats = NDArray[np.float64]
REPRODUCED_RATIO = 1 / 3
# Controls, and what stands in for one, are tested at this share of the level each, so that they
# seldom spoil a clean audit.
CONTROL_SHARE = 1 / 5


def conformal_p_values(train: Floats, heldout: Floats) -> Floats:
    """Return the p-value of each training score, (n,), against held-out scores (h,).

    >>> conformal_p_values(np.array([0.0, 2.5]), np.array([1.0, 2.0, 3.0]))
    array([0.25, 0.75])
    """
    at_most = np.searchsorted(np.sort(heldout), train, side="right")
    return (1 + at_most) / (len(heldout) + 1)


def benjamini_hochberg(p_values: Floats) -> Floats:
    """Return q-values, (n,): listing all points with q ≤ fdr controls the rate at fdr.

    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03, 0.5])).round(4)
    array([0.04  , 0.0533, 0.0533, 0.5   ])
    """
    order = np.argsort(p_values, kind="stable")
    scaled = p_values[order] * len(p_values) / np.arange(1, len(p_values) + 1)
    q = np.empty(len(p_values))
    q[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return q


def minimum_list_length(train_points: int, heldout_points: int, fdr: float) -> int:
    """Return how many training points must lie ahead of every held-out one to be listed.

    >>> minimum_list_length(400, 400, 0.05)
    20
    """
    return math.ceil(train_points / (fdr * (heldout_points + 1)) - 1e-9)


def deletion_grid(points: int) -> list[int]:
    """Return the numbers of deleted points that are tried: all up to 50, then steps of 2%."""
    grid, k = [], 0
    while k < points:
        grid.append(k)
        k += max(1, k // 50)
    return grid


def memorized_lower_bound(
    scores: Sequence[Floats],
    training: NDArray[np.bool_],
    level: float,
    rng: np.random.Generator,
    relabellings: int = 999,
) -> int:
    """Return a lower confidence bound on the number of memorized training points.

    scores: each (N,), small is suspicious, ties in the shuffled order of the rows; training: (N,).
    Holds with probability at least 1 - level; derived above and in docs/explanation/statistics.md.

    >>> rng = np.random.default_rng(0)
    >>> score = np.concatenate([np.zeros(30), rng.uniform(1, 2, size=370)])
    >>> memorized_lower_bound([score], np.arange(400) < 200, 0.05, rng)
    27
    """
    ranked = [training[np.argsort(score, kind="stable")] for score in scores]
    points = int(training.sum())
    bound = 0
    for k in deletion_grid(points):
        for marked in ranked:
            rest = np.delete(marked, np.flatnonzero(marked)[:k])
            p_value = _berk_jones_p_value(rest, points - k, rng, relabellings)
            if p_value <= level / len(scores):
                bound = k + 1
                break
        else:
            return bound
    return bound


def berk_jones_null(rows: int, count: int, rng: np.random.Generator, relabellings: int) -> Floats:
    """Return Berk–Jones of random 0/1 sequences of `rows` entries and `count` ones.

    Shape (relabellings,); the cuts are those of `ladder(rows)`.
    """
    cuts = ladder(rows)
    blocks = np.diff(np.concatenate([[0], cuts, [rows]]))
    # Under the null the counts per block of ranks are multivariate hypergeometric.
    null = rng.multivariate_hypergeometric(blocks, count, size=relabellings, method="marginals")
    return berk_jones(np.cumsum(null[:, :-1].T, axis=0, dtype=np.intp), cuts, rows, count)


def berk_jones_value(marked: NDArray[np.bool_]) -> float:
    """Return Berk–Jones of one 0/1 sequence, the most suspicious entry first."""
    cuts = ladder(len(marked))
    counts = np.cumsum(marked, dtype=np.intp)[cuts - 1]
    return float(berk_jones(counts[:, None], cuts, len(marked), int(marked.sum()))[0])


def _berk_jones_p_value(
    marked: NDArray[np.bool_], count: int, rng: np.random.Generator, relabellings: int
) -> float:
    """Return the Monte Carlo p-value of Berk–Jones for one ranked 0/1 sequence of `count` ones."""
    if len(marked) < 2 or count in (0, len(marked)):
        return 1.0
    null = berk_jones_null(len(marked), count, rng, relabellings)
    return float((1 + np.sum(null >= berk_jones_value(marked))) / (relabellings + 1))


def excess_p_value(train_hits: int, heldout_hits: int, train: int, heldout: int) -> float:
    """Return P(at least `train_hits` of all hits fall in T) when hits fall at random.

    >>> round(excess_p_value(5, 0, 100, 100), 4)
    0.0297
    """
    hits = train_hits + heldout_hits
    return float(np.exp(log_upper_tail(train + heldout, train, hits)[train_hits]))


def reproduces(table: Neighbours) -> NDArray[np.bool_]:
    """Return which rows (q,) lie within a third of the way: D₁/D₂ ≤ 1/3, two twins excepted."""
    nearest, second = table.distances[:, 0], table.distances[:, 1]
    return np.asarray((nearest <= REPRODUCED_RATIO * second) & (second > 0))


@dataclass(frozen=True)
class Reproduced:
    """Which points are reproduced, (units,), and the p-value that rows of T do it as often to T."""

    points: NDArray[np.bool_]
    p_value: float


def reproduced(
    points: Points, pool: Pool, forward: Neighbours, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return which points are reproduced, (units,), by no more generated rows than training rows.

    forward: (m, k) nearest real rows of generated ones; of m > n a random n are asked, since more
    samples come as near to more rows whatever the model.
    """
    n, ratio = int(pool.training.sum()), points.scores.ratio
    if len(forward.distances) > n:
        some = np.sort(rng.permutation(len(forward.distances))[:n])
        part = Neighbours(forward.distances[some], forward.indices[some])
        by_row = relative_scores(part, len(pool.training))[0]
        ratio = np.full(len(points.training), np.inf)
        np.minimum.at(ratio, pool.units.group, by_row)
    return np.asarray(ratio <= REPRODUCED_RATIO)


def find(
    points: Points,
    pool: Pool,
    table: TwoWay,
    verbatim: Verbatim,
    near: Reproduced,
    settings: Settings,
    rng: np.random.Generator,
    names: tuple[Callable[[int], str], Callable[[int], str]],
) -> Copies:
    """Return the copied training points of one audit.

    A point is listed if it is named at the rate `fdr`, verbatim where that is no accident
    (`Verbatim.evident`), or reproduced, if T is reproduced more than H is by chance.
    near: which points are reproduced; names: from row number to the name of a training row and of a
    generated row.
    """
    training = points.training
    units = np.flatnonzero(training)
    q_values = benjamini_hochberg(
        conformal_p_values(points.train_distance, points.heldout_distance)
    )
    hits = int(near.points[training].sum()), int(near.points[~training].sum())
    sizes = len(units), len(training) - len(units)
    listed = q_values <= settings.fdr
    if hits[0] and excess_p_value(*hits, *sizes) <= settings.level * CONTROL_SHARE:
        listed = listed | near.points[units]
    equal = points.scores.distance[units] == 0
    if verbatim.evident:
        listed = listed | equal
    pairs = []
    for unit, q_value in zip(units[listed], q_values[listed], strict=True):
        row = int(points.row[unit])
        train_index = pool.set_index(row)
        generated_index = int(table.backward.indices[row, 0])
        pairs.append(
            CopiedPair(
                train_index=train_index,
                generated_index=generated_index,
                distance=float(table.backward.distances[row, 0]),
                q_value=float(q_value),
                train_name=names[0](train_index),
                generated_name=names[1](generated_index),
            )
        )
    named = q_values <= settings.fdr
    copied, distance = _copied(
        points, pool, table, units[listed], units[named], listed.sum() > named.sum()
    )
    by_unit = np.full(len(training), np.nan)
    by_unit[units] = q_values
    rows = copying.copying_rows(copied, distance, pool, by_unit[pool.units.group], names)
    made, generated = len(rows), len(distance)
    return Copies(
        memorized_lower_bound=memorized_lower_bound(
            (points.scores.distance, points.scores.ratio, *points.further.values()),
            training,
            settings.level,
            rng,
        ),
        fdr=settings.fdr,
        minimum_list_length=minimum_list_length(*sizes, settings.fdr),
        flagged_train=tuple(sorted(pool.set_index(int(points.row[u])) for u in units[named])),
        pairs=tuple(sorted(pairs, key=lambda p: (p.distance, p.train_index))),
        reproduced_train=hits[0],
        reproduced_heldout=hits[1],
        reproduction_p_value=near.p_value,
        share_of_generated=made / generated,
        share_interval=intervals.wilson(made, generated, settings.level),
        rows=rows,
    )


def withheld(copies: Copies, reason: str) -> Copies:
    """Return the copies without what needs a random split: the bound and the named points.

    Rows that are verbatim copies stay in the lists: their identity is a fact.
    """
    kept = {row.train_index for row in copies.rows if row.verbatim}
    return replace(
        copies,
        memorized_lower_bound=None,
        flagged_train=(),
        pairs=tuple(pair for pair in copies.pairs if pair.distance == 0),
        rows=tuple(row for row in copies.rows if row.verbatim),
        training_rows=tuple(row for row in copies.training_rows if row.train_index in kept),
        withheld=reason,
    )


def _copied(
    points: Points,
    pool: Pool,
    table: TwoWay,
    listed: NDArray[np.intp],
    named: NDArray[np.intp],
    with_reproduced: bool,
) -> tuple[NDArray[np.intp], Floats]:
    """Return which row of the pool each generated row copies, (m,), −1 for none, and how near.

    listed, named: training units; the rule is derived in `copying`.
    """
    nearest = copying.Nearest.of(table.forward, pool.training)
    distance = nearest.distance.copy()
    limit = copying.cut(points.scores.distance[named], points.heldout_distance)
    close = (distance == 0) | (distance < limit)
    if with_reproduced:
        close |= reproduces(table.forward)
    copied = np.where(close & nearest.training, nearest.row, -1)
    # The pairs of the list, the farthest first: where two share a generated row, the nearer stays.
    for unit in listed[np.argsort(-points.scores.distance[listed], kind="stable")]:
        row = int(points.row[unit])
        g = int(table.backward.indices[row, 0])
        if not (close[g] and nearest.training[g]):
            copied[g], distance[g] = row, table.backward.distances[row, 0]
    return copied, distance
