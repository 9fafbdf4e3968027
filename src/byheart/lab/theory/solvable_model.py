"""The solvable diffusion model of arXiv 2411.17807: linear denoiser, one step, Gaussian data.

Forward: y = e^(−T) x + √(l (1 − e^(−2T))) η with x ~ N(mu, sigma² I_d), η ~ N(0, I_d) and
l = lambda e^(−2T). Denoiser: least squares of x on y with intercept over the n pairs (theta0,
theta1; minimum norm for n ≤ d). Generation: x_gen = theta0 + theta1 y_gen, y_gen ~ N(e^(−T) xbar,
s_gen² I), s_gen² = e^(−2T) (mean over coordinates of the unbiased training variance) +
l (1 − e^(−2T)). Hence rho_G = N(m_G, S), S = s_gen² theta1 theta1ᵀ.

Let s² = e^(−2T) sigma² + l (1 − e^(−2T)), r = e^(−2T) sigma²/s² = sigma²/(sigma² + lambda (1 −
e^(−2T))), the squared correlation of a coordinate with its noisy version, N = n − 1, k = N/d. Given
y, x = a y + √(1−r) sigma z with z independent, so theta1 = a I + (noise regressed on y); with
W ~ Wishart_d(N, I):

    tau := E s² tr(theta1 theta1ᵀ)/(d sigma²)
         = r + (1−r) t,          t = d/(N−d−1),    N > d + 1
         = (N/d) [r + (1−r) t],  t = d/(d−N−1),    N < d − 1
    E tr S/(d sigma²) = tau + (r(1−r)/N) [4r min(N,d)/d + 2(1−2r) min(N,d) t/d]/d,  exact: s_gen²
                        fluctuates, and with the fit
    E |m_G − mu|²/sigma² = (d/n) (1 + (1−r) tau),                                   exact
    E log det(S/sigma²) = E log det BᵀB − r²/N + O(N⁻²),  N ≥ d

B is the least-squares matrix of d standard pairs of squared correlation r;
`random_matrix.regression_log_determinant` has E log det BᵀB across both scales, an approximation
of the exact series in `exact_log_determinant`. Below the second scale n/d = 1/r it is a sum of
digammas, w(d, d) − w(d, N) − (N−d) log(1−r); beyond it d log r + O(1).

    E KL(rho_G ‖ rho) = ½ [E tr S/sigma² − d − E log det(S/sigma²) + E |m_G − mu|²/sigma²]
    E KL ≥ ½ d (h − 1 − log h) + ½ E |m_G − mu|²/sigma²,  h = E tr S/(d sigma²)     (Jensen)
    n → ∞: (d/2) (r − 1 − log r), the price of one denoising step at finite noise

For n ≤ d, S is singular: KL is inf in every run. For n = d + 1 and d + 2 single runs are finite and
the expectation is not. So the model has two scales: n = d + 3, where E KL becomes finite, and
n/d = 1/r, which arXiv 2411.17807 does not mention. For r > 0.187 E KL falls from d + 3 on (n_gen).
Below that, as d → ∞, it has a minimum at n/d between 2.3 and 3.3, rises until below n/d = 1/r and
falls again to the floor: (2/d) dE KL/dk = −(1−r)/(k−1)² − log(1−1/k) + log(1−r) changes sign.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from byheart import _check
from byheart.errors import UsageError
from byheart.lab.theory.gaussians import GaussianLaw, kl, squared_hellinger
from byheart.lab.theory.random_matrix import regression_log_determinant

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scales:
    """Two values of n: where E KL becomes finite, and n/d = 1/r."""

    interpolation: int
    second: float


@dataclass(frozen=True)
class Prediction:
    """All closed forms at one n; divergences in nats."""

    d: int
    n: int
    time: float
    noise_scale: float
    kl: float
    kl_lower_bound: float
    kl_floor: float
    trace_per_dimension: float
    log_determinant: float
    mean_offset: float
    regime: str
    scales: Scales


@dataclass(frozen=True)
class SimulatedMean:
    """A simulated mean with its standard error."""

    mean: float
    standard_error: float


@dataclass(frozen=True)
class Simulation:
    """Means over independent training sets; units as in `Prediction`."""

    trials: int
    kl: SimulatedMean
    kl_median: float
    log_determinant: SimulatedMean
    trace_per_dimension: SimulatedMean
    mean_offset: SimulatedMean
    squared_hellinger: SimulatedMean


@dataclass(frozen=True)
class LinearOneStep:
    """The model at dimension d, diffusion time T and noise scale lambda, data deviation sigma.

    Every `n` may be a whole number or an array of them; results have its shape. Raises UsageError
    for values out of range. Source: arXiv 2411.17807; derived above and in
    docs/explanation/solvable-model.md.

    E KL agrees with simulation to within its noise (144 settings, d = 16 and 100, n ≥ 1.1 d; root
    mean square 1.0 standard errors); python -m benchmarks.theory_accuracy prints errors per regime.

    >>> model = LinearOneStep(100, time=2, noise_scale=1)
    >>> round(float(model.expected_kl(300)), 2)
    22.52
    """

    dimension: int
    time: float
    noise_scale: float
    sigma: float = 1.0

    def __post_init__(self) -> None:
        _check.integer(self.dimension, "dimension", 1, 10**9)
        _check.positive(self.time, "time")
        _check.positive(self.noise_scale, "noise_scale")
        _check.positive(self.sigma, "sigma")

    @property
    def correlation(self) -> float:
        """The squared correlation r of a coordinate with its noisy version."""
        return 1 / (1 + self.noise_scale * -math.expm1(-2 * self.time) / self.sigma**2)

    @property
    def scales(self) -> Scales:
        """The model's two scales of n."""
        return Scales(self.dimension + 3, self.dimension / self.correlation)

    @property
    def kl_floor(self) -> float:
        """E KL for n → ∞, nats: vanishes only as lambda → 0."""
        r = self.correlation
        return self.dimension / 2 * (r - 1 - math.log(r))

    def trace_per_dimension(self, n: ArrayLike) -> Array:
        """Return E tr S/(d sigma²), exact; inf for N in {d − 1, d, d + 1}."""
        samples, d, r = self._samples(n), self.dimension, self.correlation
        rank, pole = np.minimum(samples, d), self._pole(samples)
        fluctuation = 4 * r * rank / d + 2 * (1 - 2 * r) * rank * pole / d
        # where the pole is inf, tau is inf and outweighs the correction, whatever its sign
        finite = np.isfinite(pole)
        correction = np.where(finite, r * (1 - r) / (samples * d) * fluctuation, 0.0)
        return np.asarray(self._plain_trace(samples) + correction)

    def mean_offset(self, n: ArrayLike) -> Array:
        """Return E |m_G − mu|²/sigma², exact."""
        samples = self._samples(n)
        spread = 1 + self._noise_share * self._plain_trace(samples)
        return np.asarray(self.dimension / (samples + 1) * spread)

    def log_determinant(self, n: ArrayLike) -> Array:
        """Return E log det(S/sigma²); −inf for n ≤ d."""
        samples, r = self._samples(n), self.correlation
        value = regression_log_determinant(self.dimension, samples, r, self._noise_share)
        return np.asarray(value - r**2 / samples)

    def expected_kl(self, n: ArrayLike) -> Array:
        """Return E KL(rho_G ‖ rho), nats; inf for n ≤ d + 2."""
        samples, d = self._samples(n), self.dimension
        finite = samples > d + 1
        safe = np.where(finite, samples + 1, 2 * d + 4)
        trace, offset = self.trace_per_dimension(safe), self.mean_offset(safe)
        value = (d * trace - d - self.log_determinant(safe) + offset) / 2
        # The bound is a theorem and the log determinant an approximation: it matters at d = 1 to 5.
        return np.asarray(np.where(finite, np.maximum(value, self.kl_lower_bound(safe)), np.inf))

    def kl_lower_bound(self, n: ArrayLike) -> Array:
        """Return the Jensen bound below E KL, nats, exact at finite n; inf for n ≤ d + 2."""
        samples, d = self._samples(n), self.dimension
        finite = samples > d + 1
        safe = np.where(finite, samples + 1, 2 * d + 4)
        trace = self.trace_per_dimension(safe)
        value = d / 2 * (trace - 1 - np.log(trace)) + self.mean_offset(safe) / 2
        return np.asarray(np.where(finite, value, np.inf))

    def predict(self, n: ArrayLike) -> list[Prediction]:
        """Return every closed form for each n, in order."""
        sizes = np.atleast_1d(np.asarray(n))
        columns = [
            self.expected_kl(sizes),
            self.kl_lower_bound(sizes),
            self.trace_per_dimension(sizes),
            self.log_determinant(sizes),
            self.mean_offset(sizes),
        ]
        return [
            Prediction(
                d=self.dimension,
                n=int(size),
                time=float(self.time),
                noise_scale=float(self.noise_scale),
                kl=float(divergence),
                kl_lower_bound=float(bound),
                kl_floor=self.kl_floor,
                trace_per_dimension=float(trace),
                log_determinant=float(determinant),
                mean_offset=float(offset),
                regime=self.regime(int(size)),
                scales=self.scales,
            )
            for size, divergence, bound, trace, determinant, offset in zip(
                sizes, *columns, strict=True
            )
        ]

    def regime(self, n: int) -> str:
        """Return a word for n: singular, infinite mean, between the scales, beyond both."""
        if n <= self.dimension:
            return "singular"
        if n < self.scales.interpolation:
            return "infinite mean"
        return "between the scales" if n < self.scales.second else "beyond both scales"

    def fit(self, x: ArrayLike, rng: np.random.Generator) -> GaussianLaw:
        """Train once on x, (n, d), n ≥ 2, and return the law of the generated samples, exactly.

        >>> rng = np.random.default_rng(0)
        >>> law = LinearOneStep(2, time=2, noise_scale=1).fit(rng.normal(size=(50, 2)), rng)
        >>> law.mean.shape
        (2,)
        """
        return self.fit_with_factor(x, rng)[0]

    def fit_with_factor(self, x: ArrayLike, rng: np.random.Generator) -> tuple[GaussianLaw, Array]:
        """Return the law of `fit` and the factor s_gen theta1, (d, d), of its covariance."""
        points = _check.float64_matrix(x, "train")
        if points.shape[1] != self.dimension or len(points) < 2:
            raise UsageError(
                f"train must be (n, {self.dimension}) with n ≥ 2, got shape {points.shape}"
            )
        decay = math.exp(-self.time)
        noise = self.noise_scale * decay**2 * -math.expm1(-2 * self.time)
        noisy = decay * points + math.sqrt(noise) * rng.standard_normal(points.shape)
        centre, noisy_centre = points.mean(axis=0), noisy.mean(axis=0)
        theta = np.linalg.lstsq(noisy - noisy_centre, points - centre, rcond=None)[0].T
        spread = decay**2 * float(points.var(axis=0, ddof=1).mean()) + noise
        mean = centre + theta @ (decay * centre - noisy_centre)
        factor = math.sqrt(spread) * theta
        return GaussianLaw.from_factor(mean, factor), factor

    def simulate(self, n: int, trials: int, seed: int) -> Simulation:
        """Train on `trials` independent sets of n points and return means with standard errors.

        KL and the log determinant are infinite for n ≤ d. Each trial has its own stream.
        """
        n = _check.integer(n, "n", 2)
        trials = _check.integer(trials, "trials", 2)
        d = self.dimension
        data = GaussianLaw.isotropic(np.zeros(d), self.sigma**2)
        rows = []
        for child in np.random.SeedSequence(_check.integer(seed, "seed", 0)).spawn(trials):
            rng = np.random.default_rng(child)
            law = self.fit(self.sigma * rng.standard_normal((n, d)), rng)
            rows.append(
                (
                    float(kl(law, data)),
                    float(law.log_determinant) - 2 * d * math.log(self.sigma),
                    float(law.trace) / (d * self.sigma**2),
                    float(law.mean @ law.mean) / self.sigma**2,
                    float(squared_hellinger(law, data)),
                )
            )
        columns = np.array(rows).T
        estimates = [_mean(column) for column in columns]
        return Simulation(trials, estimates[0], float(np.median(columns[0])), *estimates[1:])

    def _samples(self, n: ArrayLike) -> Array:
        """Return N = n − 1 as floats; UsageError unless every n is a whole number of at least 2."""
        sizes: NDArray[Any] = np.asarray(n)
        if sizes.dtype.kind not in "iuf" or np.any(sizes < 2) or np.any(sizes != np.floor(sizes)):
            raise UsageError(f"n must be whole numbers of at least 2, got {n!r}")
        return np.asarray(sizes, dtype=np.float64) - 1

    @property
    def _noise_share(self) -> float:
        """1 − r, without cancellation at small noise."""
        noise = self.noise_scale * -math.expm1(-2 * self.time)
        return noise / (self.sigma**2 + noise)

    def _pole(self, samples: Array) -> Array:
        """The t of the traces above, inf at |N − d| ≤ 1."""
        gap = np.abs(samples - self.dimension) - 1
        return np.asarray(np.where(gap > 0, self.dimension / np.where(gap > 0, gap, 1.0), np.inf))

    def _plain_trace(self, samples: Array) -> Array:
        """tau: with the expectation of s_gen² instead of its fluctuation."""
        rank = np.minimum(samples / self.dimension, 1.0)
        share = self._noise_share
        return np.asarray(rank * (self.correlation + share * self._pole(samples)))


def _mean(values: Array) -> SimulatedMean:
    if not np.all(np.isfinite(values)):
        return SimulatedMean(float(np.mean(values)), math.inf)
    return SimulatedMean(float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values))))
