"""How much of a set came back in generated samples: AMS and UMS, beside their chance level.

Symbols: T training, H held-out, G generated rows, m = |G|; sim(g, x) a similarity of two rows, the
cosine of their angle, or D(g, x) their Euclidean distance. For a closed band [a, b]

    AMS(a, b) = (1/m) #{g in G: a <= max_x sim(g, x) <= b}          average memorization score
    UMS(a, b) = (1/m) #{x in T: a <= sim(g, x) <= b for some g}     unique memorization score

(Chen et al., arXiv 2410.02467v1; with distances the maximum becomes a minimum.) AMS looks at the
*closest* row only, UMS at every pair: one sample may hit many rows, so UMS can exceed AMS, and
bands are not cumulative. A sample whose closest row is above b leaves the band of AMS, while in
UMS its other rows may still be in the band. UMS falls as m grows, once all there is to find has
been found, and rises with the number of rows to be found: compare only at equal numbers. So each
band comes with its cumulative version,

    AMS(>= a), UMS(>= a) = #{x in T: sim(g, x) >= a for some g}/m        (distances: <= b),

and everything with the same score of H in place of T, cut to equal numbers of rows: *chance*, what
a model that owes nothing to T would score.

Intervals are over draws of G, T and H held fixed. AMS is a share: Wilson. UMS is a number D of
distinct rows over m. A bootstrap would draw only 63% of the samples and miss rows that one sample
found, so its D is too small; instead, let u_i be the number of rows in the band that only sample i
hits. Removing i lowers D by u_i, which makes the jackknife variance

    V = (m - 1)/m sum_i (u_i - mean u)^2,

not too small on average (Efron and Stein 1981). The interval is the score interval of a count with
this variance, D + z^2/2 +- z sqrt(V + z^2/4), over m and cut to what is possible. At D = 0 its
upper end is z^2/m, as Wilson's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from byheart import _check, intervals
from byheart.errors import InputError, UsageError
from byheart.intervals import Interval

Floats = NDArray[np.float64]
Measure = Literal["cosine", "distance"]
MEASURES = ("cosine", "distance")

_BLOCK_ENTRIES = 2**20  # pairs compared at a time: 8 MiB


@dataclass(frozen=True)
class Score:
    """A score per generated sample, its interval, and the count that it is a ratio of."""

    value: float
    interval: Interval
    count: int


@dataclass(frozen=True)
class BandScore:
    """AMS and UMS of one band [low, high], for one set of rows.

    ams.count: generated samples; ums.count: distinct rows.
    """

    low: float
    high: float
    ams: Score
    ums: Score


@dataclass(frozen=True)
class ExtractionScores:
    """AMS and UMS against the training rows, and against as many held-out rows: chance.

    bands, chance: as asked for. cumulative, chance_cumulative: the same with the far end open
    (similarity at least low; distance at most high). rows: how many of each role were compared;
    note: "" or why that is fewer than were given.
    """

    measure: Measure
    generated: int
    rows: int
    note: str
    bands: tuple[BandScore, ...]
    cumulative: tuple[BandScore, ...]
    chance: tuple[BandScore, ...]
    chance_cumulative: tuple[BandScore, ...]


def extraction_scores(
    train: Any,
    heldout: Any,
    generated: Any,
    bands: Sequence[tuple[float, float]],
    *,
    measure: Measure = "cosine",
    seed: int = 0,
    level: float = 0.05,
) -> ExtractionScores:
    """Score generated samples against training rows and, for chance, against held-out rows.

    train (n, d), heldout (h, d), generated (m, d): in the features that similarity is to be
    measured in. bands: pairs low <= high of cosines or of distances; infinite ends are allowed.
    When n and h differ, the larger set is cut at random to the size of the smaller (`note` says
    so). A row of zeros has cosine 0 with everything. level: chance that an interval misses.
    Time O(m (n + h) d), memory 8 MiB beside the arrays.
    Raises InputError for sets that do not match, UsageError for other bands, measure, seed, level.
    Source: arXiv 2410.02467v1 for the scores; intervals derived in the module's introduction.

    >>> train, heldout = np.eye(4)[:2], np.eye(4)[2:]
    >>> found = extraction_scores(train, heldout, train[[0, 0, 1, 1]], [(0.9, 1.0)])
    >>> found.bands[0].ams.value, found.bands[0].ums.value, found.chance[0].ums.value
    (1.0, 0.5, 0.0)
    """
    sets = [
        _check.float64_matrix(x, role)
        for x, role in ((train, "train"), (heldout, "heldout"), (generated, "generated"))
    ]
    if len({x.shape[1] for x in sets}) > 1:
        raise InputError(
            "train, heldout and generated must have the same columns, got "
            + ", ".join(str(x.shape) for x in sets)
        )
    asked = _bands(bands)
    _check.choice(measure, "measure", MEASURES)
    level = _check.fraction(level, "level")
    rows = min(len(sets[0]), len(sets[1]))
    note = _note(len(sets[0]), len(sets[1]))
    rng = np.random.default_rng(_check.integer(seed, "seed", 0))
    opened = [(low, math.inf) if measure == "cosine" else (-math.inf, high) for low, high in asked]
    scored = []
    for x in sets[:2]:
        chosen = x if len(x) == rows else x[np.sort(rng.permutation(len(x))[:rows])]
        scored.append(band_scores(chosen, sets[2], [*asked, *opened], measure, level))
    k = len(asked)
    return ExtractionScores(
        measure,
        len(sets[2]),
        rows,
        note,
        bands=scored[0][:k],
        cumulative=scored[0][k:],
        chance=scored[1][:k],
        chance_cumulative=scored[1][k:],
    )


def band_scores(
    rows: Floats,
    generated: Floats,
    bands: Sequence[tuple[float, float]],
    measure: Measure = "cosine",
    level: float = 0.05,
) -> tuple[BandScore, ...]:
    """Return AMS and UMS of each band for one set of rows (n, d), without a chance level."""
    hits = [_Hits(len(rows), len(generated), low, high) for low, high in bands]
    step = max(1, _BLOCK_ENTRIES // len(rows))
    for start in range(0, len(generated), step):
        block = compare(generated[start : start + step], rows, measure)
        closest = block.max(axis=1) if measure == "cosine" else block.min(axis=1)
        for hit in hits:
            hit.add(block, closest, start)
    return tuple(hit.score(level) for hit in hits)


def compare(generated: Floats, rows: Floats, measure: Measure) -> Floats:
    """Return the cosine, or the Euclidean distance, of all pairs, (m, n), in float64.

    >>> compare(np.array([[1.0, 0.0]]), np.array([[3.0, 0.0], [0.0, 0.0]]), "cosine").tolist()
    [[1.0, 0.0]]
    """
    if measure == "distance":
        from scipy.spatial.distance import cdist  # by subtraction, so that a copy has distance 0

        return np.asarray(cdist(generated, rows), dtype=np.float64)
    return np.clip(_unit(generated) @ _unit(rows).T, -1.0, 1.0)


@dataclass
class _Hits:
    """What one band has seen so far: hits a row, the last sample that hit it, and AMS's count."""

    rows: int
    generated: int
    low: float
    high: float

    def __post_init__(self) -> None:
        self.times = np.zeros(self.rows, dtype=np.int64)
        self.last = np.zeros(self.rows, dtype=np.int64)
        self.inside = 0

    def add(self, block: Floats, closest: Floats, start: int) -> None:
        self.inside += int(np.sum((closest >= self.low) & (closest <= self.high)))
        band = (block >= self.low) & (block <= self.high)
        times = band.sum(axis=0)
        self.times += times
        # The first hit of this block: only asked for where it is the single one.
        self.last[times > 0] = start + band.argmax(axis=0)[times > 0]

    def score(self, level: float) -> BandScore:
        m, distinct = self.generated, int(np.sum(self.times > 0))
        alone = np.bincount(self.last[self.times == 1], minlength=m).astype(np.float64)
        ams = Score(self.inside / m, intervals.wilson(self.inside, m, level), self.inside)
        reach = distinct_interval(distinct, alone, self.rows, level)
        ums = Score(distinct / m, (reach[0] / m, reach[1] / m), distinct)
        return BandScore(self.low, self.high, ams, ums)


