"""A forecast for a set of samples in any format that `samples.read` knows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from byheart.lab.measures.isolation import isolation
from byheart.lab.theory.forecast import AtRisk, Forecast, forecast
from byheart.samples import encode_alone, read

LISTED = 20  # rows at risk
MOST_ROWS = 50_000  # rows that are compared with each other: a search of half as many pairs squared


def forecast_samples(
    source: Any,
    *,
    seed: int = 0,
    noise_floor: float | None = None,
    ignore: Sequence[str] = (),
    image_size: int | None = None,
) -> Forecast:
    """Read a set of samples and forecast from it; see `lab.theory.forecast.forecast`.

    source: a path, array or table. Images are flattened; the numbers of a table are scaled as in an
    audit, so noise floors are in units of a column's variance. ignore: columns to leave out. Up to
    50,000 rows, it has the rows most at risk of being memorized (`lab.measures.isolation`).
    Raises InputError and UsageError as `samples.read`, `samples.encode` and `forecast` do.

    >>> import numpy as np
    >>> rows = np.random.default_rng(0).normal(size=(200, 3))
    >>> rows[17] = 9.0
    >>> made = forecast_samples(rows, noise_floor=0.01)
    >>> made.dimension, made.at_risk[0].name
    (3, 'row 17')
    """
    samples = read(source, "data", image_size=image_size)
    rows, warnings = encode_alone(samples, ignore=ignore)
    made = forecast(rows, seed=seed, noise_floor=noise_floor)
    notes = (*warnings, *made.notes)
    if len(rows) > MOST_ROWS:
        note = f"{len(rows):,} rows are too many to be compared with each other: none is named"
        return replace(made, notes=(*notes, note))
    found = isolation(rows)
    first = [int(row) for row in found.order[:LISTED]]
    return replace(
        made,
        notes=notes,
        at_risk=tuple(
            AtRisk(row, samples.row_name(row), float(found.levels[row])) for row in first
        ),
        alone=found.above(math.sqrt(made.noise_floor)),
    )
