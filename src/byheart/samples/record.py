"""One set of samples, as it was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from byheart.errors import UsageError

SampleKind = Literal["vectors", "images", "table"]

# Bound on what a compressed source may unpack to. A .npy file is memory-mapped and has no bound.
MAX_UNPACKED = 4 * 2**30


@dataclass(frozen=True)
class Samples:
    """One set of samples: rows of numbers, images, or a table.

    `values` has shape (rows, d) for vectors, (rows, height, width) or (rows, height, width,
    channels) for images, in the stored units and type; it is None for a table, whose raw columns
    are in `table` (a pyarrow.Table). `dtype` is the stored type; of a table it is "text" when all
    cells are undeclared text (CSV), else "typed". `key` names the array inside a file of several.
    `made` says that the array was put together here, from batches.
    """

    role: str
    kind: SampleKind
    values: NDArray[Any] | None
    table: Any | None
    path: str | None
    sha256: str
    dtype: str
    names: tuple[str, ...] | None = None
    key: str | None = None
    warnings: tuple[str, ...] = ()
    made: bool = False

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.table.num_rows) if self.values is None else len(self.values)  # type: ignore[union-attr]

    @property
    def held(self) -> int:
        """Bytes of memory that reading the set took: none for a mapped file or a given array."""
        if self.values is None:
            return int(self.table.nbytes)  # type: ignore[union-attr]
        given = self.path is None and not self.made
        return 0 if given or _is_mapped(self.values) else self.values.nbytes

    @property
    def where(self) -> str:
        """The role and, when there is one, the path: the opening of every error message."""
        return self.role if self.path is None else f"{self.role} ({self.path})"

    def row_name(self, index: int) -> str:
        """The file name of an image from a folder, or "row 17" (counted from 0)."""
        return f"row {index}" if self.names is None else self.names[index]


def _is_mapped(array: NDArray[Any]) -> bool:
    base: Any = array
    while base is not None and not isinstance(base, np.memmap):
        base = getattr(base, "base", None)
    return base is not None


def require_room(size: int, max_memory: int | None, where: str) -> None:
    """Raise UsageError if `size` bytes that have to be in memory are more than the limit."""
    if max_memory is not None and size > max_memory:
        raise UsageError(
            f"{where}: takes {size / 2**20:.1f} MiB of memory, and {max_memory / 2**20:.1f} MiB of "
            f"max_memory are left; raise --max-memory by {-((max_memory - size) // 2**20)} MiB or "
            f"more, or save the set as .npy, which is memory-mapped"
        )


def one_line(error: BaseException) -> str:
    """The message of an error of another library, on one line of bounded length."""
    return " ".join(str(error).split())[:200] or type(error).__name__
