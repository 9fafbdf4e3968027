"""Which generated rows copy a training row, and which training rows they come from.

*Generated rows.* A generated row g copies the training row t when t is its nearest real row (of
equally near ones a training row) and the pair (g, t) alone would put t on the list:

* the two are equal ("verbatim"), whatever else holds;
* they lie closer than the cut c at which the named list ends. The list names the training points
  with a conformal p-value of at most p*, that of its last entry. As p(s) = (1 + #{h: s_h ≤ s})
  / (|H| + 1) grows with s, p(s) ≤ p* holds exactly for s < c, the first held-out score beyond what
  p* allows. The score of t is at most D(g, t) < c, so every such t is named, and every further copy
  of a named row is found, not only the nearest;
* where the list holds reproduced points: g lies at most a third as far from t as from any other
  real row.

The nearest generated row of every listed training point is on the list as well, so that none of
them stays behind once the copying rows are dropped.

*Training rows.* Rows that stand in T more than once are learned first. Two training rows are near
duplicates when they lie as near as a planted copy to its original, at the noise of the gate
(`planted.GATE_NOISE`); a cluster is what such pairs connect. In few dimensions neighbours come that
near by chance. Where most rows have a twin, twins say nothing, and no cluster is listed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from byheart.auditing.pool import Distances, Pool
from byheart.auditing.result import CopyingRow, TrainingRow
from byheart.distances.neighbours import Neighbours

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
_BLOCK = 8192  # rows of a table looked at together
Namer = Callable[[int], str]


@dataclass(frozen=True)
class Nearest:
    """The nearest real row of each of m generated rows; of equally near ones a training row."""

    row: Rows  # (m,) of the pool
    training: NDArray[np.bool_]  # (m,) whether that is a training row
    distance: Floats  # (m,)

    @classmethod
    def of(cls, forward: Neighbours, training: NDArray[np.bool_]) -> Nearest:
        """Take it from the k nearest real rows (m, k); training: (N,)."""
        row = np.empty(len(forward.distances), dtype=np.intp)
        for start in range(0, len(row), _BLOCK):
            near = forward.distances[start : start + _BLOCK]
            rows = forward.indices[start : start + _BLOCK]
            own = training[rows] & (near == near[:, :1])
            row[start : start + _BLOCK] = np.take_along_axis(
                rows, own.argmax(axis=1)[:, None], axis=1
            )[:, 0]
        return cls(row, training[row], forward.distances[:, 0])


def cut(named: Floats, heldout: Floats) -> float:
    """Return the distance below which a training point would be named; −inf if none is.

    named: scores of the named points, (k,); heldout: of the held-out ones, (h,).

    >>> cut(np.array([0.1, 0.5]), np.array([0.4, 0.7, 0.9]))
    0.7
    """
    if not len(named):
        return float("-inf")
    ordered = np.sort(heldout)
    allowed = int(np.searchsorted(ordered, named.max(), side="right"))
    return float(ordered[allowed]) if allowed < len(ordered) else float("inf")


def copying_rows(
    copied: Rows,
    distance: Floats,
    pool: Pool,
    q_values: Floats | None,
    names: tuple[Namer, Namer],
) -> tuple[CopyingRow, ...]:
    """Return the records of the copying rows, the closest first.

    copied: (m,) the pool's row that each generated row copies, −1 for none; distance: (m,) between
    the two; q_values: of the pool's rows, (N,), or None; names: from row number to the name of a
    training row and of a generated row.
    """
    found = np.flatnonzero(copied >= 0)
    times = Counter(copied[found].tolist())
    rows = []
    for g in found[np.argsort(distance[found], kind="stable")].tolist():
        row = int(copied[g])
        index = pool.set_index(row)
        rows.append(
            CopyingRow(
                generated_index=g,
                generated_name=names[1](g),
                train_index=index,
                train_name=names[0](index),
                distance=float(distance[g]),
                verbatim=bool(distance[g] == 0),
                times_reproduced=times[row],
                q_value=None if q_values is None else float(q_values[row]),
            )
        )
    return tuple(rows)


def training_rows(
    copying: Sequence[CopyingRow],
    named: Sequence[int],
    distances: Distances,
    pool: Pool,
    name: Namer,
    reach: float,
) -> tuple[TrainingRow, ...]:
    """Return the training rows that come back or have a twin in T, most often reproduced first.

    named: numbers of the named training rows; reach: the largest distance of near duplicates.
    """
    times = Counter(row.train_index for row in copying)
    cluster, twin = clusters(distances.among_real, pool.training, reach)
    on_the_list = set(named)
    rows = []
    for row in np.flatnonzero(pool.training).tolist():
        index = pool.set_index(row)
        if times[index] or index in on_the_list or cluster[row]:
            rows.append(
                TrainingRow(
                    train_index=index,
                    train_name=name(index),
                    times_reproduced=times[index],
                    distance=float(distances.table.backward.distances[row, 0]),
                    named=index in on_the_list,
                    cluster=int(cluster[row]) or None,
                    twin_distance=float(twin[row]) if cluster[row] else None,
                )
            )
    return tuple(sorted(rows, key=lambda r: (-r.times_reproduced, r.distance, r.train_index)))


def clusters(
    among_real: Neighbours, training: NDArray[np.bool_], reach: float
) -> tuple[Rows, Floats]:
    """Return the cluster of each of N rows, from 1 on, 0 for none, and the distance to its twin.

    among_real: (N, k) nearest other real rows; reach: the largest distance of near duplicates.
    No row has a cluster where most training rows would have one.
    """
    near = (among_real.distances <= reach) & training[:, None] & training[among_real.indices]
    first, place = np.nonzero(near)
    rows = len(training)
    second = among_real.indices[first, place]
    twin = np.full(rows, np.inf)
    for side in (first, second):
        np.minimum.at(twin, side, among_real.distances[first, place])
    joined = np.isfinite(twin)
    if joined.sum() > training.sum() / 2:
        return np.zeros(rows, dtype=np.intp), twin
    graph = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(rows, rows))
    _, label = connected_components(graph, directed=False)
    _, number = np.unique(label[joined], return_inverse=True)
    cluster = np.zeros(rows, dtype=np.intp)
    cluster[joined] = number + 1
    return cluster, twin
