"""One set of samples, as it was read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from byheart.errors import InputError, UsageError

SampleKind = Literal["vectors", "images", "table"]

# Bound on what a compressed source may unpack to. A .npy file is memory-mapped and has no bound.
MAX_UNPACKED = 4 * 2**30


@dataclass(frozen=True, kw_only=True)
class Samples(ABC):
    """One set of samples, as it was read: `ArraySamples` or `TableSamples`.

    `path` is what the user gave, None for what was in memory. `dtype` is the stored type. `names`
    are the file names of a folder of images, or the cells of `named_by`; `key` names the array
    inside a file of several.
    """

    role: str
    path: str | None
    sha256: str
    dtype: str
    names: tuple[str, ...] | None = None
    key: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    @abstractmethod
    def kind(self) -> SampleKind:
        """What a row is."""

    @property
    @abstractmethod
    def rows(self) -> int:
        """Number of rows."""

    @property
    @abstractmethod
    def held(self) -> int:
        """Bytes of memory that reading the set took: none for a mapped file or a given array."""

    @abstractmethod
    def shown(self, index: NDArray[np.int64], columns: tuple[str, ...]) -> NDArray[Any]:
        """The rows of this index, for a gallery: stored values, or the text of these columns."""

    @abstractmethod
    def named_by(self, column: str) -> Samples:
        """The set with its rows named by a column of a table; as it is if it lacks the column."""

    @property
    def where(self) -> str:
        """The role and, when there is one, the path: the opening of every error message."""
        return self.role if self.path is None else f"{self.role} ({self.path})"

    def row_name(self, index: int) -> str:
        """The image's file, the cell of the naming column, or "row 17" (counted from 0)."""
        return f"row {index}" if self.names is None else self.names[index]


@final
@dataclass(frozen=True, kw_only=True)
class ArraySamples(Samples):
    """Rows of numbers, or images.

    `values` has shape (rows, d) for vectors, (rows, height, width) or (rows, height, width,
    channels) for images, in the stored units and type. `made` says that the array was put together
    here, from batches.
    """

    values: NDArray[Any]
    made: bool = False

    @property
    def kind(self) -> SampleKind:
        return "vectors" if self.values.ndim == 2 else "images"

    @property
    def rows(self) -> int:
        return len(self.values)

    @property
    def held(self) -> int:
        given = self.path is None and not self.made
        return 0 if given or _is_mapped(self.values) else self.values.nbytes

    def shown(self, index: NDArray[np.int64], columns: tuple[str, ...]) -> NDArray[Any]:
        return np.array(self.values[index])

    def named_by(self, column: str) -> Samples:
        raise UsageError(
            f"{self.where}: id names a column of a table, and this is an array; leave it out"
        )


@final
@dataclass(frozen=True, kw_only=True)
class TableSamples(Samples):
    """Rows of a table.

    `table` is a pyarrow.Table of the raw columns; `dtype` is "text" when all cells are undeclared
    text (CSV), else "typed".
    """

    table: Any

    @property
    def kind(self) -> SampleKind:
        return "table"

    @property
    def rows(self) -> int:
        return int(self.table.num_rows)

    @property
    def held(self) -> int:
        return int(self.table.nbytes)

    def shown(self, index: NDArray[np.int64], columns: tuple[str, ...]) -> NDArray[Any]:
        rows = self.table.select(list(columns)).take(index)
        cells = np.empty((len(index), len(columns)), dtype=object)
        for j, column in enumerate(rows.columns):
            cells[:, j] = _as_text(column)
        return cells

    def named_by(self, column: str) -> Samples:
        if column not in self.table.column_names:
            return self
        cells = self.table.column(column).to_pylist()
        names = tuple(f"row {i}" if c is None else str(c) for i, c in enumerate(cells))
        return replace(self, names=names)


def _as_text(column: Any) -> list[str]:
    """Cells of a pyarrow column as text, "" for a missing one."""
    import pyarrow as pa

    try:
        return ["" if v is None else str(v) for v in column.to_pylist()]
    except (ArithmeticError, ValueError, LookupError):
        # Beyond Python's calendar, finer than its microseconds, or in a zone that is none here.
        plain = column.cast(pa.int32() if pa.types.is_date32(column.type) else pa.int64())
        return ["" if v is None else f"{v} ({column.type})" for v in plain.to_pylist()]


def _is_mapped(array: NDArray[Any]) -> bool:
    base: Any = array
    while base is not None and not isinstance(base, np.memmap):
        base = getattr(base, "base", None)
    return base is not None


def require_room(size: int, max_memory: int | None, where: str) -> None:
    """Raise UsageError if `size` bytes that have to be in memory are more than the limit."""
    if max_memory is not None and size > max_memory:
        left = max(max_memory, 0)  # sets that were read before may have taken more than all
        raise UsageError(
            f"{where}: takes {size / 2**20:.1f} MiB of memory, and {left / 2**20:.1f} MiB of "
            f"max_memory are left; raise --max-memory by {-((max_memory - size) // 2**20)} MiB or "
            f"more, or save the set as .npy, which is memory-mapped"
        )


def require_unique(names: Sequence[str], where: str) -> None:
    """Raise InputError if two columns have one name."""
    for name, count in Counter(names).items():
        if count > 1:
            raise InputError(
                f"{where}: column {name!r} stands {count} times; give each column its own name"
            )


def one_line(error: BaseException) -> str:
    """The message of an error of another library, on one line of bounded length."""
    return " ".join(str(error).split())[:200] or type(error).__name__
