"""Regularised denoisers: the training set's own score, changed by one parameter.

Symbols: x_1 .. x_n training points, y = x + s eta at noise level s, k_i = exp(-|y - x_i|^2/(2 s^2))
without a normalising factor, K = sum_i k_i, m = sum_i k_i x_i / K the empirical posterior mean.
Every model here is a score; its estimate of x is D(y, s) = y + s^2 score (`Denoiser`), and the
deterministic samplers follow dy/ds = -s score.

No regularisation, score = (m - y)/s^2: dy/ds = (y - m)/s. Let x* be a point that m tends to as s
falls: a training point, in whose Voronoi cell m - x* is exponentially small in 1/s^2, or, for a
start on a face between cells that the flow does not leave, the mean of the points of equal distance
(for two points the midpoint). Then d(y - x*)/ds = (y - x*)/s up to that, and

    |y(s) - x*| = O(s),    |y - x*|/s -> constant:    every sample collapses.

*Stopping at s_s*: the law of y at the level s_s of that flow is rho_{s_s}, exactly the Gaussian
kernel density of bandwidth s_s. So it needs no class: an `EmpiricalDenoiser` with the schedule's
s_min = s_s and `finish="noise_floor"`, or a `KernelSmoothedDenoiser` of bandwidth eps. The two
follow one path: with q = sqrt(s^2 + eps^2), dq/ds = s/q and y - D = (s/q)^2 [y - m(y, q)], so that
dy/dq = [y - m(y, q)]/q, the unregularised flow in q, from sqrt(s_max^2 + eps^2) down to eps.

*Tikhonov*, score = (m - y)/(s^2 + c), with a variance c in squared units of the data. It minimises
E|score + eta/s|^2 + (c/s^2) E|score|^2, the denoising loss with a ridge.

    D = y + [s^2/(s^2 + c)] (m - y),    dy/dq = (y - m)/q,    q = sqrt(s^2 + c),

the flow of a kernel density of bandwidth sqrt(c), but with m at noise level s, not q: the weights
of the points are sharper than the cloud of samples is wide. It ends at q = sqrt(c). Once m = x_i,
y - x_i is proportional to q; with n = 1 and a start N(x_1, s_max^2 I) this holds from the start:

    variance at the end = s_max^2 c/(s_max^2 + c)        (deterministic samplers),

a blob of radius about sqrt(c d). Backwards along the noising chain instead (ancestral), with
v = s^2, the variance V obeys dV/dv = 2 V/(v + c) - 1, which V = (v + c) - c [(v + c)/q_max^2]^2
solves, q_max^2 = s_max^2 + c:

    variance at the end = c [1 - c^2/(s_max^2 + c)^2]    (ancestral sampler).

Where the schedule has to end: at s_min the deterministic variance is s_max^2 (s_min^2 + c)/q_max^2
with `finish="noise_floor"`, and c/(s_min^2 + c) times the formula above with "posterior_mean".
Both hold up to a relative error s_min^2/c, so s_min has to be well below sqrt(c).

*Empirical Bayes*, score = sum_i k_i (x_i - y) / [s^2 max(K, tau)], tau > 0 without a unit. With
the share a = min(1, K/tau),

    D = y + a (m - y),    dy/ds = a (y - m)/s:    where K < tau, the score fades out.

With n = 1 let u = |y - x_1|/s, K = exp(-u^2/2). Then du/d log s = (a - 1) u. If u^2 <= 2 log(1/tau)
at the start, a = 1, u stays what it is, and y collapses. Otherwise u grows as s falls, a falls like
exp(-u^2/2), and |y - x_1| ends at a value above 0 (slowly near the edge, and in few dimensions:
u^2 + 2 log tau grows like s^-(u^2) at first). A start N(x_1, s_max^2 I) has u^2 ~ chi^2_d:

    collapsed share = P(chi^2_d <= 2 log(1/tau)).

The median of chi^2_d is about d, so tau has to scale as e^(-d/2): far below it every sample
collapses, far above it none moves at all, and stays as far out as it has started. With n points
K <= n, and for the share that ends near one of them the same formula holds. The parameter is given
as log tau, because e^(-d/2) is below the smallest floating point number from d = 1490 on. The
schedule has to end well below the smallest distance |y - x_i| that is left; both finishes do.

Sources: arXiv 2501.15785 (Baptista et al.) for the two scores and the collapse without them, with
the code's conventions (c is added to the variance, k_i has no normalising factor); the maximum in
the denominator is that of Wibisono, Wu and Yang 2024. The formulas are derived above.
"""

from __future__ import annotations

import math
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from byheart import _check
from byheart.errors import UsageError
from byheart.lab.diffusion.denoisers import Denoiser, EmpiricalDenoiser, check_query

Array = NDArray[np.float64]


@final
class TikhonovDenoiser(Denoiser):
    """The training set's score with a variance added to its denominator; no posterior mean.

    points: (n, d). constant: c > 0, in squared units of the data. Samples lie in blobs of radius
    about sqrt(c d) around training points, if c is far below their squared distances over d.
    Raises InputError for points that are not a finite (n, d) array, UsageError for the constant.
    Source: arXiv 2501.15785; derived in the module's introduction.

    >>> denoiser = TikhonovDenoiser([[0.0]], constant=3.0)
    >>> denoiser.mean(np.array([[4.0]]), 1.0).tolist()  # a quarter of the way to 0
    [[3.0]]
    """

    def __init__(self, points: Any, constant: float) -> None:
        self._constant = _check.positive(constant, "constant")
        self._empirical = EmpiricalDenoiser(points)

    @property
    def dimension(self) -> int:
        """Number d of coordinates of a point."""
        return self._empirical.dimension

    def mean(self, y: Array, noise_level: float) -> Array:
        """Return y + s^2 score; see `Denoiser.mean`."""
        y, s = check_query(self, y, noise_level)
        share = s**2 / (s**2 + self._constant)
        return share * self._empirical.mean(y, s) + (1 - share) * y


@final
class EmpiricalBayesDenoiser(Denoiser):
    """The training set's score with its density bounded below by a floor; no posterior mean.

    points: (n, d). log_threshold: log tau, any finite number, without a unit. Around -d/2 the
    samples pass from training points to the starting noise.
    Raises InputError for points that are not a finite (n, d) array, UsageError for the threshold.
    Source: arXiv 2501.15785; derived in the module's introduction.

    >>> denoiser = EmpiricalBayesDenoiser([[0.0]], log_threshold=-0.5)
    >>> estimate = denoiser.mean(np.array([[1.0], [2.0]]), 1.0)
    >>> [round(v, 6) for v in estimate.ravel().tolist()]  # K/tau is 1, and exp(-3/2)
    [0.0, 1.55374]
    """

    def __init__(self, points: Any, log_threshold: float) -> None:
        if not math.isfinite(log_threshold):
            raise UsageError(f"log_threshold must be finite, got {log_threshold!r}; give -d/2")
        self._log_threshold = float(log_threshold)
        self._empirical = EmpiricalDenoiser(points)

    @property
    def dimension(self) -> int:
        """Number d of coordinates of a point."""
        return self._empirical.dimension

    def mean(self, y: Array, noise_level: float) -> Array:
        """Return y + s^2 score; see `Denoiser.mean`."""
        y, s = check_query(self, y, noise_level)
        posterior, log_mass = self._empirical.mean_and_log_mass(y, s)
        share = np.exp(np.minimum(0.0, log_mass - self._log_threshold))[:, None]
        estimate: Array = share * posterior + (1 - share) * y
        return estimate
