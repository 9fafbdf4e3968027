"""A plan for a set of samples in any format that `samples.read` knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from byheart.samples import encode_alone, read
from byheart.theory.planner import Plan, plan


def plan_samples(
    source: Any,
    *,
    seed: int = 0,
    noise_floor: float | None = None,
    ignore: Sequence[str] = (),
    image_size: int | None = None,
) -> Plan:
    """Read a set of samples and plan from it; see `theory.planner.plan`.

    source: a path, array or table. Images are flattened; the numbers of a table are scaled as in an
    audit, so noise floors are in units of a column's variance. ignore: columns to leave out.
    Raises InputError and UsageError as `samples.read`, `samples.encode` and `plan` do.

    >>> import numpy as np
    >>> rows = np.random.default_rng(0).normal(size=(200, 3))
    >>> plan_samples(rows, noise_floor=0.01).dimension
    3
    """
    rows, warnings = encode_alone(read(source, "data", image_size=image_size), ignore=ignore)
    made = plan(rows, seed=seed, noise_floor=noise_floor)
    return replace(made, notes=(*warnings, *made.notes))
