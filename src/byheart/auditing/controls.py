"""The controls that have to hold before a verdict is believed (all but the planted copies).

Exchangeability: a two-sample test of T against H among real rows only. Independence: whether the
model reproduces held-out rows more often than training rows do, as it would had it been trained on
them. Comparability: whether the generated samples are on the data's scale at all. Duplicates: rows
that stand in both sets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from byheart.auditing.copies import excess_p_value, reproduces
from byheart.auditing.permutation import Group, Units, bytes_evaluate, pool_p_values
from byheart.auditing.pool import Sample
from byheart.auditing.result import Comparability, ControlTest, Duplicates, Independence
from byheart.auditing.search import Search
from byheart.auditing.statistics import Labels, LinearRank, Statistic, area_weights
from byheart.distances.neighbours import Neighbours, two_way
from byheart.distances.rows import Chosen, Rows, extent, row_blocks

Floats = NDArray[np.float64]
AGREEMENT_NEIGHBOURS = 5
PROJECTIONS = 32
# A model may be poor without being on another scale: blurred digits lie at 1.5 to 2, noise at 4.
DISTANCE_RATIO_LIMIT = 10.0
SHOWN_DUPLICATES = 100
COMPARED = (200, 4000)  # generated and real rows on which re-encodings are tried
_BLOCK_VALUES = 1 << 20  # of real rows that are projected at a time


@final
class NeighbourAgreement(Statistic):
    """Share of (row, near row) pairs that lie in the same set (Schilling 1986, Henze 1988)."""

    def __init__(self, name: str, indices: NDArray[np.int64]) -> None:
        self.name = name
        near = indices[:, :AGREEMENT_NEIGHBOURS]
        rows, k = near.shape
        self.graph = csr_array(
            (np.ones(rows * k, np.float32), near.ravel(), np.arange(0, rows * k + 1, k)),
            shape=(rows, rows),
        )

    def evaluate(self, labels: Labels) -> Floats:
        signs = 2 * labels.astype(np.float32) - 1  # sums of ±1 are exact in float32
        agreement = np.asarray(self.graph @ signs) * signs
        return np.asarray(agreement.sum(axis=0, dtype=np.float64) / self.graph.nnz)


@final
class MeanDifference(Statistic):
    """Squared distance between the two sets' means, each coordinate in its own units."""

    def __init__(self, name: str, coordinates: Floats) -> None:
        self.name = name
        centred = coordinates - coordinates.mean(axis=0)
        spread = np.sqrt((centred**2).mean(axis=0))
        self.coordinates = centred[:, spread > 0] / spread[spread > 0]

    def evaluate(self, labels: Labels) -> Floats:
        marked = labels.sum(axis=0, dtype=np.float64)
        inside = self.coordinates.T @ labels.astype(np.float64)
        # The coordinates are centred: the held-out sum is minus the training sum.
        gap = inside * (1 / marked + 1 / (len(labels) - marked))
        return np.asarray(np.round((gap**2).sum(axis=0), 12))  # equal labellings tie exactly


@final
class TwoSided(Statistic):
    """The size of another statistic, whatever its sign."""

    def __init__(self, inner: Statistic) -> None:
        self.name = inner.name
        self.inner = inner

    def evaluate(self, labels: Labels) -> Floats:
        return np.abs(self.inner.evaluate(labels))


def exchangeability(
    real: Rows,
    among_real: Neighbours,
    units: Units,
    relabellings: int,
    level: float,
    rng: np.random.Generator,
) -> ControlTest:
    """Test T against H: near rows of the same set, means, and local density, pooled by min-p.

    real: (N, d); among_real: (N, k) nearest other real rows; level: of this one control.
    """
    dimension = real.shape[1]
    if dimension > PROJECTIONS:  # a fixed random plane keeps the cost off the product's order
        directions = rng.normal(size=(dimension, PROJECTIONS)).astype(real.dtype)
        parts = list(row_blocks(len(real), dimension, _BLOCK_VALUES))
        total = np.zeros(dimension, real.dtype)
        for part in parts:  # row after row: the cut into parts changes no rounding
            total = np.vstack([total, real[part]]).sum(axis=0)
        mean = total / real.dtype.type(len(real))
        coordinates = np.concatenate([(real[part] - mean) @ directions for part in parts])
    else:
        coordinates = real[:]
    statistics: list[Statistic] = [
        NeighbourAgreement("neighbour_agreement", among_real.indices),
        MeanDifference("mean_difference", np.asarray(coordinates, dtype=np.float64)),
        TwoSided(LinearRank("local_density", area_weights(among_real.distances[:, 0]))),
    ]
    blocks = units.relabellings(relabellings, rng)
    values = [np.stack([s.evaluate(labels) for s in statistics]) for labels in blocks]
    p_value = pool_p_values([Group(1.0, statistics)], [np.concatenate(values, axis=1)]).p_value
    return ControlTest(p_value, p_value > level)


@dataclass(frozen=True)
class Reproduction:
    """How often generated rows and training rows reproduce rows of one set."""

    generated_share: float
    train_share: float
    p_value: float  # that generated rows do it no more often, by Fisher's exact test


def reproduction(
    sample: Sample, training: NDArray[np.bool_], target: NDArray[np.bool_]
) -> Reproduction:
    """Compare generated with training rows as reproducers of the `target` rows, (N,) bool.

    A fresh row of the law of T would reproduce another row as often as the rows of T do.
    training: (N,) True for training rows.
    """
    forward, among_real = sample.forward, sample.among_real
    by_generated = reproduces(forward) & target[forward.indices[:, 0]]
    by_train = (reproduces(among_real) & target[among_real.indices[:, 0]])[training[sample.real]]
    hits, chance = int(by_generated.sum()), int(by_train.sum())
    return Reproduction(
        hits / len(by_generated),
        chance / max(len(by_train), 1),  # a sample may hold no training row
        excess_p_value(hits, chance, len(by_generated), len(by_train)),
    )


