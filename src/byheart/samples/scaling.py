"""Columns of a table on one scale, fitted on the real rows (train and held-out) together.

A number x becomes asinh((x - median)/scale); the scale is the interquartile range over 1.349, the
standard deviation of normal values (the standard deviation itself where that range is 0). This is
linear within the bulk and logarithmic in the tails, so that neither one price of a million nor a
count that is almost always 0 dominates all distances. A missing number becomes the median, and an
indicator column of 0 and 1 is added. A category has an indicator per level, of 1/sqrt(2), so that
a mismatch has distance 1; two normal values differ by 1.1 in the root mean square. Levels that
only generated rows have share one more indicator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart.distances.rows import Rows, row_blocks
from byheart.errors import InputError
from byheart.samples.columns import Column, Meaning

MAX_LEVELS = 100

_WEIGHT = np.sqrt(0.5)


@dataclass(frozen=True)
class Block:
    """The encoded columns that one column of a table becomes, for each role.

    Numbers are written to the first column; `marks` are the positions of the indicator that is
    set in each row, with its value, or -1 for none.
    """

    width: int
    numbers: dict[str, NDArray[np.float64]]
    marks: dict[str, NDArray[np.int64]]
    weight: float

    def write(self, role: str, out: NDArray[np.floating[Any]]) -> None:
        """Write into `out`, zeros of shape (rows, width)."""
        if role in self.numbers:
            out[:, 0] = self.numbers[role]
        if role in self.marks:
            rows = np.flatnonzero(self.marks[role] >= 0)
            out[rows, self.marks[role][rows]] = self.weight


@dataclass(frozen=True)
class Span:
    """The encoded columns of one column of a table: `width` of them from `start` on."""

    start: int
    width: int
    category: bool

    def column(self, rows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the column of encoded rows (r, d) as (r,) numbers, NaN where missing.

        A category has the number of its level, which says nothing but equal or not.

        >>> Span(0, 2, False).column(np.array([[0.5, 0.0], [0.0, 1.0]]))
        array([0.5, nan])
        """
        own = rows[:, self.start : self.start + self.width]
        if self.category:
            return np.asarray(own.argmax(axis=1), dtype=np.float64)
        values = np.array(own[:, 0], dtype=np.float64)
        if self.width > 1:
            values[own[:, 1] > 0] = np.nan
        return values


def columns_of(
    rows: Rows, spans: Sequence[Span], index: NDArray[np.intp] | None = None
) -> NDArray[np.float64]:
    """Return the columns of encoded rows, (rows, columns), as `Span.column` does.

    index: which of the rows; None: all.
    """
    index = np.arange(len(rows)) if index is None else index
    columns = np.empty((len(index), len(spans)))
    for block in row_blocks(len(index), rows.shape[1]):
        encoded = rows[index[block]]
        for j, span in enumerate(spans):
            columns[block, j] = span.column(encoded)
    return columns


def numbers(columns: dict[str, Column], means: Meaning, notes: list[str]) -> Block | None:
    """Scale a column of numbers; None if the real rows hold one value, or only missing cells."""
    name = next(iter(columns.values())).name
    values = {role: column.numbers(means) for role, column in columns.items()}
    missing = {role: np.isnan(v) for role, v in values.items()}
    real = np.sort(np.concatenate([v[~missing[r]] for r, v in values.items() if r != "generated"]))
    gap = any(m.any() for role, m in missing.items() if role != "generated")
    if len(real) == 0 or (real[0] == real[-1] and not gap):
        return None
    # Equal values go through the arithmetic once: vectorised asinh may differ in the last bit
    # between places of an array.
    levels, where = np.unique(np.concatenate(list(values.values())), return_inverse=True)
    with np.errstate(all="ignore"):
        low, median, high = np.quantile(real, [0.25, 0.5, 0.75])
        scale = (high - low) / 1.349 or np.std(real) or 1.0
        scaled = np.arcsinh((levels - median) / scale)
    scaled[np.isnan(levels)] = 0.0
    if not np.isfinite(scaled).all():
        raise InputError(
            f"column {name!r} spans too wide a range for double precision; use --ignore {name}"
        )
    ends = np.cumsum([len(v) for v in values.values()])[:-1]
    cells = dict(zip(values, np.split(scaled[where], ends), strict=True))
    count = sum(int(m.sum()) for m in missing.values())
    if not count:
        return Block(1, cells, {}, 1.0)
    notes.append(
        f"column {name!r}: {count} missing cells were set to the median of the real rows and "
        f"marked in a column of their own"
    )
    return Block(2, cells, {role: np.where(m, 1, -1) for role, m in missing.items()}, 1.0)


def categories(columns: dict[str, Column], notes: list[str]) -> Block | None:
    """Indicators of the levels of a category; None if the real rows have one level only."""
    first, made = columns["train"], columns.get("generated")
    if made is not None and made.declared == "date":
        raise InputError(
            f"{made.samples.where}: column {made.name!r} is a date and in the real data a "
            f"category; store it with one type"
        )
    real = [column.text for role, column in columns.items() if role != "generated"]
    known = sorted({level for text in real for level in text.levels.to_pylist()})
    if len(known) > MAX_LEVELS:
        raise InputError(
            f"{first.samples.where}: column {first.name!r} has {len(known)} categories, more than "
            f"{MAX_LEVELS}; group them, or leave it out with --ignore {first.name}"
        )
    gap = any((text.codes < 0).any() for text in real)
    if len(known) + gap == 1:
        return None
    place = {level: i for i, level in enumerate(known)}
    unseen = len(known) + gap
    missing = len(known)  # without a gap in the real rows, a missing cell is an unseen level
    marks = {
        role: np.array(
            [*(place.get(level, unseen) for level in column.text.levels.to_pylist()), missing],
            dtype=np.int64,
        )[column.text.codes]
        for role, column in columns.items()
    }
    new = 0 if made is None else int((marks["generated"] == unseen).sum())
    if made is not None and new:
        names = [v for v in made.text.levels.to_pylist() if v not in place][:3] or ["missing"]
        notes.append(
            f"column {first.name!r}: {new} generated cells have categories that no real row has "
            f"({', '.join(names)}); they count as one further category"
        )
    return Block(unseen + bool(new), {}, marks, float(_WEIGHT))
