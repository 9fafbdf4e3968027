"""Relabellings and the pooling of many statistics into one exact p-value.

Null hypothesis: given G, the rows of T and of H are exchangeable. The observed labels and B random
relabellings (column 0 is the observed one) are then exchangeable columns, so the rank of any
function of column 0 among all B + 1 is an exact p-value. Ties count against rejection.

Pooling is weighted min-p in two levels, all over the same relabellings (Westfall and Young 1993):
statistics j of a group g give p_j, the group's p_g is the rank of min_j p_j, the family's p the
rank of min_g p_g / w_g. The weights were fixed in advance (docs/explanation/statistics.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from byheart.auditing.result import Test
from byheart.auditing.statistics import Labels, Statistic

Floats = NDArray[np.float64]
BLOCK_CELLS = 1 << 20  # labels evaluated at a time, over all rows
_STATISTICS = 32  # in the family, roundly


@dataclass(frozen=True)
class Units:
    """What is exchangeable: single rows, or groups of rows that belong together.

    group: (N,) group number of each pooled row, 0 … groups − 1; rows on their own have their own.
    training: (groups,) True where the group belongs to the training set.
    """

    group: NDArray[np.intp]
    training: NDArray[np.bool_]

    @property
    def single(self) -> bool:
        """Whether every row is a unit of its own."""
        return len(self.training) == len(self.group)

    @property
    def block(self) -> int:
        """Columns of labels to work on at a time, so that memory does not grow with the rows."""
        return min(250, max(16, BLOCK_CELLS // len(self.group)))

    def draw(self, columns: int, rng: np.random.Generator) -> Labels:
        """Return random labels (N, columns) of 0 and 1.

        Groups are relabelled whole, keeping the number of training groups. Column after column is
        drawn: several draws give what one gives.
        """
        labels = np.empty((len(self.group), columns), np.uint8)
        for start in range(0, columns, self.block):
            part = labels[:, start : start + self.block]
            shuffled = np.tile(self.training, (part.shape[1], 1))
            part[:] = rng.permuted(shuffled, axis=1, out=shuffled).T[self.group]
        return labels

    def relabellings(
        self, count: int, rng: np.random.Generator, block: int | None = None
    ) -> Iterator[Labels]:
        """Yield the observed labels and `count` random ones, in blocks of columns.

        The first column of the first block is the observed labelling.
        """
        size = self.block if block is None else block
        observed = self.training[self.group].astype(np.uint8)[:, None]
        left = count
        while left or observed.shape[1]:
            drawn = self.draw(min(size - observed.shape[1], left), rng)
            yield np.concatenate([observed, drawn], axis=1)
            left -= drawn.shape[1]
            observed = observed[:, :0]


@dataclass(frozen=True)
class Group:
    """Statistics that are pooled before their group competes with weight `weight`."""

    weight: float
    statistics: Sequence[Statistic]


@dataclass(frozen=True)
class Pooled:
    """The family's p-value and, per statistic, its value and its own and adjusted p-value."""

    p_value: float
    tests: tuple[Test, ...]


def upper_ranks(values: Floats) -> Floats:
    """Return for each entry of each row the share of that row's entries at least as large.

    >>> upper_ranks(np.array([[3.0, 1.0, 2.0, 3.0]]))
    array([[0.5 , 1.  , 0.75, 0.5 ]])
    """
    ordered = np.sort(values, axis=1)
    columns = values.shape[1]
    below = [np.searchsorted(row, v, side="left") for row, v in zip(ordered, values, strict=True)]
    return np.asarray((columns - np.asarray(below, dtype=np.float64)) / columns)


def pool_columns(groups: Sequence[Group], values: Sequence[Floats]) -> Floats:
    """Return the pooled p of every column in units of weight, (B + 1,); small means memorization.

    values[g]: (statistics of group g, B + 1). All columns are treated alike, so the entries may be
    ranked, or compared with those of other families over the same relabellings.
    """
    return _combined(groups, [upper_ranks(table) for table in values])


def _combined(groups: Sequence[Group], ranks: Sequence[Floats]) -> Floats:
    parts = [
        upper_ranks(-p.min(axis=0)[None])[0] / group.weight
        for group, p in zip(groups, ranks, strict=True)
    ]
    return np.asarray(np.min(parts, axis=0))


def pool_p_values(groups: Sequence[Group], values: Sequence[Floats]) -> Pooled:
    """Pool values[g], (statistics of group g, B + 1), into the family's p-value."""
    ranks = [upper_ranks(table) for table in values]
    family = _combined(groups, ranks)
    rows: list[tuple[str, float, float, float]] = []  # name, value, own p, p in units of weight
    for group, table, p in zip(groups, values, ranks, strict=True):
        smallest = p.min(axis=0)
        for j, statistic in enumerate(group.statistics):
            # What the group would contribute if this statistic alone had set its minimum.
            alone = float(np.mean(smallest <= p[j, 0])) / group.weight
            rows.append((statistic.name, float(table[j, 0]), float(p[j, 0]), alone))
    return Pooled(
        p_value=float(np.mean(family <= family[0])),
        tests=tuple(
            Test(name, value, own, float(np.mean(family <= alone)))
            for name, value, own, alone in rows
        ),
    )


def evaluate(
    groups: Sequence[Group], blocks: Iterator[Labels]
) -> tuple[list[Floats], list[Floats]]:
    """Evaluate every statistic on every column, as labelled and with the roles exchanged.

    Returns two lists of (statistics of the group, columns) arrays, one entry per group.
    """
    statistics = [s for group in groups for s in group.statistics]
    both = [np.stack([s.evaluate_both(labels) for s in statistics]) for labels in blocks]
    values = np.concatenate(both, axis=2)  # (statistics, 2, columns)
    ends = np.cumsum([len(group.statistics) for group in groups])[:-1]
    return np.split(values[:, 0], ends), np.split(values[:, 1], ends)


def bytes_evaluate(real: int, relabellings: int) -> int:
    """Return the bytes of a block of labels, and of the values on all columns with their ranks."""
    cells = min(250 * real, max(BLOCK_CELLS, 16 * real))
    return 24 * cells + 64 * _STATISTICS * (relabellings + 1)
