"""Rows of a matrix that need not lie in memory: read by block or by index, as an array is.

Whoever computes with rows asks for few at a time, `rows[start:stop]` or `rows[indices]`, and gets
an array. An array answers that itself; a `Source` reads, gathers or casts the rows it is asked for
and keeps nothing. The values are the same either way, so no result depends on what is in memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Index = slice | NDArray[np.integer[Any]]

_CHUNK = 1 << 16  # values converted at a time: they stay in the cache


def row_blocks(rows: int, dimension: int, values: int = _CHUNK) -> Iterator[slice]:
    """Yield consecutive slices of about `values` values each, at least one row long."""
    step = max(1, values // dimension)
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


class Source(ABC):
    """A (rows, d) matrix of floats that is read on demand."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]

    @abstractmethod
    def _read(self, key: Index) -> Array:
        """Return the rows `key` as a C-contiguous array of `dtype`."""

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Index | int) -> Array:
        if isinstance(key, slice | np.ndarray):
            return self._read(key)
        return np.asarray(self._read(slice(key, key + 1))[0])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self._read(slice(None)), dtype)

    @property
    def nbytes(self) -> int:
        """Bytes that all rows would take in memory."""
        return self.shape[0] * self.shape[1] * self.dtype.itemsize


Rows = Array | Source


def held(rows: Rows, limit: int) -> Rows:
    """Return the rows in memory if that takes at most `limit` bytes, else as they are."""
    return rows[:] if isinstance(rows, Source) and rows.nbytes <= limit else rows


def extent(rows: Rows) -> tuple[float, float]:
    """Return the smallest and the largest value.

    >>> extent(np.array([[1.0, 3.0], [2.0, 0.5]]))
    (0.5, 3.0)
    """
    parts = (rows[block] for block in row_blocks(len(rows), rows.shape[1], 1 << 18))
    ends = [(float(values.min()), float(values.max())) for values in parts]
    return min(low for low, _ in ends), max(high for _, high in ends)


@final
class Cast(Source):
    """A stored array (rows, ...) with each sample flattened, in another type or order of bytes.

    With `through`, floats are rounded to that type first.

    >>> Cast(np.arange(6, dtype=np.uint8).reshape(3, 2), np.float32)[1:]
    array([[2., 3.],
           [4., 5.]], dtype=float32)
    """

    def __init__(self, stored: NDArray[Any], dtype: Any, through: Any = None) -> None:
        self._stored = stored
        self._through = through
        self.dtype = np.dtype(dtype)
        self.shape = len(stored), int(np.prod(stored.shape[1:]))

    def _read(self, key: Index) -> Array:
        values: NDArray[Any] = np.asarray(self._stored[key])
        with np.errstate(invalid="ignore", over="ignore"):  # sought by whoever asks
            if self._through is not None:
                values = values.astype(self._through, copy=False)
            return np.ascontiguousarray(values.reshape(-1, self.shape[1]), dtype=self.dtype)


@final
class Stacked(Source):
    """The rows of one matrix and then those of another, of one dimension and type.

    >>> Stacked(np.zeros((2, 1)), np.ones((2, 1)))[np.array([3, 0])]
    array([[1.],
           [0.]])
    """

    def __init__(self, first: Rows, second: Rows) -> None:
        self._first, self._second = first, second
        self.dtype = first.dtype
        self.shape = len(first) + len(second), first.shape[1]

    def _read(self, key: Index) -> Array:
        index = np.arange(*key.indices(len(self))) if isinstance(key, slice) else key
        out = np.empty((len(index), self.shape[1]), self.dtype)
        ahead = index < len(self._first)
        for block in row_blocks(len(index), self.shape[1]):  # bounds what is gathered beside `out`
            early, place = ahead[block], index[block]
            out[block][early] = self._first[place[early]]
            out[block][~early] = self._second[place[~early] - len(self._first)]
        return out


@final
class Chosen(Source):
    """Some rows of a matrix in a given order, `rows[index]`, in the type `dtype` or their own.

    >>> Chosen(np.array([[1.0], [2.0], [3.0]]), np.array([2, 0]))[:]
    array([[3.],
           [1.]])
    """

    def __init__(self, rows: Rows, index: NDArray[np.integer[Any]], dtype: Any = None) -> None:
        self._rows, self._index = rows, index
        self.dtype = rows.dtype if dtype is None else np.dtype(dtype)
        self.shape = len(index), rows.shape[1]

    def _read(self, key: Index) -> Array:
        return self._rows[self._index[key]].astype(self.dtype, copy=False)


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
