"""The dimension of trained networks: one that reproduces its training digits, one that does not.

All else in `geometry` is exact. A network at small noise is not: its score is fitted
worst where it varies most, and its residual |m - y| need not vanish at a training point. FLIPD has
both in it; the spectral dimension has neither the residual nor large eigenvalues.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from byheart.auditing.copies import reproduces
from byheart.auditing.metrics.geometry import judge
from byheart.distances.dimension import LocalDimension, maximum_likelihood
from byheart.distances.neighbours import two_way
from byheart.intervals import wilson
from byheart.lab.diffusion import AncestralSampler, Denoiser
from byheart.lab.diffusion.dimension import flipd
from byheart.lab.diffusion.hessian import spectral_dimension
from byheart.lab.measures.geometry import around
from byheart.lab.reproduction.reproduction import Claim
from byheart.plotting.table import Table
from byheart.threads import one_thread

Array = NDArray[np.float64]

SIZES = (50, 1400)  # training digits
STEPS = 6000  # of training
LEVELS = (0.1, 0.3)  # below and at a quarter of the distance between digits
POINTS, SAMPLES = 40, 400
HEADINGS = ("n", "points", "s", "FLIPD", "marked", "FLIPD less", "spectral", "spectral less")


def networks(digits: Array, rng: np.random.Generator) -> tuple[Table, Claim]:
    """Train on 50 and on 1,400 of `digits`, (n, d), and compare dimensions with the data's.

    Raises MissingExtraError without torch.
    """
    digits = digits[rng.permutation(len(digits))]
    population = maximum_likelihood(digits)
    rows, less, copied = [], {}, {}
    for n in SIZES:
        train = digits[:n]
        with one_thread():
            denoiser, sample = _trained(train)
            copied[n] = float(reproduces(two_way(sample(rng), train, 2).forward).mean())
            for place, at in (("training", train[:POINTS]), ("held out", digits[-POINTS:])):
                data = around(at, digits)
                curve = flipd(denoiser, at, LEVELS)
                spectral = spectral_dimension(denoiser, at, LEVELS).values
                for i, s in enumerate(LEVELS):
                    counts = []
                    for values in (curve.values[:, i], spectral[:, i]):
                        model = LocalDimension(values, np.column_stack([values, values]))
                        kinds = [point.kind for point in judge(model, data, population)]
                        counts.append(kinds.count("overfitting-driven"))
                    less[n, place, s] = counts
                    rows.append(
                        (
                            f"{n:,}",
                            place,
                            f"{s:g}",
                            f"{np.median(curve.values[:, i]):.1f}",
                            f"{curve.diverging[:, i].mean():.2f}",
                            f"{counts[0] / len(at):.2f}",
                            f"{np.median(spectral[:, i]):.1f}",
                            f"{counts[1] / len(at):.2f}",
                        )
                    )
    table = Table(
        "Trained networks on digits",
        HEADINGS,
        tuple(rows),
        f"A perceptron of width 256, {STEPS:,} steps of training. Medians over {POINTS} digits; "
        "less: share whose value lies below the interval of the data's dimension; marked: as "
        "diverging. Samples that lie at a third of the distance to the next training digit: "
        + ", ".join(f"{copied[n]:.2f} at n = {n:,}" for n in SIZES)
        + ".",
    )
    return table, _claim(less)


def _claim(less: dict[tuple[int, str, float], list[int]]) -> Claim:
    s, few, many = LEVELS[0], SIZES[0], SIZES[-1]
    texts, apart = [], []
    for i, name in enumerate(("FLIPD", "spectral")):
        memorizing, honest = less[few, "training", s][i], less[many, "training", s][i]
        apart.append(wilson(memorizing, POINTS)[0] > wilson(honest, POINTS)[1])
        texts.append(
            f"{name} {memorizing / POINTS:.2f} at n = {few:,} and {honest / POINTS:.2f} at "
            f"n = {many:,}"
        )
    return Claim(
        "A trained network, too, has a dimension below the data's where it memorizes and not where "
        "it generalizes (2411.00113, 2605.01221).",
        f"Share of training digits where it is less at s = {s:g}: " + "; ".join(texts) + ".",
        "yes" if all(apart) else "partly" if any(apart) else "no",
    )


def _trained(points: Array) -> tuple[Denoiser, Callable[[np.random.Generator], Array]]:
    """Return a denoiser trained on `points` and a function that draws SAMPLES of it."""
    from byheart.lab.diffusion.neural import NeuralDenoiser, mlp
    from byheart.lab.diffusion.training import train

    denoiser = NeuralDenoiser.for_points(mlp(points.shape[1], seed=0), points)
    for state in train(denoiser, points, epochs=STEPS, learning_rate=1e-3, seed=0):
        if state.step >= STEPS:
            break
    sampler = AncestralSampler(
        denoiser,
        denoiser.schedule,
        denoiser.schedule.length - 1,
        finish="posterior_mean",
        start=denoiser.start,
    )
    return denoiser, lambda rng: sampler.sample(SAMPLES, rng)
