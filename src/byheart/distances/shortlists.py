"""The smallest lower bounds of each row, kept while blocks of a matrix product pass by.

A candidate is one int64 key: the bits of its float32 bound above, its index below. Bounds are not
negative (a negative one counts as 0), so that the order of the keys is the order of the bounds,
ties by the lower index, and the answer does not depend on how the candidates were cut in blocks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

EMPTY = np.iinfo(np.int64).max
SLACK = 40  # free places in each list: the fewer, the more often it is cut back
_PIECE = 1 << 16  # candidates taken at a time, to bound the working memory
_INDEX = np.int64((1 << 32) - 1)


def indices(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the indices in the keys."""
    return keys & _INDEX


def bounds(keys: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the bounds in the keys; an empty place has a bound that is not a number."""
    return (keys >> 32).astype(np.int32).view(np.float32)


def smallest(keys: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return the `size` smallest keys of each row, unordered; the keys are reordered in place."""
    if keys.shape[1] > size:
        keys.partition(size - 1, axis=1)
    return keys[:, :size]


class Shortlists:
    """The `size` smallest keys of each of `rows` rows, among those offered so far.

    Indices must arrive in ascending order for each row: a later candidate that only ties with
    the last of a full list is then rightly left out.
    """

    def __init__(self, rows: int, size: int):
        self._size = size
        self._keys = np.full((rows, size + SLACK), EMPTY, np.int64)
        self._fill = np.zeros(rows, np.int64)
        self.thresholds = np.full(rows, np.inf, np.float32)  # only bounds below these can enter

    def load(self, keys: NDArray[np.int64]) -> None:
        """Start from the keys (rows, size) that an earlier pass left, EMPTY ones last or absent."""
        self._keys[:, : self._size] = keys
        self._keys[:, self._size :] = EMPTY
        self._cut(self._keys)

    def prime(self, tile: NDArray[np.float32], axis: int) -> None:
        """Lower the thresholds by the first block of bounds, before it is offered.

        The size-th smallest of the minima of groups is at least the size-th smallest bound. As in
        the keys, negative bounds count as 0.
        """
        length = tile.shape[axis]
        group = max(1, length // (3 * self._size))
        count = length // group
        if count < self._size or self._fill.any():
            return
        if axis == 1:
            minima = tile[:, : group * count].reshape(len(tile), group, count).min(axis=1)
        else:
            minima = tile[: group * count].reshape(count, group, -1).min(axis=1)
        minima.partition(self._size - 1, axis=axis)
        last = np.maximum(minima.take(self._size - 1, axis=axis), 0)
        self.thresholds = np.nextafter(last, np.float32(np.inf))

    def offer(
        self, rows: NDArray[np.integer[Any]], values: NDArray[np.float32], index: NDArray[np.int64]
    ) -> None:
        """Take candidates in, sorted by row: the row of the list, the bound, the index."""
        for start in range(0, len(rows), _PIECE):
            piece = slice(start, start + _PIECE)
            bits = np.maximum(values[piece].view(np.int32), 0).astype(np.int64)
            self._place(rows[piece], (bits << 32) | index[piece])

    def _place(self, rows: NDArray[np.integer[Any]], keys: NDArray[np.int64]) -> None:
        counts = np.bincount(rows, minlength=len(self._fill))
        fill = self._fill + counts
        first = self._fill - (np.cumsum(counts) - counts)
        place = first[rows] + np.arange(len(rows))
        width = self._keys.shape[1]
        most = int(fill.max(initial=0))
        if most <= width:
            self._keys.ravel()[rows * width + place] = keys
            self._fill = fill
            return
        wide = np.full((len(fill), most), EMPTY, np.int64)
        wide[:, :width] = self._keys
        wide.ravel()[rows * most + place] = keys
        self._cut(wide)

    def _cut(self, keys: NDArray[np.int64]) -> None:
        kept = smallest(keys, self._size)
        self._keys[:, : self._size] = kept
        self._keys[:, self._size :] = EMPTY
        self._fill = np.count_nonzero(kept != EMPTY, axis=1)
        last = bounds(kept.max(axis=1))
        # A bound of 0 cannot be beaten; an empty place (not a number) lets everything in.
        last[last == 0] = -np.inf
        self.thresholds = np.where(np.isnan(last), np.float32(np.inf), last)

    def keys(self) -> NDArray[np.int64]:
        """Return the smallest keys, (rows, size), unordered; EMPTY where there were fewer."""
        return smallest(self._keys, self._size).copy()
