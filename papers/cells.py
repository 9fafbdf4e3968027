"""Cells of the experiments' tables: a mean or a share with its 95% interval, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from byheart.intervals import Interval, student_half_width, wilson


def mean_interval(
    values: Sequence[float] | NDArray[np.float64], level: float = 0.05
) -> tuple[float, Interval]:
    """Return a mean and its interval by Student's t; of no values nan and the whole line.

    >>> mean_interval([1.0, 1.0, 1.0])
    (1.0, (1.0, 1.0))
    """
    if not len(values):
        return math.nan, (-math.inf, math.inf)
    mean, half = float(np.mean(values)), student_half_width(values, level)
    return mean, (mean - half, mean + half)


def mean_text(values: Sequence[float] | NDArray[np.float64], decimals: int = 1) -> str:
    """Return a mean and its 95% interval by Student's t, each with so many decimals.

    >>> mean_text([1.0, 2.0, 3.0])
    '2.0 [-0.5, 4.5]'
    """
    mean, (low, high) = mean_interval(values)
    return f"{mean:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"


def share_text(count: int, total: int, spec: str = ".2f") -> str:
    """Return a share and Wilson's 95% interval, each in the format `spec`.

    >>> share_text(5, 10), share_text(5, 10, ".0%")
    ('0.50 [0.24, 0.76]', '50% [24%, 76%]')
    """
    low, high = wilson(count, total)
    return f"{count / total:{spec}} [{low:{spec}}, {high:{spec}}]"
