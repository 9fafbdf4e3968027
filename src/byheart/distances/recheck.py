"""From candidates to answers: float64 distances by direct subtraction, and who is really nearest.

A list holds the `size` smallest lower bounds L of one query. Its `depth` first entries are
measured in float64; the worst of them, t, bounds the distance of the true rank `depth`, so that
every row which could be among the first `depth` has L within the reach of t (``Frame.reach``).
Those in the list are measured too. If even the last of a full list is within reach, rows outside
might be: such a *crowded* query is answered by `search`, which looks at all rows again and
measures all ranks.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from byheart.distances.lower_bounds import Frame
from byheart.distances.rows import Rows, row_blocks
from byheart.distances.shortlists import EMPTY, bounds, indices

_QUERIES, _ROWS = 128, 512  # the blocks in which crowded queries meet all rows, and
_BLOCK_VALUES = 1 << 20  # how many values such a block of rows may hold

Table = tuple[NDArray[np.float64], NDArray[np.int64]]  # (queries, k) distances and indices


def squared_distances(
    x: Rows, y: Rows, i: NDArray[np.int64], j: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return ``||x[i] - y[j]||^2`` for pairs of rows, by subtraction in float64.

    >>> x = np.array([[0.0, 0.0], [3.0, 4.0]])
    >>> squared_distances(x, x, np.array([0, 1]), np.array([1, 1]))
    array([25.,  0.])
    """
    out = np.zeros(len(i))
    for block in row_blocks(len(i), x.shape[1]):
        difference = x[i[block]].astype(np.float64)
        difference -= y[j[block]].astype(np.float64)
        # Beyond numpy's buffer, 8192 values, the order of a sum depends on the rows beside it.
        for start in range(0, x.shape[1], 4096):
            part = difference[:, start : start + 4096]
            out[block] += np.einsum("ij,ij->i", part, part)
    return out


