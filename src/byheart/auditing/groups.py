"""Rows that belong together: frames of one film, visits of one patient.

Such rows are not exchangeable one by one, so whole groups are relabelled. A group has to lie in
one set: one that stands in both T and H is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart.auditing.permutation import Units
from byheart.errors import InputError, UsageError
from byheart.files import content, opened
from byheart.samples import Samples, TableSamples

Groups = str | Path | tuple[Sequence[Any], Sequence[Any]]


@dataclass(frozen=True)
class Grouping:
    """The groups of training and held-out rows, when there are any."""

    name: str | None  # as the report tells it
    rows: tuple[NDArray[Any], NDArray[Any]] | None
    columns: tuple[str, ...]  # table columns that hold groups, not features

    @classmethod
    def of(cls, given: Groups | None, train: Samples, heldout: Samples | None) -> Grouping:
        """Read groups.

        given: a column of both tables; or a text or .npy file with one value per row, training
        rows first, then held-out rows; or a pair of sequences. Raises InputError when the values
        do not fit the rows, or a group stands in both sets.
        """
        if given is None:
            return cls(None, None, ())
        name = str(given) if isinstance(given, str | Path) else "given as arrays"
        column = isinstance(train, TableSamples) and name in train.table.column_names
        columns = (name,) if column else ()
        if heldout is None:
            return cls(name, None, columns)
        if isinstance(given, tuple):
            pair = (np.asarray(given[0]).astype(str), np.asarray(given[1]).astype(str))
        elif column:
            pair = (_column(train, name), _column(heldout, name))
        else:
            values = _file(Path(name), train)
            if len(values) != train.rows + heldout.rows:
                raise InputError(
                    f"--groups {name}: {len(values):,} values for {train.rows:,} training and "
                    f"{heldout.rows:,} held-out rows; write one value per row, training rows first"
                )
            pair = (values[: train.rows], values[train.rows :])
        for values, samples in zip(pair, (train, heldout), strict=True):
            if len(values) != samples.rows:
                raise InputError(
                    f"groups: {len(values):,} values for the {samples.rows:,} rows of "
                    f"{samples.role}; pass one value per row"
                )
        shared = np.intersect1d(pair[0], pair[1])
        if len(shared):
            raise InputError(
                f"group {str(shared[0])!r} has rows in both train and heldout, and so have "
                f"{len(shared) - 1:,} more; split the data by group"
            )
        return cls(name, pair, columns)


def units(
    pair: tuple[NDArray[Any], NDArray[Any]] | None,
    train_rows: int,
    heldout_rows: int,
    order: NDArray[np.intp],
) -> Units:
    """Return the exchangeable units of the pooled rows in the shuffled `order` (N,).

    Groups are numbered as they appear in that order, so that ties between them fall at random too.
    """
    training = (np.arange(train_rows + heldout_rows) < train_rows)[order]
    if pair is None:
        return Units(np.arange(len(order)), training)
    names = np.concatenate(pair)[order]
    _, first, inverse = np.unique(names, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.intp)
    rank[np.argsort(first)] = np.arange(len(first))
    return Units(rank[inverse], training[np.sort(first)])


def _column(samples: Samples, name: str) -> NDArray[Any]:
    if not isinstance(samples, TableSamples) or name not in samples.table.column_names:
        raise InputError(f"{samples.role}: no column {name!r} to group by")
    column = samples.table.column(name)
    if column.null_count:
        raise InputError(f"{samples.role}: the group column {name!r} has missing values")
    return np.asarray([str(v) for v in column.to_pylist()])


def _file(path: Path, train: Samples) -> NDArray[Any]:
    if not path.exists():
        columns = " and no such column" if isinstance(train, TableSamples) else ""
        raise UsageError(f"--groups {path}: no such file{columns}; pass COLUMN or FILE")
    where = f"--groups {path}"
    try:
        if path.suffix == ".npy":
            with opened(path, where) as file:
                return np.asarray(np.load(file, allow_pickle=False).ravel().astype(str))
        return np.asarray(content(path, where).decode("utf-8").splitlines(), dtype=str)
    except InputError:
        raise
    except (EOFError, OSError, ValueError, TypeError, SyntaxError, MemoryError) as error:
        raise InputError(f"{where}: cannot be read ({error})") from None
