"""Start laws: where a sampler begins, at the first noise level of its schedule.

A sampler should start from rho_s, the law of y = x + s eta at the first level s. It knows no more
about x than a mean m and one deviation v, so it starts from the noisy law of N(m, v^2 I):

    y ~ N(m, (v^2 + s^2) I).

m = 0 and v = 0 is pure noise, right when s is far above the data. Two known models need more:

* the one-step model of arXiv 2411.17807 starts from m = xbar (one entry a coordinate) and v^2 the
  mean over coordinates of the unbiased training variance; this is its s_gen^2 / e^(-2T);
* DDPM starts from z ~ N(0, I), with z = (y - m)/sqrt(v^2 + s^2) and m, v the scalars that
  standardise the data. A short chain ends at moderate noise: with 200 steps, beta from 1e-4 to
  0.02, s is only 2.6 v, and pure noise would leave out the mean and an eighth of the variance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@final
@dataclass(frozen=True, eq=False)
class Start:
    """The law N(mean, (spread^2 + s^2) I) of the first noisy point; pure noise by default.

    mean: a number or (d,), spread: a deviation of at least 0, both in the data's units.
    `LinearOneStepDenoiser.start` and `NeuralDenoiser.start` hold the law of their model.

    >>> Start(mean=100.0, spread=3.0).draw(2, 5, 4.0, np.random.default_rng(0)).shape
    (2, 5)
    """

    mean: float | Array = 0.0
    spread: float = 0.0

    def draw(self, count: int, d: int, noise_level: float, rng: np.random.Generator) -> Array:
        """Return (count, d) noisy points at noise level s."""
        scale = math.hypot(self.spread, noise_level)
        return self.mean + scale * rng.standard_normal((count, d))


PURE_NOISE = Start()
