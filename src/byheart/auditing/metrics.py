"""Descriptive figures beside the verdict; none of them decides anything.

Symbols: T, H, G are training, held-out and generated rows, m = |G|, R = T ∪ H (T alone without H).
d_A(x) is the distance from x to the nearest row of A other than x, d_A2(x) to the second nearest;
B_k(x, A) is the closed ball around x that reaches to its k-th nearest other row of A; k = 5.

From the audit's neighbour tables (`from_tables`):

    c_t                    z of Mann-Whitney's U of d_T(G) against d_T(H); negative: G lies nearer
    authenticity           share of g with d_T(g) > d_T(t), t the training row nearest to g
    nearest_share          share of g with d_T(g) < d_H(g), ties half (the DCR share)
    nearest_distance_ratio median over g of d_T(g)/d_T2(g) (NNDR)
    near_copy_share        share of g with d_R(g) <= d_R2(g)/3
    median_distance_ratio  median of d_R over G, over its median over R
    coverage               share of r in R with a generated row in B_k(r, R)

By further passes over the rows (`by_further_passes`):

    precision              share of g in some B_k(r, R), r in R
    density                mean over g of the number of such balls, over k
    recall                 share of r in R in some B_k(g, G), g in G
    memorization_distance  mean over g of min over t of 1 - |cos(g, t)|
    vendi_score            exp of the entropy of K/n's eigenvalues, K the cosines of n rows of G
    likelihood_gap         FLD's generalization gap, of at most 1,000 rows a set (`likelihood_gap`)
    local_dimension        median local dimension of R at training rows (`geometry`)
    overfit_share          share of these rows where that of G is less, by intervals (`geometry`)
    memorized_share        share of g with d_T(g) <= delta_m, and with held-out rows only
    spurious_share         share of the others with d_G(g) <= delta_s; thresholds: `phases`
    generalized_share      share of the rest

What each can and cannot tell: docs/explanation/metrics.md. Intervals are over draws of G with T and
H held fixed, but that of c_t over draws of G and H, that of recall over draws of R with G fixed,
that of likelihood_gap over draws of T and H with G and the fit held fixed, those of the dimensions
over draws of the training rows looked at.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, ndtri

from byheart import intervals
from byheart.auditing import balls, controls, geometry, phases
from byheart.auditing.likelihood_gap import likelihood_gap
from byheart.auditing.membership import area_under_curve
from byheart.auditing.result import Metric
from byheart.distances.neighbours import Neighbours, TwoWay, two_way, within
from byheart.distances.rows import Chosen, Rows, Stacked, extent, row_blocks
from byheart.distances.unit import Unit

Floats = NDArray[np.float64]
Goal = Literal["minimize", "maximize", "zero", "none"]
CHOICES = ("tables", "all")
BALL_NEIGHBOURS = 5  # k of the balls, as in Naeem et al.
VENDI_ROWS = 1000  # the most rows of G whose eigenvalues are taken
GAP_ROWS, GAP_VALUES = 1000, 1 << 21  # at most of each set in FLD's gap, which meets all pairs
_GRAM_VALUES = 1 << 17  # values of a block of rows for the cosines


@dataclass(frozen=True)
class Definition:
    """Which way a metric ought to go, its range, and where it comes from."""

    goal: Goal
    minimum: float
    maximum: float
    source: str


DEFINITIONS = {
    "c_t": Definition(
        "zero", -math.inf, math.inf, "Meehan, Chaudhuri and Dasgupta 2020, arXiv 2004.05675"
    ),
    "authenticity": Definition("maximize", 0.0, 1.0, "Alaa et al. 2022, arXiv 2102.08921"),
    "nearest_share": Definition("none", 0.0, 1.0, "Platzer and Reutterer 2021, arXiv 2104.00635"),
    "nearest_distance_ratio": Definition(
        "none", 0.0, 1.0, "Lowe 2004; Zhao et al. 2021, arXiv 2102.08369"
    ),
    "near_copy_share": Definition("minimize", 0.0, 1.0, "Yoon et al. 2023, SPIGM workshop"),
    "median_distance_ratio": Definition("none", 0.0, math.inf, "byheart"),
    "coverage": Definition("maximize", 0.0, 1.0, "Naeem et al. 2020, arXiv 2002.09797"),
    "precision": Definition("maximize", 0.0, 1.0, "Kynkäänniemi et al. 2019, arXiv 1904.06991"),
    "density": Definition("none", 0.0, math.inf, "Naeem et al. 2020, arXiv 2002.09797"),
    "recall": Definition("maximize", 0.0, 1.0, "Kynkäänniemi et al. 2019, arXiv 1904.06991"),
    "memorization_distance": Definition("none", 0.0, 1.0, "Bai et al. 2021, arXiv 2106.03062"),
    "likelihood_gap": Definition(
        "zero", -math.inf, math.inf, "Jiralerspong et al. 2023, arXiv 2302.04440"
    ),
    "vendi_score": Definition(
        "maximize", 1.0, VENDI_ROWS, "Friedman and Dieng 2023, arXiv 2210.02410"
    ),
    "local_dimension": Definition("none", 0.0, math.inf, "Levina and Bickel 2004, NIPS"),
    "overfit_share": Definition("minimize", 0.0, 1.0, "Ross et al. 2024, arXiv 2411.00113"),
    "memorized_share": Definition("minimize", 0.0, 1.0, "Pham et al. 2026, arXiv 2505.21777v3"),
    "spurious_share": Definition("minimize", 0.0, 1.0, "Pham et al. 2026, arXiv 2505.21777v3"),
    "generalized_share": Definition("none", 0.0, 1.0, "Pham et al. 2026, arXiv 2505.21777v3"),
}


def measure(
    chosen: str,
    table: TwoWay,
    among_real: Neighbours,
    training: NDArray[np.bool_],
    generated: Rows,
    real: Rows,
    level: float,
    rng: np.random.Generator,
    max_memory: int | None = None,
) -> dict[str, Metric]:
    """Return the metrics of `from_tables`, and with chosen = "all" those of further passes too."""
    found = from_tables(table, among_real, training, generated, real, level, max_memory)
    if chosen == "all":
        found |= by_further_passes(among_real, training, generated, real, level, rng, max_memory)
        found |= _shares_of_phases(
            table, among_real, training, generated, real, level, rng, max_memory
        )
    return found


def from_tables(
    table: TwoWay,
    among_real: Neighbours,
    training: NDArray[np.bool_],
    generated: Rows,
    real: Rows,
    level: float,
    max_memory: int | None = None,
) -> dict[str, Metric]:
    """Return the metrics that the audit's neighbour tables hold.

    table: (m, k) nearest real rows of each generated row and the other way; among_real: (N, k')
    nearest other real rows; training: (N,) True for training rows, all True without held-out rows;
    generated (m, d) and real (N, d) are read only for rows whose lists name too few training rows
    (which takes |H| far above |T|). level: the intervals' chance to miss.

    >>> rng = np.random.default_rng(0)
    >>> real, made = rng.normal(size=(80, 3)), rng.normal(size=(40, 3))
    >>> found = from_tables(
    ...     two_way(made, real), within(real), np.arange(80) < 40, made, real, 0.05
    ... )
    >>> round(found["nearest_share"].value, 3)
    0.475
    """
    rows = len(table.forward.distances)
    train = Chosen(real, np.flatnonzero(training))
    # The two nearest training rows of a generated row, and the nearest other of a real row.
    near, which = _among(table.forward, training, 2, generated, train, max_memory)
    own, _ = _among(among_real, training, 1, real, train, max_memory, training)
    close = int(controls.reproduces(table.forward).sum())
    authentic = int((near[:, 0] > own[training, 0][which[:, 0]]).sum())
    ratio = np.where(near[:, 1] > 0, near[:, 0] / np.where(near[:, 1] > 0, near[:, 1], 1.0), 1.0)
    k = min(BALL_NEIGHBOURS, among_real.distances.shape[1])
    radii = among_real.distances[:, k - 1]
    found = {
        "near_copy_share": _share("near_copy_share", close, rows, level),
        "authenticity": _share("authenticity", authentic, rows, level),
        "nearest_distance_ratio": _metric(
            "nearest_distance_ratio", float(np.median(ratio)), _median_interval(ratio, level)
        ),
        "coverage": _metric("coverage", *_coverage(table, radii, level)),
    }
    scale = float(np.median(among_real.distances[:, 0]))
    if scale > 0:
        typical = float(np.median(table.forward.distances[:, 0]))
        found["median_distance_ratio"] = _metric("median_distance_ratio", typical / scale, None)
    if not training.all():
        found["nearest_share"] = _share(
            "nearest_share", _nearer_to_train(table.forward, training, near[:, 0]), rows, level
        )
        value, interval = data_copying(near[:, 0], own[~training, 0], level)
        found["c_t"] = _metric("c_t", value, interval)
    return found


def from_sample(
    forward: Neighbours,
    backward: Neighbours,
    among_real: Neighbours,
    training: NDArray[np.bool_],
    generated: Rows,
    real: Rows,
    level: float,
    max_memory: int | None = None,
) -> dict[str, Metric]:
    """Return those metrics of `from_tables` that a random sample of rows estimates.

    forward: (a, k) nearest real rows of the sampled generated rows `generated`, (a, d); backward:
    (b, 1) nearest generated row, and among_real: (b, k') nearest other real rows, of b sampled real
    rows; training: (N,) of all real rows `real`. All tables are exact. The intervals are over the
    sample. Authenticity and C_T are not among them: they need all rows.
    """
    rows = len(forward.distances)
    train = Chosen(real, np.flatnonzero(training))
    near, _ = _among(forward, training, 2, generated, train, max_memory)
    second = near[:, -1]  # a single training row is its own second
    ratio = np.where(second > 0, near[:, 0] / np.where(second > 0, second, 1.0), 1.0)
    k = min(BALL_NEIGHBOURS, among_real.distances.shape[1])
    covered = int((backward.distances[:, 0] <= among_real.distances[:, k - 1]).sum())
    close = int(controls.reproduces(forward).sum())
    found = {
        "near_copy_share": _share("near_copy_share", close, rows, level),
        "nearest_distance_ratio": _metric(
            "nearest_distance_ratio", float(np.median(ratio)), _median_interval(ratio, level)
        ),
        "coverage": _share("coverage", covered, len(among_real.distances), level),
        "nearest_share": _share(
            "nearest_share", _nearer_to_train(forward, training, near[:, 0]), rows, level
        ),
    }
    scale = float(np.median(among_real.distances[:, 0]))
    if scale > 0:
        typical = float(np.median(forward.distances[:, 0]))
        found["median_distance_ratio"] = _metric("median_distance_ratio", typical / scale, None)
    return found


def by_further_passes(
    among_real: Neighbours,
    training: NDArray[np.bool_],
    generated: Rows,
    real: Rows,
    level: float,
    rng: np.random.Generator,
    max_memory: int | None = None,
) -> dict[str, Metric]:
    """Return the metrics that need more than the audit's tables.

    Arguments as for `from_tables`; rng chooses the rows of the Vendi score and of the dimensions.
    Cost in products of m x N values: one for precision and density, one for recall and half of
    m x m, one or two of m x n for the memorization distance, one of m x 1,000 for the dimensions.

    >>> rng = np.random.default_rng(0)
    >>> real, made = rng.normal(size=(80, 3)), rng.normal(size=(40, 3))
    >>> found = by_further_passes(within(real), np.arange(80) < 40, made, real, 0.05, rng)
    >>> found["precision"].value, found["recall"].value
    (0.95, 0.9625)
    """
    k = min(BALL_NEIGHBOURS, among_real.distances.shape[1])
    around = balls.counts(generated, real, among_real.distances[:, k - 1], max_memory=max_memory)
    found = {
        "precision": _share("precision", int((around > 0).sum()), len(generated), level),
        "density": _metric("density", *_mean(around / k, level)),
    }
    among_generated = within(generated, BALL_NEIGHBOURS, max_memory=max_memory).distances
    if among_generated.size:
        back = balls.covered(real, generated, among_generated[:, -1], max_memory=max_memory)
        found["recall"] = _share("recall", int(back.sum()), len(real), level)
    cosines = cosine_distances(generated, Chosen(real, np.flatnonzero(training)), max_memory)
    found["memorization_distance"] = _metric("memorization_distance", *_mean(cosines, level))
    some = rng.permutation(len(generated))[:VENDI_ROWS]
    # The largest possible score is the number of rows.
    found["vendi_score"] = Metric(
        vendi(Chosen(generated, some)), None, "maximize", 1.0, float(len(some))
    )
    return (
        found
        | _gap(training, generated, real, level, rng)
        | _dimensions(among_real, training, generated, real, level, rng, max_memory)
    )


def _gap(
    training: NDArray[np.bool_],
    generated: Rows,
    real: Rows,
    level: float,
    rng: np.random.Generator,
) -> dict[str, Metric]:
    """Return FLD's gap; nothing without held-out rows, or without any spread in them."""
    if training.all():
        return {}
    most = max(2, min(GAP_ROWS, GAP_VALUES // real.shape[1]))
    t, h, g = (
        np.asarray(rows[rng.permutation(which)[:most]], dtype=np.float64)
        for rows, which in (
            (real, np.flatnonzero(training)),
            (real, np.flatnonzero(~training)),
            (generated, np.arange(len(generated))),
        )
    )
    if not (h.max(axis=0) > h.min(axis=0)).any():
        return {}
    return {"likelihood_gap": _metric("likelihood_gap", *likelihood_gap(t, h, g, level))}


def _dimensions(
    among_real: Neighbours,
    training: NDArray[np.bool_],
    generated: Rows,
    real: Rows,
    level: float,
    rng: np.random.Generator,
    max_memory: int | None,
) -> dict[str, Metric]:
    """Return what `auditing.geometry` finds around training rows; nothing for too few rows."""
    around = geometry.around_training(among_real, training, generated, real, level, rng, max_memory)
    if around is None or not math.isfinite(typical := float(np.median(around[1].values))):
        return {}
    ends = _median_interval(around[1].values, level, math.inf)
    kinds = [point.kind for point in geometry.judge(*around)]
    return {
        "local_dimension": _metric(
            "local_dimension", typical, ends if math.isfinite(ends[1]) else None
        ),
        "overfit_share": _share(
            "overfit_share", kinds.count("overfitting-driven"), len(kinds), level
        ),
    }


def data_copying(
    generated: Floats, heldout: Floats, level: float
) -> tuple[float, tuple[float, float]]:
    """Return C_T of distances to the training rows, (m,) and (h,), and its interval.

    z = (U - m h/2) / sqrt(m h (m + h + 1)/12) with U = #{g > h} + #{g = h}/2: negative when
    generated rows lie nearer to the training rows than held-out ones do. The global statistic of
    Meehan et al. 2020. The interval is that of the area U/(m h) (Newcombe 2006).

    >>> value, interval = data_copying(np.zeros(50), np.ones(50), 0.05)
    >>> round(value, 2)
    -8.62
    """
    m, h = len(generated), len(heldout)
    per_area = m * h / math.sqrt(m * h * (m + h + 1) / 12)
    area = 1 - area_under_curve(generated, heldout)
    low, high = intervals.auc(area, m, h, level)
    return (area - 0.5) * per_area, ((low - 0.5) * per_area, (high - 0.5) * per_area)


def cosine_distances(generated: Rows, train: Rows, max_memory: int | None = None) -> Floats:
    """Return min over training rows of 1 - |cos| of each generated row, (m,) (Bai et al. 2021).

    A row of zeros has no direction: it counts as orthogonal to all others. Found as the nearest
    neighbour u of unit rows and their negatives, by 1 - cos = |u - v|²/2.

    >>> cosine_distances(np.array([[3.0, 0.0], [0.0, 0.0]]), np.array([[-1.0, 0.0], [1.0, 1.0]]))
    array([0., 1.])
    """
    ours, theirs = Unit(generated), Unit(train)
    mine, other = ours.directed(), theirs.directed()
    distances = np.ones(len(generated))
    if len(mine) == 0 or len(other) == 0:
        return distances
    references: Rows = Chosen(theirs, other)
    if min(extent(generated)[0], extent(train)[0]) < 0:
        references = Stacked(references, Chosen(Unit(train, sign=-1), other))
    table = two_way(Chosen(ours, mine), references, 1, max_memory=max_memory)
    distances[mine] = np.minimum(table.forward.distances[:, 0] ** 2 / 2, 1.0)
    return distances


def vendi(rows: Rows) -> float:
    """Return the Vendi score of (n, d) rows under the cosine kernel: the effective number of rows.

    exp(-sum l log l), l the eigenvalues of K/n (Friedman and Dieng 2023). A row of
    zeros has similarity 0 to all others and, like every row, 1 to itself.

    >>> round(vendi(np.eye(4)), 6), round(vendi(np.ones((4, 3))), 6)
    (4.0, 1.0)
    """
    unit = Unit(rows, dtype=np.float64)
    n = len(rows)
    parts = list(row_blocks(n, rows.shape[1], _GRAM_VALUES))
    gram = np.empty((n, n))
    for i, first in enumerate(parts):
        left = unit[first]
        for second in parts[: i + 1]:
            gram[first, second] = left @ unit[second].T
            gram[second, first] = gram[first, second].T
    np.fill_diagonal(gram, 1.0)
    gram /= n
    shares = np.linalg.eigvalsh(gram)
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _among(
    table: Neighbours,
    training: NDArray[np.bool_],
    count: int,
    rows: Rows,
    train: Rows,
    max_memory: int | None,
    inside: NDArray[np.bool_] | None = None,
) -> tuple[Floats, NDArray[np.int64]]:
    """Return distances and numbers in `train` of the `count` nearest training rows.

    Read off the lists of nearest real rows; a row whose list names fewer is looked up again among
    the training rows alone. inside: rows that are training rows, and not their own neighbours.
    """
    available = len(train) - (0 if inside is None else 1)
    count = min(count, available)
    number = np.cumsum(training) - 1
    distances = np.empty((len(table.distances), count))
    indices = np.empty((len(table.distances), count), np.int64)
    short = []
    listed_rows, k = table.distances.shape
    for block in row_blocks(listed_rows, k, 1 << 18):
        listed = training[table.indices[block]]
        found = listed.sum(axis=1) >= count
        place = np.argsort(~listed, axis=1, kind="stable")[:, :count]
        distances[block] = np.take_along_axis(table.distances[block], place, axis=1)
        indices[block] = number[np.take_along_axis(table.indices[block], place, axis=1)]
        short.append(block.start + np.flatnonzero(~found))
    missing = np.concatenate(short)
    for own in (False, True) if inside is not None else (False,):
        some = missing if inside is None else missing[inside[missing] == own]
        if len(some):
            # A training row finds itself first, at distance 0: the next is its nearest other row.
            again = two_way(Chosen(rows, some), train, count + own, max_memory=max_memory).forward
            distances[some] = again.distances[:, own:]
            indices[some] = again.indices[:, own:]
    return distances, indices


def _shares_of_phases(
    table: TwoWay,
    among_real: Neighbours,
    training: NDArray[np.bool_],
    generated: Rows,
    real: Rows,
    level: float,
    rng: np.random.Generator,
    max_memory: int | None = None,
) -> dict[str, Metric]:
    """Return the shares of `phases`, G with itself; none with fewer than 2 held-out rows.

    Cost: half of m x m and half of h x h values.
    """
    if (~training).sum() < 2 or len(generated) < 2:
        return {}
    train = Chosen(real, np.flatnonzero(training))
    near, _ = _among(table.forward, training, 1, generated, train, max_memory)
    own, _ = _among(among_real, training, 1, real, train, max_memory, training)
    found = phases.classify(
        near[:, 0],
        own[~training, 0],
        Chosen(real, np.flatnonzero(~training)),
        generated,
        level=level,
        rng=rng,
        max_memory=max_memory,
    )
    shares = (found.memorized, found.spurious, found.generalized)
    return {
        f"{phase}_share": _metric(f"{phase}_share", share.value, share.interval)
        for phase, share in zip(phases.PHASES, shares, strict=True)
    }


def _coverage(
    table: TwoWay, radii: Floats, level: float
) -> tuple[float, tuple[float, float] | None]:
    """Return the share of balls, radii (N,), that hold a generated row, and a jackknife interval.

    Without g the share falls by the balls that hold g alone. The jackknife's variance is too large
    on average (Efron and Stein 1981), and more so where a ball's other rows are not in the lists.
    """
    forward, nearest = table.forward, table.backward
    inside = forward.distances <= radii[forward.indices]
    holds = np.bincount(forward.indices[inside], minlength=len(radii))
    covered = nearest.distances[:, 0] <= radii
    value, m = float(covered.mean()), len(forward.distances)
    alone = np.bincount(nearest.indices[covered & (holds <= 1), 0], minlength=m) / len(radii)
    half = float(ndtri(1 - level / 2)) * math.sqrt((m - 1) * alone.var())
    # Near 0 and 1 the jackknife sees no spread; the interval is never tighter than a proportion's.
    low, high = intervals.wilson(int(covered.sum()), len(radii), level)
    return value, (min(low, value - half), max(high, value + half))


def _nearer_to_train(forward: Neighbours, training: NDArray[np.bool_], to_train: Floats) -> float:
    """Count the generated rows nearer to T than to H, ties half."""
    nearest = forward.distances[:, 0]
    inside = training[forward.indices]
    tied = ((forward.distances == nearest[:, None]) & ~inside).any(axis=1)
    return float((to_train == nearest).sum() - tied[to_train == nearest].sum() / 2)


def _median_interval(values: Floats, level: float, largest: float = 1.0) -> tuple[float, float]:
    """Order-statistic interval of a median: the counts below it are Binomial(n, 1/2)."""
    ordered, n = np.sort(values), len(values)
    below = bdtr(np.arange((n + 1) // 2, dtype=float), n, 0.5)
    cut = int((below <= level / 2).sum())  # as many values may lie outside at each end
    if cut == 0:
        return 0.0, largest  # too few rows to leave any out: the range
    return float(ordered[cut - 1]), float(ordered[n - cut])


def _mean(values: Floats, level: float) -> tuple[float, tuple[float, float] | None]:
    mean = float(values.mean())
    if len(values) < 2:
        return mean, None
    half = float(ndtri(1 - level / 2) * values.std(ddof=1)) / math.sqrt(len(values))
    return mean, (mean - half, mean + half)


def _share(name: str, count: float, rows: int, level: float) -> Metric:
    return _metric(name, count / rows, intervals.wilson(count, rows, level))


def _metric(name: str, value: float, interval: tuple[float, float] | None) -> Metric:
    known = DEFINITIONS[name]
    if interval is not None:
        interval = max(interval[0], known.minimum), min(interval[1], known.maximum)
    return Metric(value, interval, known.goal, known.minimum, known.maximum)
