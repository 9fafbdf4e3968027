"""What all trials of a plan share: the data, their scale, and where commands run.

Gaussian data are drawn anew for every trial. Digits and files are a pool of rows: each trial splits
it at random into a training set of n rows and a held-out set, which never overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart.distances.neighbours import within
from byheart.errors import InputError, UsageError
from byheart.lab.sweeps.plan import Plan
from byheart.lab.sweeps.plan_sections import FileData, GaussianData
from byheart.samples import ArraySamples, TableSamples, encode_alone, fingerprint, read

Array = NDArray[np.float64]

_SCALE_ROWS = 1000  # rows that the typical distance between neighbours is taken from


@dataclass(frozen=True)
class Material:
    """Shared by all trials of `plan`, and picklable.

    pool: rows to split, an array (rows, ...) or, for a command on a table, a pyarrow.Table; None
    for Gaussian data. spacing: the median distance between nearest data points. deviations: of each
    coordinate, (d,). folder: of the commands.
    """

    plan: Plan
    pool: Any
    spacing: float
    deviations: Array
    folder: Path | None

    @property
    def dimension(self) -> int:
        """Number of coordinates of a point."""
        return len(self.deviations)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        if isinstance(self.pool, np.ndarray):
            return tuple(self.pool.shape[1:])
        return (self.dimension,)

    def split(self, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
        """Return a training set of n samples and a held-out set that shares none of them."""
        fresh = self.plan.measure.fresh or 0
        data = self.plan.data
        if isinstance(data, GaussianData):
            shape = (n + fresh, data.dimension)
            points = data.mean + data.std * rng.standard_normal(shape)
            return points[:n], points[n:]
        order = rng.permutation(len(self.pool))[: n + fresh]
        if isinstance(self.pool, np.ndarray):
            return self.pool[order[:n]], self.pool[order[n:]]
        return self.pool.take(order[:n]), self.pool.take(order[n:])


def prepare(plan: Plan, folder: Path | None = None) -> Material:
    """Read the data of a plan; folder: where the command of a plan may work.

    Raises InputError for unusable data and UsageError when they are too few for the plan.

    >>> plan = Plan.parse({
    ...     "data": {"kind": "digits"},
    ...     "model": {"kind": "empirical"},
    ...     "sweep": {"n": [100], "repeats": 1},
    ... })
    >>> train, heldout = prepare(plan).split(100, np.random.default_rng(0))
    >>> train.shape, heldout.shape
    ((100, 8, 8), (400, 8, 8))
    """
    data = plan.data
    if isinstance(data, GaussianData):
        rng = np.random.default_rng(plan.sweep.seed)
        points = data.std * rng.standard_normal((_SCALE_ROWS, data.dimension))
        deviations = np.full(data.dimension, data.std)
        return Material(plan, None, _spacing(points), deviations, folder)
    if isinstance(data, FileData):
        samples = read(str(Path(plan.folder) / data.path), "data")
        encoded, _ = encode_alone(samples)
        flat = encoded.astype(np.float64)
        pool: Any = flat
        if isinstance(samples, ArraySamples):
            pool = np.asarray(samples.values, dtype=np.float64)
        if isinstance(samples, TableSamples) and plan.model.kind == "command":
            pool = samples.table
    else:
        pool = digits()
        flat = pool.reshape(len(pool), -1)
    needed = max(plan.sweep.n) + (plan.measure.fresh or 0)
    if needed > len(flat):
        raise UsageError(
            f"sweep.n up to {max(plan.sweep.n):,} and {plan.measure.fresh or 0:,} held-out points "
            f"need {needed:,} rows, and the data have {len(flat):,}; "
            "lower sweep.n or distance.fresh"
        )
    return Material(plan, pool, _spacing(flat), flat.std(axis=0), folder)


def data_fingerprint(plan: Plan) -> str:
    """Return the SHA-256 of the plan's file of data, "" for data that the plan describes."""
    if isinstance(plan.data, FileData):
        return fingerprint(str(Path(plan.folder) / plan.data.path))
    return ""


def digits() -> Array:
    """Return scikit-learn's 1,797 digits, (rows, 8, 8), in [0, 1]."""
    from sklearn.datasets import load_digits  # a second to import, needed here alone

    images: Any = load_digits().images
    return np.asarray(images, dtype=np.float64) / 16


def _spacing(points: Array) -> float:
    found = float(np.median(within(points[:_SCALE_ROWS], 1).distances))
    if found == 0:
        raise InputError(
            "data: more than half of the rows have an equal twin; give data without repeated rows"
        )
    return found
