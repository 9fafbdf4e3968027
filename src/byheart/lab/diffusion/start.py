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

from byheart.errors import UsageError

Array = NDArray[np.float64]


@final
@dataclass(frozen=True, eq=False)
class Start:
    """The law N(mean, (spread^2 + s^2) I) of the first noisy point; pure noise by default.

    mean: a number or (d,), spread: a deviation of at least 0, both in the data's units.
    `LinearOneStepDenoiser.start` and `NeuralDenoiser.start` hold the law of their model.
    Raises UsageError for values outside of these.

    >>> Start(mean=100.0, spread=3.0).draw(2, 5, 4.0, np.random.default_rng(0)).shape
    (2, 5)
    """

    mean: float | Array = 0.0
    spread: float = 0.0

    def __post_init__(self) -> None:
        if np.ndim(self.mean) > 1 or not np.isfinite(self.mean).all():
            shape = np.shape(self.mean)
            raise UsageError(f"start: mean must be finite, a number or (d,), got shape {shape}")
        if not 0 <= self.spread < math.inf:
            raise UsageError(f"start: spread must be finite and at least 0, got {self.spread!r}")

    def draw(self, count: int, d: int, noise_level: float, rng: np.random.Generator) -> Array:
        """Return (count, d) noisy points at noise level s; UsageError for a mean not of size d."""
        if np.ndim(self.mean) == 1 and len(np.asarray(self.mean)) != d:
            raise UsageError(f"start: mean must have {d} entries, got {len(np.asarray(self.mean))}")
        scale = math.hypot(self.spread, noise_level)
        return self.mean + scale * rng.standard_normal((count, d))


PURE_NOISE = Start()
