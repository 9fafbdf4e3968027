"""The pooled real rows T ∪ H, shuffled, with all that the audit knows about their distances.

The shuffle comes before any distance: whatever ties there are, in neighbours, ranks or cuts, are
then broken in an order that knows nothing of the labels. Ties broken by stored order would see
them, since T is stored first, and an honest model of a binary table would be rejected every time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart.auditing import scores as scoring
from byheart.auditing.groups import units as exchangeable_units
from byheart.auditing.permutation import Units
from byheart.auditing.scores import Scores
from byheart.distances.kernels import bandwidth_ladder
from byheart.distances.neighbours import Neighbours, TwoWay, bytes_listed
from byheart.distances.rows import Chosen, Index, Rows, Stacked, held


@dataclass(frozen=True)
class Pool:
    """N real rows in shuffled order."""

    rows: Rows  # (N, d)
    order: NDArray[np.intp]  # (N,) position of each row in [T, H]
    units: Units
    training: NDArray[np.bool_]  # (N,)

    @classmethod
    def shuffled(
        cls,
        train: Rows,
        heldout: Rows,
        groups: tuple[NDArray[Any], NDArray[Any]] | None,
        rng: np.random.Generator,
        spare: int | None = None,
    ) -> Pool:
        """Pool two sets of rows, (n, d) and (h, d); groups: of each row, or None.

        The shuffled rows are copied into memory if they take no more than `spare` bytes (None: no
        bound); otherwise they stay where they are and are looked up in shuffled order.
        """
        order = rng.permutation(len(train) + len(heldout))
        units = exchangeable_units(groups, len(train), len(heldout), order)
        rows = Chosen(Stacked(train, heldout), order)
        kept = held(rows, rows.nbytes if spare is None else spare)
        return cls(kept, order, units, units.training[units.group])

    def set_index(self, row: int) -> int:
        """Return the row's number within its own set, T or H."""
        position = int(self.order[row])
        return position if self.training[row] else position - int(self.training.sum())


@dataclass(frozen=True)
class Distances:
    """Distances between generated and real rows, and among real rows."""

    table: TwoWay
    among_real: Neighbours  # (N, k) nearest other real rows
    scale: float  # median distance between nearest real rows; 0 only if all are equal
    bandwidths: tuple[float, ...]

    @classmethod
    def of(cls, table: TwoWay, among_real: Neighbours, nearest: NDArray[np.float64]) -> Distances:
        """Take tables as they are, and the scale from distances to the nearest other real row."""
        scale = float(np.median(nearest))
        if scale == 0 and nearest.any():  # most rows have a twin: the others set the scale
            scale = float(np.median(nearest[nearest > 0]))
        # With all rows equal any bandwidth says the same, and none divides by zero.
        return cls(table, among_real, scale, bandwidth_ladder(scale or 1.0))

    @cached_property
    def scores(self) -> Scores:
        """The scores of all real rows."""
        return scoring.from_neighbours(self.table, self.among_real)


@dataclass(frozen=True)
class Sample:
    """Rows whose neighbours are known to be the true ones: all rows, or some."""

    forward: Neighbours  # (a, k) nearest real rows of generated ones
    backward: Neighbours  # (b, 1) nearest generated row of real ones
    among_real: Neighbours  # (b, k) nearest other real rows of real ones
    real: Index = field(default_factory=lambda: slice(None))  # which real rows, (b,)


@dataclass(frozen=True)
class Points:
    """Scores per exchangeable unit: a row, or a group represented by its closest row."""

    scores: Scores  # (units,)
    training: NDArray[np.bool_]  # (units,)
    row: NDArray[np.intp]  # (units,) the row whose distance score is the unit's
    further: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)  # beside distances

    @classmethod
    def of(
        cls, pool: Pool, scores: Scores, further: Mapping[str, NDArray[np.float64]] | None = None
    ) -> Points:
        """Reduce row scores, those of distances and further ones, (N,), to unit scores."""
        rows = further or {}
        if pool.units.single:
            return cls(scores, pool.training, np.arange(len(pool.training)), rows)
        by_group = np.lexsort((scores.distance, pool.units.group))
        starts = np.searchsorted(pool.units.group[by_group], np.arange(len(pool.units.training)))
        return cls(
            scores.reduce(starts, by_group),
            pool.units.training,
            by_group[starts],
            {name: np.minimum.reduceat(x[by_group], starts) for name, x in rows.items()},
        )

    @property
    def train_distance(self) -> NDArray[np.float64]:
        """Distance scores of the training units."""
        return self.scores.distance[self.training]

    @property
    def heldout_distance(self) -> NDArray[np.float64]:
        """Distance scores of the held-out units."""
        return self.scores.distance[~self.training]


def bytes_pool(real: int) -> int:
    """Return the bytes of order, group and label of the real rows."""
    return 32 * real


def bytes_tables(real: int, generated: int, k: int) -> int:
    """Return the bytes of the neighbour tables and the scores."""
    return bytes_listed(k) * (real + generated) + (bytes_listed(1) + 32) * real
