"""Are the generated samples on the data's scale, or encoded in another way?

An honest model, however poor, must not be blocked, so that every alarm asks for two things: that G
does not fit as it is, and that it does once put right.

*Reference.* Real rows taken as pseudo-G: a random few, and their distances to the nearest of other
real rows; the draw sees no label. A re-encoding A is judged by what it gains, the distance of g
less that of A(g). Fresh rows of the data's law gain what the pseudo-G gain, in any dimension, with
any tails and any near duplicates, so that G is *outside* of what held-out rows show when its gains
are the larger ones by four standard errors of the Mann–Whitney area: by chance with a probability
of 3e-5. A poor model may be outside as well. So A(G) has to be *inside*: most rows of G come nearer
(two thirds), to distances that exceed those of the pseudo-G in at most .65 of pairs, and rows of
A(G) lie as far apart as real rows do, up to a factor of 2: what gathers G where the data are dense
mends nothing. A poor model stays outside whatever is tried on it, and of a law that A leaves as it
is nothing is said.

*Ranges.* The range of a set is the 5% quantile of its rows' minima and the 95% quantile of their
maxima: one wild row moves neither. An affine re-encoding is tried if the mapped range of G lies
within a quarter of the real range's width of it at both ends, and that of G itself misses it by .4
at one end. Where the width changes by a factor of 30 or more (0 to 255 and [0, 1]; standardised
bytes) the ranges decide alone: a set squeezed into a corner may lie near real rows. The others have
to be inside as well, as do those that keep the range. All this is for raw arrays and images; what
is encoded, extracted or embedded has no such convention.

*Columns.* A column in another unit, of a table or of raw vectors: the logarithms of its sizes,
zeros left out, have another median by log 30 or more, are nearly disjoint (Kolmogorov distance at
least .7) and agree once that is taken off (at most .3), as do the shares of zeros, which no unit
changes: a model that spreads mostly empty columns is a poor one. Smaller values are believed only
of columns of one sign: where real values lie around 0 they may be a model's lost variance. Most
columns with mean 0 and variance 1, where the real ones are elsewhere (.5) and agree with them
scaled back, are standardised.

*Beyond all sense.* Last, the median distance from G to the nearest real row against the median
distance between two real rows drawn at random, which near duplicates cannot shrink unless they are
most of all pairs. Fresh rows stay below 1; for digits uniform noise reaches 1.2 and an untrained
network's normal noise 2.7 (python -m benchmarks.comparability). At ten times, no distance says
anything about single rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart.auditing.membership import area_under_curve
from byheart.auditing.result import Comparability
from byheart.distances.neighbours import two_way
from byheart.distances.rows import Chosen, Rows
from byheart.distances.tiles import DEFAULT_MEMORY
from byheart.samples.columns import Column, meaning
from byheart.samples.record import Samples, TableSamples

Floats = NDArray[np.float64]
Change = Callable[[Floats], Floats]
DISTANCE_RATIO_LIMIT = 10.0
COMPARED = (200, 2000)  # generated rows (and pseudo-generated ones), and real rows beside them
KEPT = 1000  # real rows whose ranges and columns are looked at
OUTSIDE_ERRORS = 4.0
NEARER, INSIDE_AREA, SPREAD = 2 / 3, 0.65, 2.0
FITS, MISFITS = 0.25, 0.4  # of the real range's width
WIDE = 30.0  # ranges whose widths differ by this factor need no distances
UNIT_FACTOR = 30.0  # between two units of one column, at least
APART, MOVED, TOGETHER = 0.7, 0.5, 0.3  # Kolmogorov distances
STANDARD = 0.25, (0.7, 1.4)  # |mean| and standard deviation of a standardised column
_BOXES = {"[0, 1]": (0.0, 1.0), "0 to 255": (0.0, 255.0), "[-1, 1]": (-1.0, 1.0)}
_STANDARDISED = "standardised (mean 0, variance 1) where the data are not"
_FEW = 10  # values that tell nothing of a column
_VALUES, _REAL_VALUES = 1 << 19, 1 << 24  # in memory of G and of real rows: long rows are fewer
_COLUMNS = 64  # of vectors in which standardised values are looked for


@dataclass(frozen=True)
class NumericColumn:
    """The values of one raw column, missing ones left out."""

    name: str
    real: Floats
    generated: Floats


def numeric_columns(sets: Sequence[Samples], names: Sequence[str]) -> list[NumericColumn]:
    """Return those of the columns `names` that hold numbers, as stored; none unless of tables.

    sets: train, heldout, generated.
    """
    tables = [samples for samples in sets if isinstance(samples, TableSamples)]
    found = []
    for name in names if len(tables) == len(sets) else ():
        columns = [Column(samples, name) for samples in tables]
        if meaning(columns[:2]) != "number":
            continue
        values = [column.numbers("number") for column in columns]
        values = [v[~np.isnan(v)] for v in values]
        found.append(NumericColumn(name, np.concatenate(values[:2]), values[2]))
    return found


def comparability(
    real: Rows,
    generated: Rows,
    nearest: Floats,
    rng: np.random.Generator,
    *,
    raw: bool,
    sample_shape: tuple[int, ...] = (),
    columns: Sequence[NumericColumn] = (),
    max_memory: int | None = None,
) -> Comparability:
    """Look for another scale or encoding of the generated rows, and for its cause.

    real: (N, d), generated: (m, d); nearest: distances of generated rows to the nearest real one.
    raw: the rows are arrays or images as stored, each of shape `sample_shape`, and not an encoded
    table, features or embeddings; columns: of a table, else none. max_memory: bytes, as for
    `two_way`.

    >>> rng = np.random.default_rng(0)
    >>> real, made = rng.random((300, 4)), 255 * rng.random((100, 4))
    >>> nearest = two_way(made, real, 1).forward.distances
    >>> comparability(real, made, nearest, rng, raw=True, sample_shape=(4,)).cause
    'scaled to 0 to 255 where the data are in [0, 1]'
    """
    order = rng.permutation(len(real))
    most = max(_VALUES // real.shape[1], 2 * _FEW)
    few = min(COMPARED[0], len(real) // 4, most)
    pseudo = real[order[:few]].astype(np.float64)
    partners = real[order[few : 2 * few]].astype(np.float64)
    apart = np.linalg.norm(pseudo - partners, axis=1)
    scale = float(np.median(apart)) or float(apart.mean())
    typical = float(np.median(nearest))
    ratio = typical / scale if scale > 0 else float(typical > 0)
    if raw:
        some = generated[rng.permutation(len(generated))[: min(COMPARED[0], most)]].astype(
            np.float64
        )
        beside = min(COMPARED[1], max(_REAL_VALUES // real.shape[1], 4 * _FEW))
        against: Rows = Chosen(real, order[few : few + beside], np.float64)
        memory = DEFAULT_MEMORY if max_memory is None else max_memory
        if against.nbytes <= memory // 4:
            against, memory = against[:], memory - against.nbytes
        kept: Floats = against[: min(KEPT, most)].astype(np.float64, copy=False)
        if len(sample_shape) == 1:
            columns = [NumericColumn(str(j), kept[:, j], some[:, j]) for j in range(kept.shape[1])]
        wide = (n for n, change in _affine_maps(some, kept) if _wide(some, change(some)))
        cause = next(wide, None)
        cause = cause or _standardised(columns) or _other_units(columns)
        cause = cause or _reencoded(some, pseudo, kept, against, sample_shape, memory)
    else:
        cause = _standardised(columns) or _other_units(columns)
    passed = cause is None and ratio <= DISTANCE_RATIO_LIMIT
    return Comparability(ratio, DISTANCE_RATIO_LIMIT, passed, cause)


def _reencoded(
    rows: Floats,
    pseudo: Floats,
    real: Floats,
    against: Rows,
    sample_shape: tuple[int, ...],
    memory: int,
) -> str | None:
    """Return the re-encoding that the generated `rows` seem to have, or None.

    pseudo: real rows that are not in `against`; real: some of the rows `against`.
    """

    def distances(x: Floats) -> Floats:
        found = two_way(np.ascontiguousarray(x), against, 1, max_memory=memory)
        return found.forward.distances[:, 0]

    expected, before = distances(pseudo), distances(rows)
    if area_under_curve(expected, before) <= 0.5:  # as near as held-out rows are
        return None
    m, p = len(before), len(expected)
    outside = 0.5 + OUTSIDE_ERRORS * np.sqrt((m + p + 1) / (12 * m * p))
    spread = _spread(pseudo)
    named = (*_arrangements(real, sample_shape), *_affine_maps(rows, real))
    for candidates in (named, tuple(_linear(rows, real))):
        found = []
        for name, change in candidates:
            mended = change(rows)
            if not spread / SPREAD <= _spread(mended) <= spread * SPREAD:
                continue
            after = distances(mended)
            area = area_under_curve(expected, after)
            if area > INSIDE_AREA or np.mean(after < before) < NEARER:
                continue
            if area_under_curve(expected - distances(change(pseudo)), before - after) >= outside:
                found.append((area, name))
        if found:
            return min(found)[1]
    return None


def _spread(rows: Floats) -> float:
    """Return the median distance between rows, each with the one half the set away."""
    return float(np.median(np.linalg.norm(rows - np.roll(rows, len(rows) // 2, axis=0), axis=1)))


def _range(rows: Floats) -> tuple[float, float]:
    return (
        float(np.quantile(rows.min(axis=1), 0.05)),
        float(np.quantile(rows.max(axis=1), 0.95)),
    )


def _fits(rows: Floats, real: Floats, mended: Floats) -> bool:
    """Return whether the range of `mended` is that of `real`, and the range of `rows` is not."""
    low, high = _range(real)
    width = high - low

    def off(x: Floats) -> float:
        ends = _range(x)
        return max(abs(ends[0] - low), abs(ends[1] - high))

    return width > 0 and off(mended) <= FITS * width and off(rows) >= MISFITS * width


def _wide(rows: Floats, mended: Floats) -> bool:
    widths = [float(np.ptp(_range(x))) for x in (rows, mended)]
    return max(widths) >= WIDE * min(widths)


def _affine_maps(rows: Floats, real: Floats) -> Iterator[tuple[str, Change]]:
    """Yield (what the rows seem to be, what puts them right) where the ranges fit only then."""
    for name, factor, shift in _affine(rows, real):

        def change(x: Floats, factor: Any = factor, shift: Any = shift) -> Floats:
            return np.asarray(x * factor + shift)

        if _fits(rows, real, change(rows)):
            yield name, change


def _affine(rows: Floats, real: Floats) -> Iterator[tuple[str, Any, Any]]:
    """Yield name, factor and shift, numbers or one for each column."""
    low, high = float(real.min()), float(real.max())
    for (source, (s0, s1)), (target, (t0, t1)) in permutations(_BOXES.items(), 2):
        if low >= t0 and high <= t1:
            factor = (t1 - t0) / (s1 - s0)
            within = "" if target == "0 to 255" else "in "
            name = f"scaled to {source} where the data are {within}{target}"
            yield name, factor, t0 - s0 * factor
    if _is_standard(float(rows.mean()), float(rows.std())):
        yield _STANDARDISED, real.std(), real.mean()
    spread = rows.std(axis=0)
    varied = spread > 0
    if varied.any() and _is_standard(
        float(np.median(np.abs(rows.mean(axis=0)[varied]))), float(np.median(spread[varied]))
    ):
        yield _STANDARDISED, real.std(axis=0), real.mean(axis=0)


def _linear(rows: Floats, real: Floats) -> Iterator[tuple[str, Change]]:
    """Yield the map of the one range onto the other, if the rows do not fit as they are."""
    (start, end), (low, high) = _range(rows), _range(real)
    factor = (high - low) / (end - start) if end > start else 0.0

    def change(x: Floats) -> Floats:
        return low + (x - start) * factor

    if factor and _fits(rows, real, change(rows)):
        yield "on another linear scale", change


def _is_standard(mean: float, spread: float) -> bool:
    return abs(mean) <= STANDARD[0] and STANDARD[1][0] <= spread <= STANDARD[1][1]


def _arrangements(real: Floats, sample_shape: tuple[int, ...]) -> Iterator[tuple[str, Change]]:
    """Yield (what the rows seem to be, what puts them right) where it keeps the range."""
    ends = float(real.max() + real.min())
    yield "inverted (largest value for smallest)", lambda x: ends - x
    if len(sample_shape) < 2:
        return
    height, width = sample_shape[:2]

    def images(rows: Floats, *shape: int) -> Floats:
        return rows.reshape(len(rows), *(shape or sample_shape))

    def flat(x: Floats) -> Floats:
        return x.reshape(len(x), -1)

    if height == width:
        yield "transposed (height for width)", lambda x: flat(images(x).swapaxes(1, 2))
    yield "upside down", lambda x: flat(images(x)[:, ::-1])
    if len(sample_shape) == 3:
        channels = sample_shape[2]
        yield "in reverse channel order (BGR for RGB)", lambda x: flat(images(x)[..., ::-1])
        yield (
            "stored channels first",
            lambda x: flat(np.moveaxis(images(x, channels, height, width), 1, -1)),
        )


def _other_units(columns: Sequence[NumericColumn]) -> str | None:
    """Return which column holds other units than the real rows, and by what factor."""
    found = []
    for column in columns:
        factor = _unit_factor(column)
        if factor is not None:
            found.append((column.name, factor))
    if not found:
        return None
    name, factor = found[0]
    others = f", and {len(found) - 1:,} more columns" if len(found) > 1 else ""
    return f"in another unit in column {name!r} (about {factor:,g} times the real values){others}"


def _unit_factor(column: NumericColumn) -> float | None:
    real, made = (np.abs(x[x != 0]) for x in (column.real, column.generated))
    if min(len(real), len(made)) < _FEW:
        return None
    shares = [len(x) / len(y) for x, y in ((real, column.real), (made, column.generated))]
    if abs(shares[0] - shares[1]) > TOGETHER:  # another unit leaves zeros as they are
        return None
    shift = float(np.log(np.median(made)) - np.log(np.median(real)))
    one_sign = (column.real >= 0).all() or (column.real <= 0).all()
    if abs(shift) < np.log(UNIT_FACTOR) or (shift < 0 and not one_sign):
        return None
    factor = float(np.exp(shift))
    if _apart(made, real) < APART:
        return None
    for guess in (10.0 ** round(np.log10(factor)), float(f"{factor:.1g}"), factor):
        if _apart(np.log(made / guess), np.log(real), 1e-6) <= TOGETHER:
            return guess
    return None


def _standardised(columns: Sequence[NumericColumn]) -> str | None:
    varied = [c for c in columns if len(c.real) and c.real.min() < c.real.max()]
    varied = varied[:: max(1, len(varied) // _COLUMNS)]
    if not varied or 2 * sum(map(_is_standardised, varied)) <= len(varied):
        return None
    return _STANDARDISED


def _is_standardised(column: NumericColumn) -> bool:
    made, real = column.generated, column.real
    if len(made) < _FEW:
        return False
    if not _is_standard(float(made.mean()), float(made.std())):
        return False
    scaled, slack = made * real.std() + real.mean(), STANDARD[0] * float(real.std())
    return _apart(made, real) >= MOVED and _apart(scaled, real, slack) <= TOGETHER


def _apart(first: Floats, second: Floats, slack: float = 0.0) -> float:
    """Return the Kolmogorov distance, values up to `slack` apart counted as equal.

    The largest share by which one of the distribution functions F, moved to the right by `slack`,
    still lies above the other: max_x F₁(x − slack) − F₂(x), and the same with the sets exchanged.

    >>> _apart(np.array([0.0, 1.0]), np.array([0.1, 2.0])), _apart(np.arange(2.0), np.ones(1), 1.0)
    (0.5, 0.0)
    """
    worst = 0.0
    for left, right in ((first, second), (second, first)):
        left, right = np.sort(left), np.sort(right)
        share = np.arange(1, len(left) + 1) / len(left)  # F_left at its own points
        below = np.searchsorted(right, left + slack, side="right") / len(right)
        # At equal values the last one's share counts, and it is the largest.
        worst = max(worst, float((share - below).max()))
    return worst


def bytes_comparability(real: int, generated: int, dimension: int) -> int:
    """Return the bytes of the compared rows, their re-encodings, and real rows beside the search.

    Real rows that are searched count as working memory of the search.
    """
    most = max(_VALUES // dimension, 2 * _FEW)
    return 8 * dimension * (5 * min(COMPARED[0], generated, most) + min(KEPT, real, most))