def _ordered(squared: NDArray[np.float64], index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the order of each row by distance, ties by index."""
    order = np.argsort(squared, axis=1)
    ranked = np.take_along_axis(squared, order, axis=1)
    tied = np.flatnonzero(((ranked[:, 1:] == ranked[:, :-1]) & np.isfinite(ranked[:, 1:])).any(1))
    if len(tied):
        order[tied] = np.lexsort((index[tied], squared[tied]), axis=1)
    return order


def settle(
    keys: NDArray[np.int64],
    queries: NDArray[np.int64],
    x: Rows,
    y: Rows,
    frame: Frame,
    norms: tuple[NDArray[np.float32], NDArray[np.float32]],
    k: int,
    depth: int,
    more: bool,
) -> tuple[Table, NDArray[np.int64], NDArray[np.float64]]:
    """Turn the lists `keys` (q, size) of the rows x[queries] into k neighbours, `depth` exact.

    `norms` are the scaled squared norms of all rows of x and of y; `more` says that there are rows
    besides those in a list. Returns the table, and the positions (in `queries`) that are crowded,
    whose entries do not hold, with the squared distances within which their k neighbours lie.
    """
    keys = np.sort(keys, axis=1)
    keys = keys[:, : np.count_nonzero(keys[0] != EMPTY)]
    count, size = keys.shape
    index, low = indices(keys), bounds(keys)
    squared = np.full((count, size), np.inf)
    left = np.repeat(queries, depth)
    near = squared_distances(x, y, left, index[:, :depth].ravel()).reshape(count, depth)
    squared[:, :depth] = near
    worst = near.max(axis=1)
    within_reach = low <= frame.reach(worst)[:, None]
    within_reach[:, :depth] = False
    at, place = np.nonzero(within_reach)
    squared[at, place] = squared_distances(x, y, queries[at], index[at, place])
    order = _ordered(squared, index)
    first = order[:, :depth]
    crowded = np.flatnonzero(low[:, -1] <= frame.reach(worst)) if more else np.empty(0, np.int64)
    listed = squared_distances(x, y, np.repeat(queries[crowded], size), index[crowded].ravel())
    reached = np.partition(listed.reshape(-1, size), k - 1, axis=1)[:, k - 1]
    if depth < k:
        pair_norms = norms[0][queries][:, None].astype(np.float64) + norms[1][index]
        squared = np.where(np.isinf(squared), frame.estimate(low, pair_norms), squared)
        rest = squared.copy()
        np.put_along_axis(rest, first, -np.inf, axis=1)
        order = np.concatenate([first, _ordered(rest, index)[:, depth:]], axis=1)
    order = order[:, :k]
    ranked = np.take_along_axis(squared, order, axis=1)
    np.maximum.accumulate(ranked, axis=1, out=ranked)
    table = np.sqrt(ranked), np.take_along_axis(index, order, axis=1)
    return table, crowded, reached


class Classes:
    """Groups of identical rows: many copies of one row are then measured once.

    Attributes: `first` (c,) the lowest index of each class, ascending; `of` (n,) the class of
    each row; `members` (n,) all rows, by class and then by index; `start` (c + 1,) their limits.
    """

    def __init__(self, rows: Rows, chosen: NDArray[np.int64] | None = None):
        """Group the rows, or the `chosen` ones, which are then counted by their place there."""
        count = len(rows) if chosen is None else len(chosen)
        digests = np.empty((count, 2), np.uint64)
        for block in row_blocks(count, rows.shape[1]):
            for at, row in enumerate(rows[block if chosen is None else chosen[block]], block.start):
                digest = hashlib.blake2b(row.tobytes(), digest_size=16).digest()
                digests[at] = np.frombuffer(digest, np.uint64)
        order = np.lexsort((digests[:, 1], digests[:, 0]))  # stable: ascending within a class
        ranked = digests[order]
        opens = np.flatnonzero(np.r_[True, (ranked[1:] != ranked[:-1]).any(axis=1)])
        self.first = np.sort(order[opens])
        self.of = np.empty(count, np.int64)
        self.of[order] = np.repeat(
            np.searchsorted(self.first, order[opens]), np.diff(np.r_[opens, count])
        )
        self.members = np.argsort(self.of, kind="stable")
        self.start = np.searchsorted(self.of[self.members], np.arange(len(self.first) + 1))


def search(
    x: Rows,
    queries: NDArray[np.int64],
    within: NDArray[np.float64],
    y: Rows,
    classes: Classes,
    depth: int,
    frame: Frame,
) -> Table:
    """Return the exact `depth` nearest rows of y to x[queries], found among all rows.

    `within` holds squared distances inside which they are known to lie; `classes` are those of y.
    The working memory does not depend on how many rows tie.
    """
    unique = Classes(x, queries)
    step = max(16, min(_QUERIES, _BLOCK_VALUES // (4 * x.shape[1])))
    distances = np.empty((len(unique.first), depth))
    index = np.empty((len(unique.first), depth), np.int64)
    for start in range(0, len(unique.first), step):
        block = unique.first[start : start + step]
        rows = slice(start, start + len(block))
        distances[rows], index[rows] = _search_block(
            x, queries[block], within[block], y, classes, depth, frame
        )
    return distances[unique.of], index[unique.of]


def _search_block(
    x: Rows,
    queries: NDArray[np.int64],
    within: NDArray[np.float64],
    y: Rows,
    classes: Classes,
    depth: int,
    frame: Frame,
) -> Table:
    # The nearest n rows are among the n nearest classes, ordered by distance and first member:
    # the first members of n classes before a class all come before each of its members.
    count = len(queries)
    left, _ = frame.left(x[queries])
    best = np.full((count, depth), np.inf)
    best_class = np.full((count, depth), -1, np.int64)
    step = max(16, min(_ROWS, _BLOCK_VALUES // x.shape[1]))
    for start in range(0, len(classes.first), step):
        rows = classes.first[start : start + step]
        right, _ = frame.right(y[rows])
        limit = np.minimum(within, best[:, -1])
        at, place = np.nonzero(left @ right.T <= frame.reach(limit)[:, None])
        if not len(at):
            continue
        squared = squared_distances(x, y, queries[at], rows[place])
        at = np.concatenate([np.repeat(np.arange(count), depth), at])
        squared = np.concatenate([best.ravel(), squared])
        found = np.concatenate([best_class.ravel(), place + start])
        order = np.lexsort((found, squared, at))
        rank = np.arange(len(at)) - np.searchsorted(at[order], at[order])
        kept = order[rank < depth]
        best, best_class = squared[kept].reshape(best.shape), found[kept].reshape(best.shape)
    out, out_index = np.empty((count, depth)), np.empty((count, depth), np.int64)
    for row in range(count):
        known = best_class[row] >= 0
        groups = [
            classes.members[classes.start[c] : min(classes.start[c] + depth, classes.start[c + 1])]
            for c in best_class[row][known]
        ]
        index = np.concatenate(groups)
        squared = np.repeat(best[row][known], [len(group) for group in groups])
        order = np.lexsort((index, squared))[:depth]
        out[row], out_index[row] = np.sqrt(squared[order]), index[order]
    return out, out_index
