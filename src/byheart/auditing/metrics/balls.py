"""Which balls around one set's rows hold another's rows: the manifolds of precision and recall.

A row q lies in the ball of centre c and radius r when D(q, c)² - r² <= 0. With one more coordinate,
0 for q and sqrt(R² - r²) for c (R the largest radius), the squared distance of the two becomes
D² - r² + R². So the nearest lifted centres are the balls that hold q most deeply, and the exact
pass of `distances.neighbours` finds them, without a matrix of all distances.

Balls are closed; a row within 1e-12 R² of a sphere, in squared distance, counts as on it.
"""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

from byheart.distances.neighbours import two_way
from byheart.distances.rows import Array, Chosen, Index, Rows, Source

_SLACK = 1e-12
_FIRST = 32  # balls looked up for each row before those that lie in more are looked up again


@final
class Lifted(Source):
    """Rows with one more coordinate, in float64.

    >>> Lifted(np.array([[1.0], [2.0]]), np.array([5.0, 6.0]))[:]
    array([[1., 5.],
           [2., 6.]])
    """

    def __init__(self, rows: Rows, heights: NDArray[np.float64]) -> None:
        self._rows, self._heights = rows, heights
        self.dtype = np.dtype(np.float64)
        self.shape = rows.shape[0], rows.shape[1] + 1

    def _read(self, key: Index) -> Array:
        return np.column_stack([self._rows[key], self._heights[key]])


def counts(
    queries: Rows,
    centres: Rows,
    radii: NDArray[np.float64],
    *,
    max_memory: int | None = None,
) -> NDArray[np.int64]:
    """Return in how many balls each query lies, (q,).

    queries: (q, d). centres: (c, d) with radii (c,), at least 0. max_memory: as for `two_way`,
    whose rounding at ranks beyond 2 holds for the counts too.

    >>> centres = np.array([[0.0], [3.0]])
    >>> counts(np.array([[1.0], [2.0], [9.0]]), centres, np.array([1.0, 2.5]))
    array([2, 1, 0])
    """
    found = np.empty(len(queries), np.int64)
    left, k = np.arange(len(queries)), min(_FIRST, len(centres))
    while len(left):
        found[left] = _listed(Chosen(queries, left), centres, radii, k, max_memory)
        left = left[found[left] == k] if k < len(centres) else left[:0]
        k = min(4 * k, len(centres))
    return found


def covered(
    queries: Rows,
    centres: Rows,
    radii: NDArray[np.float64],
    *,
    max_memory: int | None = None,
) -> NDArray[np.bool_]:
    """Return whether each query lies in any ball, (q,); arguments as for `counts`.

    >>> covered(np.array([[1.0], [9.0]]), np.array([[0.0], [3.0]]), np.array([1.0, 2.5]))
    array([ True, False])
    """
    return _listed(queries, centres, radii, 1, max_memory) > 0


def _listed(
    queries: Rows, centres: Rows, radii: NDArray[np.float64], k: int, max_memory: int | None
) -> NDArray[np.int64]:
    largest = float(radii.max())
    heights = np.sqrt(np.maximum(largest**2 - radii**2, 0.0))
    table = two_way(
        Lifted(queries, np.zeros(len(queries))), Lifted(centres, heights), k, max_memory=max_memory
    )
    limit = largest**2 * (1 + _SLACK)
    return np.asarray((table.forward.distances**2 <= limit).sum(axis=1))