def independence(sample: Sample, training: NDArray[np.bool_], level: float) -> Independence:
    """Compare how often generated rows and training rows reproduce a held-out row.

    Independence of the held-out set cannot be proved; this finds the model that was trained on it.
    """
    found = reproduction(sample, training, ~training)
    return Independence(
        found.generated_share, found.train_share, found.p_value, found.p_value > level
    )


def duplicates(train: Rows, heldout: Rows) -> Duplicates:
    """Find held-out rows that are equal to a training row, by exact comparison."""
    first: dict[bytes, int] = {}
    for i, key in enumerate(_digests(train)):
        first.setdefault(key, i)
    pairs = [
        (first[key], j)
        for j, key in enumerate(_digests(heldout))
        if key in first and np.array_equal(train[first[key]], heldout[j])
    ]
    return Duplicates(len(pairs), tuple(pairs[:SHOWN_DUPLICATES]))


def warnings(found: Duplicates) -> list[str]:
    """Return one line when there are duplicates, else nothing."""
    if not found.count:
        return []
    return [
        f"{found.count:,} held-out rows are equal to a training row; they are kept, which keeps "
        "the test exact, but a copy of them shows nothing"
    ]


def _digests(rows: Rows) -> Iterator[bytes]:
    for block in row_blocks(*rows.shape):
        for row in rows[block] + 0.0:  # adding zero turns -0.0 into 0.0
            yield hashlib.blake2b(row.tobytes(), digest_size=16).digest()


def comparability(
    search: Search, sample_shape: tuple[int, ...], rng: np.random.Generator
) -> Comparability:
    """Compare the distance generated → real with that among real rows, and look for the cause.

    The usual re-encodings are tried on a few rows; one that brings the generated samples to less
    than half their distance is the cause.
    """
    scale, memory = search.distances.scale, search.max_memory
    typical = float(np.median(search.exact.forward.distances[:, 0]))
    ratio = 1.0 if typical == 0 else (typical / scale if scale > 0 else DISTANCE_RATIO_LIMIT)
    cause = None
    if ratio > 1:
        (fakes, reals), (made, real) = COMPARED, (search.generated, search.real)
        some = made[rng.permutation(len(made))[:fakes]].astype(np.float64)
        against: Rows = Chosen(real, rng.permutation(len(real))[:reals], np.float64)
        if against.nbytes <= memory // 4:
            against, memory = against[:], memory - against.nbytes
        before = _typical_distance(some, against, memory)
        best = before / 2
        for name, encoded in _reencodings(some, against, sample_shape):
            distance = _typical_distance(encoded, against, memory)
            if distance < best:
                best, cause = distance, name
    passed = cause is None and ratio <= DISTANCE_RATIO_LIMIT
    return Comparability(ratio, DISTANCE_RATIO_LIMIT, passed, cause)


def _typical_distance(rows: Floats, against: Rows, max_memory: int) -> float:
    found = two_way(np.ascontiguousarray(rows), against, 1, max_memory=max_memory)
    return float(np.median(found.forward.distances))


def _reencodings(
    rows: Floats, real: Rows, sample_shape: tuple[int, ...]
) -> Iterator[tuple[str, Floats]]:
    """Yield (what the generated samples seem to be, the samples put right)."""
    low, high = extent(real)
    yield "scaled to [0, 1] where the data are 0 to 255", rows * 255
    yield "scaled to 0 to 255 where the data are in [0, 1]", rows / 255
    yield "scaled to [-1, 1] where the data are in [0, 1]", (rows + 1) / 2
    yield "scaled to [0, 1] where the data are in [-1, 1]", 2 * rows - 1
    yield "scaled to [-1, 1] where the data are 0 to 255", (rows + 1) * 127.5
    yield "scaled to 0 to 255 where the data are in [-1, 1]", rows / 127.5 - 1
    yield "inverted (largest value for smallest)", low + high - rows
    width, spread = high - low, float(rows.max() - rows.min())
    offset = abs(float(rows.max() + rows.min()) - (high + low)) / 2
    # A fainter or brighter model is a poor model, not another scale.
    if spread > 0 and width > 0 and (offset > width / 2 or not 0.5 < spread / width < 2):
        yield "on another linear scale", low + (rows - rows.min()) * (width / spread)
    if len(sample_shape) < 2:
        return
    images = rows.reshape(-1, *sample_shape)
    if sample_shape[0] == sample_shape[1]:
        yield "transposed (height for width)", np.swapaxes(images, 1, 2).reshape(rows.shape)
    yield "upside down", images[:, ::-1].reshape(rows.shape)
    if len(sample_shape) == 3:
        height, width, channels = sample_shape
        yield "in reverse channel order (BGR for RGB)", images[..., ::-1].reshape(rows.shape)
        first = rows.reshape(-1, channels, height, width)
        yield "stored channels first", np.moveaxis(first, 1, -1).reshape(rows.shape)


def bytes_exchangeability(real: int, dimension: int, relabellings: int) -> int:
    """Return the bytes of the projected rows and of what is evaluated on them."""
    projected = real * (min(dimension, PROJECTIONS) * 24 + 60)
    return projected + bytes_evaluate(real, relabellings)


def bytes_duplicates(train: int) -> int:
    """Return the bytes of the digests of the training rows."""
    return 160 * train


def bytes_comparability(generated: int, dimension: int) -> int:
    """Return the bytes of the compared generated rows and their re-encodings, in float64."""
    return 4 * 8 * min(COMPARED[0], generated) * dimension
