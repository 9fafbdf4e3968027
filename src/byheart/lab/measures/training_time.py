"""When a model in training becomes good, and when it begins to memorize, over the training size.

Bonnaire et al. 2025 (arXiv 2505.17638v2) and Favero et al. 2025 (arXiv 2505.16959v1): samples are
good from a training time tau_gen on that does not depend on n, and memorization sets in at a later
tau_mem proportional to n. Time is counted in gradient steps at a fixed batch size. One run is
watched by a `MemorizationMonitor` at checkpoints; with the energy distance to held-out points as
quality,

    tau_gen   the first look as good as the best one within noise (`quality.turn`);
    tau_mem   the first look at which the joint test over all looks so far rejects: the samples lean
              on the training points (at most `level` of honest runs have one, ever);
    copies    the first look, after that, with training points named or reproduced beyond chance;
    ratio     the papers' own count: the share of samples whose nearest training point is at less
              than a third of the distance of the second nearest.

What happened at a look happened at some step since the look before: each time is an interval, and
infinite at its upper end when the run ended first (censored). A significance test finds a given
lean sooner with more samples: times are of this many samples and held-out points, equal for all n.

*Power law.* log tau = a + b log n + sigma e, e ~ N(0, 1), over runs, each known up to its interval:

    log L(a, b, sigma) = Σ log[ Phi((log by − a − b log n)/sigma) − Phi((log after − …)/sigma) ],

the likelihood of interval-censored data, concave in (a, b, 1)/sigma (Burridge 1981). The exponent's
interval is that of the profile likelihood, 2 [log L(b̂) − log L(b)] ≤ k log[1 + t²/(k − 2)], with t
Student's quantile at k − 2 degrees of freedom and k the runs whose time was seen. This is exact for
times seen exactly, where it is the t interval of least squares; else asymptotic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, stdtrit

from byheart import _check
from byheart.distances.neighbours import two_way
from byheart.errors import InputError, UsageError
from byheart.intervals import Interval
from byheart.monitoring.monitor import MemorizationMonitor

if TYPE_CHECKING:
    from byheart.lab.diffusion.neural import NeuralDenoiser

Array = NDArray[np.float64]
Checkpoint = tuple[int, Callable[[int], Any]]

_RATIO = 1 / 3  # of the two nearest distances, below which a sample counts as a copy (Bonnaire)
_SAMPLING_STEPS = 25
_NEWTON = 100  # iterations; about 8 are needed
_FARTHEST = 100.0  # from the best exponent: beyond, the interval is infinite


@dataclass(frozen=True)
class Onset:
    """When something set in: after step `after`, by step `by`; by = inf: not within the run."""

    after: float
    by: float


@dataclass(frozen=True)
class TrainingTimes:
    """One training run, look by look, and its times.

    steps: of the looks. quality: energy distance to the held-out points, 0 is their law. p_joint:
    of the test over all looks so far. auc: of the membership attack. ratio: see the module.
    best: the look of the best quality.
    """

    n: int
    steps: tuple[int, ...]
    quality: tuple[float, ...]
    p_joint: tuple[float, ...]
    auc: tuple[float, ...]
    ratio: tuple[float, ...]
    best: int
    tau_gen: Onset
    tau_mem: Onset
    copies: Onset


@dataclass(frozen=True)
class PowerLaw:
    """tau = factor n^exponent over runs; None and an infinite interval where the runs do not tell.

    scatter: sigma, of log tau about the line. runs: all; seen: those whose time was seen.
    """

    exponent: float | None
    interval: Interval
    factor: float | None
    scatter: float | None
    runs: int
    seen: int


def log_steps(first: int, last: int, count: int) -> tuple[int, ...]:
    """Return at most `count` different steps from first to last, evenly spaced in their logs.

    >>> log_steps(1, 100, 5)
    (1, 3, 10, 32, 100)
    """
    _check.integer(first, "first", 1)
    _check.integer(last, "last", first)
    _check.integer(count, "count", 1)
    return tuple(sorted({round(float(s)) for s in np.geomspace(first, last, count)}))


def watch(
    train: Any,
    heldout: Any,
    checkpoints: Iterable[Checkpoint],
    *,
    looks: int,
    samples: int = 400,
    level: float = 0.05,
    seed: int = 0,
) -> TrainingTimes:
    """Watch one training run to its end.

    train, heldout: (n, d) and (h, d) points; heldout must not be trained on. checkpoints: steps,
    rising, each with a function count -> samples; consumed one by one, so it may train in between.
    looks: how many there will be, about. Raises as `MemorizationMonitor`, and InputError for fewer
    than two checkpoints.

    >>> rng = np.random.default_rng(0)
    >>> train, heldout = rng.normal(size=(2, 100, 4))
    >>> def copier(step):  # knows the law at once, copies from step 20 on
    ...     def sample(count):
    ...         fresh = rng.normal(size=(count, 4))
    ...         return fresh if step < 20 else train[rng.integers(100, size=count)] + 0.05 * fresh
    ...     return sample
    >>> found = watch(train, heldout, [(s, copier(s)) for s in (5, 10, 20, 40)], looks=4)
    >>> found.tau_mem
    Onset(after=10.0, by=20.0)
    """
    monitor = MemorizationMonitor(
        train, heldout, every=1, samples=samples, looks=looks, level=level, seed=seed
    )
    points = np.asarray(_check.matrix(train, "train"), dtype=np.float64)
    ratio = []
    for step, sample in checkpoints:
        drawn = sample(samples)
        monitor.observe(step, drawn)
        near = two_way(np.asarray(drawn, dtype=np.float64), points, 2).forward.distances
        ratio.append(float(np.mean(near[:, 0] < _RATIO * near[:, 1])))
    result = monitor.result()
    seen = result.observations
    if len(seen) < 2:
        raise InputError(f"checkpoints: {len(seen)} of them; a run needs at least 2")
    steps = tuple(o.step for o in seen)
    quality = tuple(o.quality for o in seen)
    return TrainingTimes(
        len(points),
        steps,
        quality,
        tuple(o.p_joint for o in seen),
        tuple(o.auc for o in seen),
        tuple(ratio),
        best=steps[int(np.argmin(quality))],
        tau_gen=_onset(steps, result.tau_gen.step if result.tau_gen else None),
        tau_mem=_onset(steps, result.traces_from),
        copies=_onset(steps, result.copies_from),
    )


def checkpoints(
    denoiser: NeuralDenoiser,
    points: Array,
    steps: Sequence[int],
    *,
    batch_size: int = 50,
    learning_rate: float = 1e-3,
    seed: int,
) -> Iterator[Checkpoint]:
    """Train a network on `points`, (n, d), and stop at the end of the epoch that reaches each step.

    Samples come from the deterministic sampler of Song, Meng and Ermon 2021 in 25 steps, with noise
    of their own at each step. steps: rising. Needs torch; raises as `lab.diffusion.training.train`.
    """
    from byheart.lab.diffusion.samplers import EulerSampler
    from byheart.lab.diffusion.training import train

    wanted = list(steps)
    sampler = EulerSampler(
        denoiser, denoiser.schedule, _SAMPLING_STEPS, "posterior_mean", denoiser.start
    )
    epochs = -(-max(wanted) // max(1, len(points) // batch_size))
    training, noise = np.random.SeedSequence(_check.integer(seed, "seed", 0)).spawn(2)
    for state in train(
        denoiser,
        points,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=int(training.generate_state(1)[0]),
    ):
        if state.step < wanted[0]:
            continue
        (child,) = noise.spawn(1)
        rng = np.random.default_rng(child)
        yield state.step, lambda count, rng=rng: sampler.sample(count, rng)  # type: ignore[misc]
        wanted = [step for step in wanted if step > state.step]
        if not wanted:
            return


def power_law(sizes: Sequence[float], onsets: Sequence[Onset], level: float = 0.05) -> PowerLaw:
    """Fit tau = factor n^exponent to the times of runs of these sizes; see the module.

    Raises UsageError unless sizes are above 0 and as many as the onsets, InputError for none.

    >>> times = [Onset(9, 11), Onset(18, 22), Onset(38, 42), Onset(80, 84)]
    >>> law = power_law([10, 20, 40, 80], times)
    >>> round(law.exponent, 1), law.seen
    (1.0, 4)
    """
    level = _check.fraction(level, "level")
    n = np.asarray(sizes, dtype=np.float64)
    if n.shape != (len(onsets),) or not (np.isfinite(n) & (n > 0)).all():
        raise UsageError(f"sizes must be {len(onsets)} numbers above 0, one for each onset")
    if len(n) == 0:
        raise InputError("onsets: there are none; give at least one run of two sizes each")
    with np.errstate(divide="ignore"):
        low = np.log([onset.after for onset in onsets])
    high = np.log([onset.by for onset in onsets])
    seen = np.isfinite(high)
    count = int(seen.sum())
    if len(np.unique(n[seen])) < 2:
        return PowerLaw(None, (-math.inf, math.inf), None, None, len(n), count)
    centre = float(np.log(n).mean())
    x = np.log(n) - centre
    freedom = max(1, count - 2)
    quantile = float(stdtrit(freedom, 1 - level / 2))
    allowed = 0.5 * max(count, 3) * math.log1p(quantile**2 / freedom)
    profile = _Profile(x, low, high)
    best = profile.best()
    ends = [profile.edge(best, side, allowed) for side in (-1.0, 1.0)]
    location, scatter = profile.fit(best)[1:]
    return PowerLaw(
        best,
        (ends[0], ends[1]),
        math.exp(location - best * centre),
        scatter,
        len(n),
        count,
    )


@dataclass(frozen=True, eq=False)
class _Profile:
    """The likelihood of the exponent, the other parameters at their best for it."""

    x: Array
    low: Array
    high: Array

    def fit(self, exponent: float) -> tuple[float, float, float]:
        """Return log L, a and sigma for one exponent.

        Newton's method in u = a/sigma and h = 1/sigma, where log L is concave.
        """
        low, high = self.low - exponent * self.x, self.high - exponent * self.x
        middle = np.where(np.isfinite(high) & np.isfinite(low), 0.5 * (low + high), low)
        middle = np.where(np.isfinite(middle), middle, high)
        h = 1 / max(float(middle.std()), 0.1)
        u = h * float(middle.mean())
        value, gradient, curvature = _likelihood(low, high, u, h)
        for _ in range(_NEWTON):
            ridge = 1e-12 * (1 + float(np.abs(curvature).max()))
            step = np.linalg.solve(curvature + ridge * np.eye(2), gradient)
            gain, share = float(step @ gradient), 1.0
            if gain < 1e-11:
                break
            while share > 1e-9:
                tried = u + share * step[0], h + share * step[1]
                if tried[1] > 0:
                    found = _likelihood(low, high, *tried)
                    if found[0] > value:
                        break
                share /= 2
            else:
                break
            (u, h), (value, gradient, curvature) = tried, found
        return value, float(u / h), float(1 / h)

    def best(self) -> float:
        """Return the exponent of the largest likelihood, within ±20; the profile has one peak."""
        from scipy.optimize import minimize_scalar

        found = minimize_scalar(
            lambda b: -self.fit(float(b))[0], bounds=(-20, 20), method="bounded"
        )
        return float(found.x)

    def edge(self, best: float, side: float, allowed: float) -> float:
        """Return where the profile has fallen by `allowed`, on one side of the best, or ±inf."""
        from scipy.optimize import brentq

        top = self.fit(best)[0]

        def excess(reach: float) -> float:
            return top - self.fit(best + side * reach)[0] - allowed

        inside, reach = 0.0, 0.1
        while excess(reach) <= 0:
            inside, reach = reach, 2 * reach
            if reach > _FARTHEST:
                return side * math.inf
        return best + side * float(brentq(excess, inside, reach, xtol=1e-6))


def _likelihood(low: Array, high: Array, u: float, h: float) -> tuple[float, Array, Array]:
    """Return log L, its gradient in (u, h) and minus its second derivatives, (2, 2)."""
    a, b = h * low - u, h * high - u
    # Phi(b) − Phi(a) by the tail in which the two differ most
    flip = a > 0
    upper = log_ndtr(np.where(flip, -a, b))
    lower = log_ndtr(np.where(flip, -b, a))
    gap = np.maximum(-np.expm1(lower - upper), np.finfo(np.float64).tiny)
    mass = upper + np.log(gap)
    ends = []
    for z, edge in ((a, low), (b, high)):
        known = np.isfinite(z)
        safe = np.where(known, z, 0.0)
        density = np.exp(-0.5 * safe**2 - 0.5 * math.log(2 * math.pi) - mass)
        ends.append((safe, np.where(known, density, 0.0), np.where(known, edge, 0.0)))
    (za, ra, xa), (zb, rb, xb) = ends
    slope = np.stack([ra - rb, rb * xb - ra * xa])  # of log mass, in u and h
    bend_b, bend_a = rb * zb, ra * za
    second = np.array(
        [
            [(bend_b - bend_a).sum(), (bend_a * xa - bend_b * xb).sum()],
            [(bend_a * xa - bend_b * xb).sum(), (bend_b * xb**2 - bend_a * xa**2).sum()],
        ]
    )
    return float(mass.sum()), slope.sum(axis=1), second + slope @ slope.T


def _onset(steps: Sequence[int], step: int | None) -> Onset:
    """Return between which looks it set in at look `step`; None: after the last one."""
    if step is None:
        return Onset(float(steps[-1]), math.inf)
    k = steps.index(step)
    return Onset(float(steps[k - 1]) if k else 0.0, float(step))
