"""Whether T and H were drawn alike: a two-sample test among real rows, and what it learned.

Null hypothesis: the units of T ∪ H, rows or groups of rows, were split at random. Given the rows
every relabelling is then as likely as the true labels. X (N, k) are the standardised columns
(of wide rows: leading components). Five statistics:

*Near rows of the same set* and *local density*: tables over the nearest real rows. *Spread*: the
AUC, either way, of the length of the rows of X; it sees what moves no mean, as when a series
becomes wilder.

*Ridge*. With S = X'X/N and g = mean_T X − mean_H X, (n h/N) g' (S + λ I)⁻¹ g is a quadratic form in
the labels, so every relabelling costs one product. λ → 0 is Hotelling's T², the most powerful
invariant test of two normal laws of one covariance; λ → ∞ the distance of the means. λ = 1/100 +
k/N sees no label and keeps directions that have next to no spread, or few rows, from deciding.

*Boosting*. What is not linear is learned: gradient-boosted trees of T against H, on X and the
length of its rows, fitted on one half of the units and tested on the other by relabelling that
half. The halves are drawn with fixed numbers of units of T and of H. By symmetry the labels of the
tested half, given the halves and the labels of the fitted half, are uniform over the labellings
with their sum; the fitted score is a constant there. Hence the rank of its AUC is exact, with one
fit.

The first four share their relabellings and are pooled by min-p, the ridge against the other three;
the fifth has its own and joins by Bonferroni: p = min(p_pool/(2/3), p_boosting/(1/3)). The weights,
λ and the trees are fixed; the spread was added after a series split by time had been looked at.

The order of stored rows is looked at apart (`order`): rows of a random split may be stored sorted,
so an order is no drift.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from byheart.auditing.permutation import Group, Units, bytes_evaluate, pool_p_values, upper_ranks
from byheart.auditing.statistics import Labels, LinearRank, Statistic, area_weights
from byheart.distances.neighbours import Neighbours
from byheart.distances.rows import Rows, row_blocks

Floats = NDArray[np.float64]
AGREEMENT_NEIGHBOURS = 5
# So many standardised columns are used as they are, the larger number only where they take no more
# than so many values; beyond, leading components stand for them.
COLUMNS, MOST_COLUMNS, _HELD_VALUES = 64, 256, 1 << 24
COMPONENTS = 32
RELABELLINGS = 999  # at least: with fewer no p-value is small enough for a part of the level
WEIGHT_TABLES = 2 / 3  # of the statistics that share relabellings; the rest is boosting's
GROUP_RIDGE = 1 / 2  # within these
LEAF = 20  # rows of a leaf, at least
FITTED_ROWS = 50_000  # at most, so that the fit does not grow with the rows
ORDER_ROWS, ORDER_COMPONENTS = 5_000, 8  # of each set
# Of the rows from which components are computed; their products are a square matrix.
_SAMPLED_ROWS, _SAMPLED_VALUES = 1000, 1 << 22
_BLOCK_VALUES = 1 << 20


@dataclass(frozen=True)
class Drift:
    """The test of T against H."""

    p_value: float
    passed: bool
    parts: Mapping[str, float]  # p-value of each statistic alone
    logits: Floats | None  # (units,) log odds of membership learned from other units, if it failed


@final
class NeighbourAgreement(Statistic):
    """Share of (row, near row) pairs that lie in the same set (Schilling 1986, Henze 1988)."""

    def __init__(self, name: str, indices: NDArray[np.int64]) -> None:
        self.name = name
        near = indices[:, :AGREEMENT_NEIGHBOURS]
        rows, k = near.shape
        self.graph = csr_array(
            (np.ones(rows * k, np.float32), near.ravel(), np.arange(0, rows * k + 1, k)),
            shape=(rows, rows),
        )

    def evaluate(self, labels: Labels) -> Floats:
        signs = 2 * labels.astype(np.float32) - 1  # sums of ±1 are exact in float32
        agreement = np.asarray(self.graph @ signs) * signs
        return np.asarray(agreement.sum(axis=0, dtype=np.float64) / self.graph.nnz)


@final
class TwoSided(Statistic):
    """The size of another statistic, whatever its sign."""

    def __init__(self, inner: Statistic) -> None:
        self.name = inner.name
        self.inner = inner

    def evaluate(self, labels: Labels) -> Floats:
        return np.abs(self.inner.evaluate(labels))


@final
class Ridge(Statistic):
    """Regularised Hotelling statistic of the two sets' means."""

    def __init__(self, name: str, coordinates: NDArray[np.float32]) -> None:
        self.name = name
        self.coordinates = coordinates  # (N, k), centred
        rows, width = coordinates.shape
        spread = np.zeros((width, width))
        for start in range(0, rows, 1024):  # bounds what is converted to float64
            part = coordinates[start : start + 1024].astype(np.float64)
            spread += part.T @ part / rows
        penalty = 0.01 + width / rows
        self.factor = np.linalg.cholesky(np.linalg.inv(spread + penalty * np.eye(width)))

    def evaluate(self, labels: Labels) -> Floats:
        rows = len(labels)
        marked = labels.sum(axis=0, dtype=np.float64)
        inside = np.zeros((self.coordinates.shape[1], labels.shape[1]))
        for start in range(0, rows, 1024):
            part = slice(start, start + 1024)
            inside += self.coordinates[part].T.astype(np.float64) @ labels[part].astype(np.float64)
        # The coordinates are centred: the held-out sum is minus the training sum.
        gap = self.factor.T @ inside * np.sqrt(rows / (marked * (rows - marked)))
        return np.asarray(np.round((gap**2).sum(axis=0), 9))  # equal labellings tie exactly


