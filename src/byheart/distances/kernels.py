"""Gaussian-kernel sums over the nearest points, in logs.

A row of the kernel matrix exp(−D²/(2 eps²)) is cut to its k nearest entries; every sum is taken
relative to the largest term of its row, so nothing underflows in high dimension.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from byheart.distances.neighbours import Neighbours

# Bandwidths run from "only a copy counts" to "any near point counts".
BANDWIDTH_MULTIPLES = (0.2, 0.35, 0.5, 0.7, 1.0)


def bandwidth_ladder(scale: float) -> tuple[float, ...]:
    """Return the bandwidths for a typical distance `scale` between nearest real points."""
    return tuple(multiple * scale for multiple in BANDWIDTH_MULTIPLES)


def log_kernels(distances: NDArray[np.float64], bandwidth: float) -> NDArray[np.float64]:
    """Return −D²/(2 bandwidth²), the log of the unnormalised kernel, shape of `distances`."""
    scaled = distances / bandwidth
    return -0.5 * scaled * scaled


def kernel_shares(
    table: Neighbours, bandwidth: float, columns: int
) -> csr_array[np.float32, tuple[int, int]]:
    """Return the kernel rows over the nearest points, each divided by its sum.

    table: (m, k) neighbours among `columns` points. Returns a sparse (m, columns) float32 array
    whose rows add up to 1.
    """
    rows, k = table.distances.shape
    shares = np.empty((rows, k), np.float32)
    for start in range(0, rows, 1024):  # bounds the logs beside the result
        logs = log_kernels(table.distances[start : start + 1024], bandwidth)
        weights = np.exp(logs - logs.max(axis=1, keepdims=True))
        shares[start : start + 1024] = weights / weights.sum(axis=1, keepdims=True)
    pointers = np.arange(0, rows * k + 1, k)
    return csr_array((shares.ravel(), table.indices.ravel(), pointers), shape=(rows, columns))
