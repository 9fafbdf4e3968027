"""What each metric is called, which way it ought to go, its range and its source."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from byheart import intervals
from byheart.auditing.result import Metric

Floats = NDArray[np.float64]
Goal = Literal["minimize", "maximize", "zero", "none"]
VENDI_ROWS = 1000  # the most rows of G whose eigenvalues are taken


@dataclass(frozen=True)
class Definition:
    """Which way a metric ought to go, and its range."""

    goal: Goal
    minimum: float
    maximum: float


DEFINITIONS = {
    "c_t": Definition(
        "zero", -math.inf, math.inf
    ),  # Meehan, Chaudhuri and Dasgupta 2020, arXiv 2004.05675
    "authenticity": Definition("maximize", 0.0, 1.0),  # Alaa et al. 2022, arXiv 2102.08921
    "nearest_share": Definition("none", 0.0, 1.0),  # Platzer and Reutterer 2021, arXiv 2104.00635
    "nearest_distance_ratio": Definition(
        "none", 0.0, 1.0
    ),  # Lowe 2004; Zhao et al. 2021, arXiv 2102.08369
    "near_copy_share": Definition("minimize", 0.0, 1.0),  # Yoon et al. 2023, SPIGM workshop
    "median_distance_ratio": Definition("none", 0.0, math.inf),  # byheart
    "coverage": Definition("maximize", 0.0, 1.0),  # Naeem et al. 2020, arXiv 2002.09797
    "precision": Definition("maximize", 0.0, 1.0),  # Kynkäänniemi et al. 2019, arXiv 1904.06991
    "density": Definition("none", 0.0, math.inf),  # Naeem et al. 2020, arXiv 2002.09797
    "recall": Definition("maximize", 0.0, 1.0),  # Kynkäänniemi et al. 2019, arXiv 1904.06991
    "memorization_distance": Definition("none", 0.0, 1.0),  # Bai et al. 2021, arXiv 2106.03062
    "likelihood_gap": Definition(
        "zero", -math.inf, math.inf
    ),  # Jiralerspong et al. 2023, arXiv 2302.04440
    "vendi_score": Definition(
        "maximize", 1.0, VENDI_ROWS
    ),  # Friedman and Dieng 2023, arXiv 2210.02410
    "local_dimension": Definition("none", 0.0, math.inf),  # Levina and Bickel 2004, NIPS
    "overfit_share": Definition("minimize", 0.0, 1.0),  # Ross et al. 2024, arXiv 2411.00113
    "memorized_share": Definition("minimize", 0.0, 1.0),  # Pham et al. 2026, arXiv 2505.21777v3
    "spurious_share": Definition("minimize", 0.0, 1.0),  # Pham et al. 2026, arXiv 2505.21777v3
    "generalized_share": Definition("none", 0.0, 1.0),  # Pham et al. 2026, arXiv 2505.21777v3
    "ams": Definition("minimize", 0.0, 1.0),  # Chen et al. 2024, arXiv 2410.02467v1
    "ums": Definition("minimize", 0.0, math.inf),  # Chen et al. 2024, arXiv 2410.02467v1
}


def metric(name: str, value: float, interval: tuple[float, float] | None) -> Metric:
    """Return the metric of this name with its value and interval, kept within its range."""
    known = DEFINITIONS[name]
    if interval is not None:
        interval = max(interval[0], known.minimum), min(interval[1], known.maximum)
    return Metric(value, interval, known.goal, known.minimum, known.maximum)


def share_metric(name: str, count: float, rows: int, level: float) -> Metric:
    """Return a metric that is a share, `count` of `rows`, with Wilson's interval."""
    return metric(name, count / rows, intervals.wilson(count, rows, level))


def mean_interval(values: Floats, level: float) -> tuple[float, tuple[float, float] | None]:
    """Return the mean of `values` and its normal interval; none for a single value."""
    mean = float(values.mean())
    if len(values) < 2:
        return mean, None
    half = intervals.normal_half_width(values, level)
    return mean, (mean - half, mean + half)


def median_interval(values: Floats, level: float, largest: float = 1.0) -> tuple[float, float]:
    """Order-statistic interval of a median: the counts below it are Binomial(n, 1/2)."""
    ordered, n = np.sort(values), len(values)
    below = bdtr(np.arange((n + 1) // 2, dtype=float), n, 0.5)
    cut = int((below <= level / 2).sum())  # as many values may lie outside at each end
    if cut == 0:
        return 0.0, largest  # too few rows to leave any out: the range
    return float(ordered[cut - 1]), float(ordered[n - cut])
