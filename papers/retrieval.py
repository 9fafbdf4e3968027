"""Retrieval from a training set as from an associative memory, and its phases over n.

At a fixed noise level s a training set has the energy E of `lab.theory.associative_memory`, whose
steepest descent with step 1/2 is y <- D(y, s), D the posterior mean of the training set. Started
from the noisy training law itself, y = x_i + s eta, it retrieves what the memory holds: training
points where they are isolated, minima between several of them where they crowd (spurious states),
and, where points are so dense that E is nearly flat along the data, points that depend on the
start. How far one gets along a nearly flat valley depends on the number of steps, which is part of
what is measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from byheart import _check
from byheart.auditing.copies import REPRODUCED_RATIO
from byheart.auditing.metrics.phases import phases
from byheart.distances.neighbours import within
from byheart.lab.diffusion import EmpiricalDenoiser
from byheart.lab.sweeps.record import Outcome, Record

Array = NDArray[np.float64]
Draw = Callable[[int, np.random.Generator], Array]


def retrieve(
    points: Array, noise_level: float, steps: int, count: int, rng: np.random.Generator
) -> Array:
    """Return (count, d) points that `steps` of energy descent at noise level s end in.

    points: (n, d), stored. Starts are points drawn at random, with noise of deviation s.
    Raises UsageError for arguments out of range, InputError for points that are not finite.
    Derived in the module's introduction.

    >>> found = retrieve(np.array([[0.0], [1.0]]), 0.1, 20, 50, np.random.default_rng(0))
    >>> sorted(set(found.ravel().round(6).tolist()))
    [0.0, 1.0]
    """
    steps = _check.integer(steps, "steps", 1)
    count = _check.integer(count, "count", 1)
    y = points[rng.integers(len(points), size=count)]
    y = y + _check.positive(noise_level, "noise_level") * rng.standard_normal(y.shape)
    return _descend(points, y, noise_level, steps)


def held_alone(points: Array, noise_level: float, steps: int = 200) -> NDArray[np.bool_]:
    """Return which points, (n, d), a memory at this noise level holds alone, (n,).

    A point is held if energy descent from it ends within a third of the distance to its nearest
    other point.

    >>> held_alone(np.array([[0.0], [0.1], [5.0]]), 1.0).tolist()
    [False, False, True]
    """
    moved = np.linalg.norm(_descend(points, points, noise_level, steps) - points, axis=1)
    return np.asarray(moved <= REPRODUCED_RATIO * within(points, 1).distances[:, 0])


def _descend(points: Array, y: Array, noise_level: float, steps: int) -> Array:
    denoiser = EmpiricalDenoiser(points)
    for _ in range(steps):
        y = denoiser.mean(y, noise_level)
    return y


def retrieval_records(
    draw: Draw,
    sizes: Sequence[int],
    *,
    noise_level: float,
    steps: int,
    repeats: int,
    count: int = 400,
    seed: int = 0,
) -> list[Record]:
    """Return records with the shares of the three phases, for `phase_curve`.

    draw: a number of rows and a generator -> that many points of the data's law, without repeats.
    sizes: of the training set. count: of samples, and of held-out points, at every size. The
    record's figures have the mean radius of the samples too; `positive` says that at most half of
    them are memorized, and the distance is the memorized share.

    >>> draw = lambda rows, rng: rng.normal(size=(rows, 2))
    >>> made = retrieval_records(draw, (5, 50), noise_level=0.01, steps=5, repeats=1, count=40)
    >>> [record.outcome.figures["memorized_share"] for record in made]
    [1.0, 1.0]
    """
    records = []
    for n in sizes:
        for repeat in range(repeats):
            rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(n, repeat)))
            data = draw(n + count, rng)
            train, heldout = data[:n], data[n:]
            made = retrieve(train, noise_level, steps, count, rng)
            found = phases(train, heldout, made)
            figures: dict[str, float | str] = {
                "memorized_share": found.memorized.value,
                "spurious_share": found.spurious.value,
                "generalized_share": found.generalized.value,
                "radius": float(np.linalg.norm(made, axis=1).mean()),
            }
            share = found.memorized.value
            outcome = Outcome(share <= 0.5, math.log(share) if share else -math.inf, share, figures)
            records.append(Record(n, repeat, outcome))
    return records


def circle(rows: int, rng: np.random.Generator) -> Array:
    """Return (rows, 2) points, uniform on the unit circle.

    >>> np.hypot(*circle(3, np.random.default_rng(0)).T).round(12)
    array([1., 1., 1.])
    """
    angle = rng.uniform(0, 2 * np.pi, rows)
    return np.column_stack([np.cos(angle), np.sin(angle)])


def recall_level(n: int, d: int, rng: np.random.Generator, points: int = 100) -> float:
    """Return the noise level at which a memory of n Gaussian points has recalled half.

    n points of N(0, I_d), y = x_1 + s eta: the level at which |D(y) - x_1|^2 is on average half of
    d s^2/(1 + s^2), what remains if the law and not the point is known. points: how many take the
    part of x_1. By bisection in log s, to 1%. Compare `theory.associative_memory.collapse_level`.

    >>> 0.5 < recall_level(20, 8, np.random.default_rng(0), points=20) < 2
    True
    """
    x = rng.standard_normal((n, d))
    denoiser, own = EmpiricalDenoiser(x), x[:points]
    noise = rng.standard_normal(own.shape)
    low, high = 0.05, 20.0
    while high > 1.01 * low:
        s = math.sqrt(low * high)
        error = float(((denoiser.mean(own + s * noise, s) - own) ** 2).sum(axis=1).mean())
        if error < 0.5 * d * s**2 / (1 + s**2):
            low = s
        else:
            high = s
    return math.sqrt(low * high)