def distinct_interval(distinct: int, alone: Floats, most: int, level: float = 0.05) -> Interval:
    """Return the interval of the number of distinct rows that m samples find.

    alone: (m,) how many rows each sample alone has found. most: rows there are to be found.
    Source: derived in the module's introduction.

    >>> [round(v, 2) for v in distinct_interval(0, np.zeros(100), 50)]
    [0.0, 3.84]
    """
    z2 = float(ndtri(1 - level / 2)) ** 2
    half = math.sqrt(z2 * (distinct_variance(alone) + z2 / 4))
    return max(0.0, distinct + z2 / 2 - half), min(float(most), distinct + z2 / 2 + half)


def distinct_variance(alone: Floats) -> float:
    """Return the jackknife variance of a number of distinct rows; `alone` as above."""
    m = len(alone)
    return float((m - 1) / m * np.sum((alone - alone.mean()) ** 2))


def _unit(x: Floats) -> Floats:
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(length > 0, length, 1.0)


def _bands(bands: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    try:
        asked = [(float(low), float(high)) for low, high in bands]
    except (TypeError, ValueError):
        raise UsageError("bands must be pairs (low, high), such as [(0.9, 1.0)]") from None
    if not asked:
        raise UsageError("bands must name at least one pair, such as [(0.9, 1.0)]")
    for low, high in asked:
        if not low <= high:
            raise UsageError(f"bands: ({low:g}, {high:g}) is not low <= high; swap the two")
    return asked


def _note(train: int, heldout: int) -> str:
    if train == heldout:
        return ""
    larger = "train" if train > heldout else "heldout"
    return (
        f"train has {train:,} rows and heldout {heldout:,}: {min(train, heldout):,} random rows of "
        f"{larger} were compared, because scores are comparable at equal numbers only"
    )
