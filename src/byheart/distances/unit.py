"""Rows divided by their length, read on demand."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from byheart.distances.rows import Array, Index, Rows, Source, row_blocks


@final
class Unit(Source):
    """The rows of a matrix, each divided by its Euclidean length and times `sign`.

    A row of zeros stays as it is. dtype: of the result, the rows' own unless given.

    >>> Unit(np.array([[3.0, 4.0], [0.0, 0.0]]), sign=-1)[:]
    array([[-0.6, -0.8],
           [-0. , -0. ]])
    """

    def __init__(self, rows: Rows, *, sign: int = 1, dtype: Any = None) -> None:
        self._rows, self._sign = rows, sign
        self.dtype = rows.dtype if dtype is None else np.dtype(dtype)
        self.shape = rows.shape[0], rows.shape[1]

    def _read(self, key: Index) -> Array:
        out = np.empty(
            (
                len(range(*key.indices(len(self)))) if isinstance(key, slice) else len(key),
                self.shape[1],
            ),
            self.dtype,
        )
        taken = self._rows[key]
        for block in row_blocks(*out.shape):
            values = taken[block].astype(np.float64)
            # Divided by the largest value first: squares neither overflow nor vanish.
            largest = np.abs(values).max(axis=1, keepdims=True)
            values /= np.where(largest > 0, largest, 1.0)
            length = np.sqrt((values**2).sum(axis=1, keepdims=True))
            out[block] = values * (self._sign / np.where(length > 0, length, 1.0))
        return out

    def directed(self) -> NDArray[np.intp]:
        """Return the numbers of the rows that are not all zero."""
        parts = [self._rows[block].any(axis=1) for block in row_blocks(*self.shape)]
        return np.flatnonzero(np.concatenate(parts))
