from __future__ import annotations

import numpy as np
import pytest
from bench import Bench
from numpy.typing import NDArray


@pytest.fixture
def normal_sets() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(7)
    return rng.normal(size=(60, 5)), rng.normal(size=(50, 5)), rng.normal(size=(80, 5))


@pytest.fixture
def bench(normal_sets) -> Bench:
    return Bench.of(*normal_sets)