def drift(
    real: Rows,
    among_real: Neighbours,
    units: Units,
    relabellings: int,
    level: float,
    rng: np.random.Generator,
) -> Drift:
    """Test T against H among all real rows.

    real: (N, d) pooled rows in an order that knows no label; among_real: (N, k) nearest other real
    rows; relabellings: at least 999 are drawn; level: of this one control. Exact, see above.

    >>> from byheart.distances.neighbours import within
    >>> rng = np.random.default_rng(0)
    >>> real, training = rng.normal(size=(400, 3)), rng.permutation(400) < 200
    >>> units = Units(np.arange(400), training)
    >>> drift(real, within(real, 5), units, 999, 0.01, rng).passed
    True
    >>> moved = real + 0.8 * training[:, None] * [1, 0, 0]
    >>> drift(moved, within(moved, 5), units, 999, 0.01, rng).passed
    False
    """
    columns = coordinates(real, rng)
    relabellings = max(relabellings, RELABELLINGS)
    near: list[Statistic] = [
        NeighbourAgreement("neighbour_agreement", among_real.indices),
        TwoSided(LinearRank("local_density", area_weights(among_real.distances[:, 0]))),
        TwoSided(LinearRank("spread", area_weights(columns[:, -1].astype(np.float64)))),
    ]
    groups = [
        Group(GROUP_RIDGE, [Ridge("ridge", columns[:, :-1])]),
        Group(1 - GROUP_RIDGE, near),
    ]
    values = [
        [np.stack([s.evaluate(labels) for s in group.statistics]) for group in groups]
        for labels in units.relabellings(relabellings, rng)
    ]
    tables = [np.concatenate(blocks, axis=1) for blocks in zip(*values, strict=True)]
    pooled = pool_p_values(groups, tables)
    first = _halves(units, rng)
    scores = _fitted(columns, units, first, rng)
    boosted = _relabelled(scores, units, first, relabellings, rng)
    p_value = min(1.0, pooled.p_value / WEIGHT_TABLES, boosted / (1 - WEIGHT_TABLES))
    logits = None
    if p_value <= level:
        logits = _per_unit(scores + _fitted(columns, units, ~first, rng), units)
        logits = calibrated(logits, units.training)
    parts = {test.name: test.p_value for test in pooled.tests}
    return Drift(p_value, p_value > level, {**parts, "boosting": boosted}, logits)


