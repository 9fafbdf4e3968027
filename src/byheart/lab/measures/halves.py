"""The two-network test: two models of one recipe, trained on disjoint halves, the same noise.

Two models start from the same initial noise z_i, i = 1 … m, and give the pairs a_i, b_i (Kadkhodaie
et al. 2024, arXiv 2310.02557). If they agree and are no nearer to their own half than to the other,
they have learned what the halves have in common. If each is near its own half, they memorize.

    agreement     mean_i cos(a_i − mean a, b_i − mean b); 1: the same samples
    chance        the same over all wrong pairs i ≠ j
    difference    mean_i |a_i − b_i|² / mean_{i≠j} |a_i − b_j|²; 0: the same, 1: chance
    similarity    largest cosine with a point of a half, seen from the mean of both halves
    distance      to the nearest point of a half, over the mean distance from a point of one half to
                  the nearest of the other: 1 is where a fresh point of the data lies
    nearer_own    how often the nearest of all training points belongs to the own half; 1/2 where
                  the model owes nothing to its half, as the two are alike

`difference` also sees means that differ, `agreement` does not. Similarity, distance and
`nearer_own` are means over both models, so that nothing changes when the halves are exchanged.

*What it cannot tell.* Agreement is not recovery of the truth: it bounds it from above only (proof
in `theory.agreement`; Maillard and Goldt 2026, arXiv 2605.21402v1). Two models with the same bias
agree on what is wrong. Two copiers agree more the denser their halves lie, so agreement alone is no
evidence against memorization either. Intervals are over the pairs, given these two models and this
split.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart import _check
from byheart.distances.neighbours import two_way
from byheart.errors import InputError
from byheart.intervals import Estimate, normal_half_width, wilson
from byheart.lab.diffusion.samplers import Sampler

Array = NDArray[np.float64]
Fit = Callable[[Array, int], Sampler]


@dataclass(frozen=True)
class Halves:
    """What two models trained on disjoint halves have in common; see the module.

    pairs: m. points: of the two halves. level: of the intervals.
    """

    pairs: int
    points: tuple[int, int]
    level: float
    agreement: Estimate
    chance: float
    difference: Estimate
    own_similarity: Estimate
    other_similarity: Estimate
    own_distance: Estimate
    other_distance: Estimate
    nearer_own: Estimate


def compare_halves(
    first: Any, second: Any, first_half: Any, second_half: Any, *, level: float = 0.05
) -> Halves:
    """Compare the samples of two models that started from the same noise.

    first, second: (m, d) samples, row i of both from noise z_i; m ≥ 2. first_half, second_half:
    (n, d) points that the models were trained on. Intervals miss with probability about `level`:
    normal, Wilson's for `nearer_own`.
    Raises InputError for shapes that do not fit, halves that share most of their points, or samples
    without a direction; UsageError for the level.

    >>> rng = np.random.default_rng(0)
    >>> halves = rng.normal(size=(2, 50, 8))
    >>> copies = halves[:, rng.integers(50, size=200)]  # two models that copy
    >>> found = compare_halves(*copies, *halves)
    >>> found.own_distance.value, found.nearer_own.value, abs(found.agreement.value) < 0.2
    (0.0, 1.0, True)
    """
    level = _check.fraction(level, "level")
    roles = ("first", "second", "first_half", "second_half")
    a, b, t, u = (
        np.asarray(_check.matrix(x, role), dtype=np.float64)
        for x, role in zip((first, second, first_half, second_half), roles, strict=True)
    )
    if a.shape != b.shape or len(a) < 2:
        raise InputError(
            f"first, second: samples come in pairs, at least 2; got shapes {a.shape} and {b.shape}"
        )
    if not a.shape[1] == t.shape[1] == u.shape[1]:
        raise InputError(
            f"first_half, second_half: expected {a.shape[1]} columns as in the samples, got "
            f"{t.shape[1]} and {u.shape[1]}"
        )
    between = two_way(t, u, 1)
    spacing = 0.5 * (between.forward.distances.mean() + between.backward.distances.mean())
    if spacing == 0:
        raise InputError("first_half, second_half: the same points; pass two disjoint halves")
    centre = 0.5 * (t.mean(axis=0) + u.mean(axis=0))
    directions = [_directions(x - centre, r) for x, r in zip((a, b, t, u), roles, strict=True)]
    own, other = _nearest(a, b, t, u)
    own_chord, other_chord = _nearest(*directions)
    cosines, chance = _cosines(
        _directions(a - a.mean(axis=0), "first"), _directions(b - b.mean(axis=0), "second")
    )
    nearer = float(((own < other) + 0.5 * (own == other)).mean())
    return Halves(
        len(a),
        (len(t), len(u)),
        level,
        agreement=_mean(cosines, level),
        chance=chance,
        difference=_difference(a, b, level),
        own_similarity=_mean((1 - own_chord**2 / 2).mean(axis=0), level),
        other_similarity=_mean((1 - other_chord**2 / 2).mean(axis=0), level),
        own_distance=_mean(own.mean(axis=0) / spacing, level),
        other_distance=_mean(other.mean(axis=0) / spacing, level),
        # The two samples of a pair share their noise: they count as one trial.
        nearer_own=Estimate(nearer, wilson(nearer * len(a), len(a), level)),
    )


def train_halves(
    points: Any, fit: Fit, *, pairs: int = 1000, seed: int = 0, level: float = 0.05
) -> Halves:
    """Split `points` at random, train a model on each half, and compare their samples.

    points: (rows, d), at least 4 rows; an odd one is left out. fit: from a half (n, d) and a seed
    to a sampler; the two models have seeds of their own. pairs: m.
    The two samplers are given the same random numbers, so one that draws a fixed number of them
    has the same noise throughout. Raises as `compare_halves`, and whatever `fit` raises.

    >>> from byheart.lab.diffusion import EulerSampler, LinearDenoiser, VarianceExploding
    >>> def fit(half, seed):
    ...     schedule = VarianceExploding(0.01, 100.0)
    ...     return EulerSampler(LinearDenoiser.fit(half), schedule, 50, finish="noise_floor")
    >>> data = np.random.default_rng(0).normal(size=(4000, 2))
    >>> found = train_halves(data, fit, pairs=100)
    >>> found.agreement.value > 0.99, found.nearer_own.value < 0.6
    (True, True)
    """
    points = np.asarray(_check.matrix(points, "points"), dtype=np.float64)
    _check.integer(pairs, "pairs", 2)
    if len(points) < 4:
        raise InputError(f"points: two halves need at least 4 rows, got {len(points)}")
    split, one, two, noise = np.random.SeedSequence(_check.integer(seed, "seed", 0)).spawn(4)
    n = len(points) // 2
    order = np.random.default_rng(split).permutation(len(points))
    halves = points[order[:n]], points[order[n : 2 * n]]
    samples = [
        fit(half, int(child.generate_state(1)[0])).sample(pairs, np.random.default_rng(noise))
        for half, child in zip(halves, (one, two), strict=True)
    ]
    return compare_halves(samples[0], samples[1], halves[0], halves[1], level=level)


def _mean(values: Array, level: float) -> Estimate:
    """Return the mean of (m,) values with its normal interval."""
    value = float(values.mean())
    half = normal_half_width(values, level)
    return Estimate(value, (value - half, value + half))


def _directions(rows: Array, role: str) -> Array:
    """Return rows of length 1."""
    lengths = np.linalg.norm(rows, axis=1)
    if not lengths.all():
        row = int(np.argmin(lengths))
        raise InputError(
            f"{role}: row {row} is equal to the mean and has no direction; samples must vary"
        )
    return np.asarray(rows / lengths[:, None])


def _cosines(a: Array, b: Array) -> tuple[Array, float]:
    """Return the cosine of each pair of directions, (m,), and the mean one of all wrong pairs."""
    cosines = np.einsum("ij,ij->i", a, b)
    wrong = float(a.sum(axis=0) @ b.sum(axis=0) - cosines.sum()) / (len(a) * (len(a) - 1))
    return cosines, wrong


def _difference(a: Array, b: Array, level: float) -> Estimate:
    """Return the mean squared difference of pairs over that of wrong pairs.

    The interval is the delta method's, with the influence of a pair on both means.
    """
    centre = 0.5 * (a.mean(axis=0) + b.mean(axis=0))
    a, b = a - centre, b - centre
    squares = np.einsum("ij,ij->i", a - b, a - b)
    a_squares, b_squares = np.einsum("ij,ij->i", a, a), np.einsum("ij,ij->i", b, b)
    m = len(a)
    # Sums over j of |a_i − b_j|² and |a_j − b_i|², less the pair itself, means over j ≠ i.
    rows = m * a_squares - 2 * a @ b.sum(axis=0) + b_squares.sum() - squares
    columns = m * b_squares - 2 * b @ a.sum(axis=0) + a_squares.sum() - squares
    wrong = (rows + columns) / (m - 1)  # twice the mean over wrong pairs on average
    chance = float(wrong.mean()) / 2
    if chance == 0:
        raise InputError("first, second: all samples are equal; samples must vary")
    ratio = float(squares.mean()) / chance
    spread = _mean((squares - ratio * (wrong - chance)) / chance, level)
    half = (spread.interval[1] - spread.interval[0]) / 2
    return Estimate(ratio, (max(0.0, ratio - half), ratio + half))


def _nearest(a: Array, b: Array, t: Array, u: Array) -> tuple[Array, Array]:
    """Return the distances, (2, m), of both models' samples from their own and the other half."""
    found = [[two_way(x, y, 1).forward.distances[:, 0] for y in (t, u)] for x in (a, b)]
    own, other = (found[0][0], found[1][1]), (found[0][1], found[1][0])
    return np.stack(own), np.stack(other)