def coordinates(real: Rows, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the rows' standardised columns or leading components, (N, k + 1), k ≤ 256.

    The last entry of a row is the length of the others. Columns without spread are left out;
    components are those of a random sample of rows. No label is seen.
    """
    rows, dimension = real.shape
    blocks = list(row_blocks(rows, dimension, _BLOCK_VALUES))
    directions = None
    if dimension <= max(COLUMNS, min(MOST_COLUMNS, _HELD_VALUES // rows)):
        mean = sum(real[b].sum(axis=0, dtype=np.float64) for b in blocks) / np.float64(rows)
        least, width = 1e-12 * np.abs(mean), dimension
    else:
        mean, directions = _components(real, rng)
        least, width = np.zeros(directions.shape[1]), directions.shape[1]
    out = np.empty((rows, width + 1), np.float32)
    total, squares = np.zeros((2, width))
    for block in blocks:
        part = real[block] - mean
        if directions is not None:
            part = part @ directions
        out[block, :-1] = part
        total += part.sum(axis=0)
        squares += np.einsum("ij,ij->j", part, part)
    middle = total / rows
    spread = np.sqrt(np.maximum(squares / rows - middle**2, 0.0))
    some = spread > least
    kept = int(some.sum())
    for block in blocks:
        part = (out[block, :-1][:, some] - middle[some]) / spread[some]
        out[block, :kept] = part
        out[block, kept] = np.sqrt(np.einsum("ij,ij->i", part, part))
    return out[:, : kept + 1]


def _components(real: Rows, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the mean (d,) and leading principal directions (d, k) of a random sample of rows."""
    rows, dimension = real.shape
    count = min(rows, _SAMPLED_ROWS, max(2 * COMPONENTS, _SAMPLED_VALUES // dimension))
    sample = real[np.sort(rng.permutation(rows)[:count])].astype(np.float64)
    mean = sample.mean(axis=0)
    sample -= mean
    size, vectors = np.linalg.eigh(sample @ sample.T)  # of the rows: dimension may be large
    noise = max(1e-10 * float(size[-1]), 1e-20 * count * float(mean @ mean))
    kept = (size > noise) & (np.arange(count) >= count - COMPONENTS)
    return mean, sample.T @ (vectors[:, kept] / np.sqrt(size[kept]))


def calibrated(logits: Floats, training: NDArray[np.bool_]) -> Floats:
    """Return the logits times the slope of a logistic regression of the labels on them.

    Trees of few rows are too sure of themselves: without drift their logits are noise, and the
    slope is near 0. A negative slope counts as 0.

    >>> noise = np.array([-1.0, 1.0, -1.0, 1.0])
    >>> calibrated(noise, np.array([True, True, False, False]))
    array([0., 0., 0., 0.])
    """
    design = np.stack([np.ones(len(logits)), logits], axis=1)
    weights = np.zeros(2)
    for _ in range(50):
        fitted = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        slope = design.T @ (training - fitted) - 1e-3 * weights  # a touch of ridge: it is finite
        bend = (design.T * (fitted * (1 - fitted))) @ design + 1e-3 * np.eye(2)
        step = np.linalg.solve(bend, slope)
        weights += step
        if np.abs(step).max() < 1e-9:
            break
    return np.asarray(max(float(weights[1]), 0.0) * logits + 0.0)


def order(train: Rows, heldout: Rows, relabellings: int, rng: np.random.Generator) -> float:
    """Return the p-value that rows which follow each other in a file are no more alike than others.

    train, heldout: (n, d) and (h, d) in their stored order. The statistic is the mean squared step
    from row to row within each set (von Neumann 1941) on leading components, the null that of
    rows permuted within their set. A small value belongs to a series, or to sorted rows; beside a
    drift it says that the data were perhaps split by time. It is no evidence of drift by itself.

    >>> rng = np.random.default_rng(0)
    >>> walk = rng.normal(size=(400, 2)).cumsum(axis=0)
    >>> order(walk[:200], walk[200:], 99, rng)
    0.01
    """
    sizes = [min(len(rows), ORDER_ROWS) for rows in (train, heldout)]
    first = np.concatenate([train[: sizes[0]], heldout[: sizes[1]]])
    columns = coordinates(first, rng)[:, :-1][:, -ORDER_COMPONENTS:].astype(np.float64)
    total = np.empty(relabellings + 1)
    for k in range(relabellings + 1):
        shuffled = [np.arange(size) if k == 0 else rng.permutation(size) for size in sizes]
        sets = columns[shuffled[0]], columns[sizes[0] + shuffled[1]]
        total[k] = sum(float((np.diff(rows, axis=0) ** 2).sum()) for rows in sets)
    return float(upper_ranks(-np.round(total, 6)[None])[0, 0])


def _halves(units: Units, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw which units (groups,) are fitted first: half of those of T and half of those of H."""
    first = np.zeros(len(units.training), bool)
    for members in (np.flatnonzero(units.training), np.flatnonzero(~units.training)):
        first[rng.permutation(members)[: len(members) // 2]] = True
    return first


def _fitted(
    columns: NDArray[np.float32],
    units: Units,
    half: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Floats:
    """Fit the units of one half and return the log odds of the others' rows, 0 elsewhere: (N,)."""
    fit = half[units.group]
    rows = rng.permutation(np.flatnonzero(fit))[:FITTED_ROWS]
    out = np.zeros(len(columns))
    target = units.training[units.group[rows]]
    if len(np.unique(target)) < 2 or len(rows) < 4 * LEAF:  # too few to learn from
        return out
    from sklearn.ensemble import HistGradientBoostingClassifier

    trees: Any = HistGradientBoostingClassifier(
        max_iter=100,
        learning_rate=0.05,
        max_leaf_nodes=8,
        min_samples_leaf=LEAF,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=0,  # of nothing that is drawn here
    ).fit(columns[rows], target)
    tested = np.flatnonzero(~fit)
    for block in row_blocks(len(tested), columns.shape[1], _BLOCK_VALUES):
        out[tested[block]] = trees.decision_function(columns[tested[block]])
    return out


def _relabelled(
    scores: Floats,
    units: Units,
    first: NDArray[np.bool_],
    relabellings: int,
    rng: np.random.Generator,
) -> float:
    """Return the p-value of the scores of the units that were not fitted."""
    tested = ~first
    rows = np.flatnonzero(tested[units.group])
    number = np.cumsum(tested) - 1
    rest = Units(number[units.group[rows]], units.training[tested])
    if len(np.unique(rest.training)) < 2:
        return 1.0
    statistic = LinearRank("boosting", area_weights(-scores[rows]))
    values = [statistic.evaluate(labels) for labels in rest.relabellings(relabellings, rng)]
    return float(upper_ranks(np.concatenate(values)[None])[0, 0])


def _per_unit(values: Floats, units: Units) -> Floats:
    count = np.bincount(units.group, minlength=len(units.training))
    return np.asarray(np.bincount(units.group, values, len(units.training)) / count)


def bytes_learner(real: int) -> int:
    """Return the bytes of scikit-learn, once it has been imported to fit the trees."""
    return 70 << 20 if real // 2 >= 4 * LEAF else 0


def bytes_drift(real: int, dimension: int, relabellings: int) -> int:
    """Return the bytes of the coordinates, of what the trees are fitted on, and of the tables."""
    columns = min(dimension, MOST_COLUMNS) + 1
    fitted = min(real, FITTED_ROWS) * (9 * columns + 64)
    return real * (4 * columns + 100) + fitted + bytes_evaluate(real, relabellings)
