"""Exact nearest neighbours between two sets of rows, both ways, from one matrix product.

The rows meet in tiles of at most 1024 x 512. Each tile of float32 lower bounds
(``lower_bounds``: the proof that no neighbour is missed) serves both directions; the smallest of
each row and of each column stay in short lists (``shortlists``); what is reported is measured again
by subtraction in float64 (``recheck``). Python threads share the tiles, each with a
single-threaded product.

*Exact* means: the distances and indices that float64 subtraction of all pairs would give, ties by
the lower index, so that an exact copy has distance 0 whatever the mean of the data. Exact are
ranks 1 and 2 of the generated rows and of ``within``, rank 1 of the real rows, every distance of 0,
and all ranks if queries * k * dimension is at most 2^25. Beyond that, the squared distance at
ranks 3 to k is within

    theta (||x - c||^2 + ||y - c||^2),    theta = 2 gamma_{d+2} + 6 u < (2.01 d + 11) 2^-24

of the true squared distance of that rank (d < 50,000; c is near the mean of the data, y the
farthest row listed), and rows whose distances differ by less may be exchanged.

The answer depends neither on the number of threads nor on `max_memory`: the cut into tiles is
fixed by the dimension.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart._check import choice, integer
from byheart.cluster import joined
from byheart.distances.recheck import Table
from byheart.distances.rows import Rows
from byheart.distances.shards import ShardedPass
from byheart.distances.tiles import SPARE, Pass, Progress

ENGINES = ("local", "ray")
_TIES = 64  # bytes of a row where many rows tie


@dataclass(frozen=True)
class Neighbours:
    """Nearest rows, the nearest first.

    distances: (queries, k) Euclidean, ascending. indices: (queries, k) rows of the reference set,
    counted from 0.
    """

    distances: NDArray[np.float64]
    indices: NDArray[np.int64]


@dataclass(frozen=True)
class TwoWay:
    """The nearest real rows of each generated row, and the other way round.

    forward: (m, k) neighbours among the real rows; backward: (N, 1) among the generated rows.
    """

    forward: Neighbours
    backward: Neighbours


def two_way(
    generated: Rows,
    real: Rows,
    k: int = 32,
    *,
    max_memory: int | None = None,
    progress: Progress | None = None,
    engine: str = "local",
) -> TwoWay:
    """Return the `k` nearest real rows of each generated row, and the nearest the other way.

    `generated` (m, d) and `real` (N, d) are finite, C-contiguous, of one dtype, float32 or float64;
    memory-mapped arrays and sources (`rows`) are read block by block. `k` is cut to N. `max_memory`
    (bytes, 1 GiB unless told) bounds the working memory; what grows with the rows comes on top: the
    result and the lists, (24 k + 64) bytes a query, and 64 bytes a row where many rows tie; so do
    the few MiB that the BLAS keeps for itself. `progress` is called with blocks done and blocks in
    all. With `engine` "ray" a Ray cluster shares the work (`shards`), each task within
    `max_memory`; the answer is the same.

    Raises UsageError if `max_memory` is too small, InputError if distances overflow.

    >>> real = np.array([[0.0, 0.0], [0.0, 3.0], [4.0, 0.0]])
    >>> answer = two_way(np.array([[0.0, 1.0]]), real, k=2)
    >>> answer.forward.distances, answer.forward.indices
    (array([[1., 2.]]), array([[0, 1]]))
    >>> answer.backward.indices.ravel()
    array([0, 0, 0])
    """
    k = min(integer(k, "k", 1), len(real))
    forward, backward = _run(engine, generated, real, k, 1, max_memory, progress)
    return TwoWay(Neighbours(*forward), Neighbours(*backward))


def within(
    points: Rows,
    k: int = 32,
    *,
    max_memory: int | None = None,
    progress: Progress | None = None,
    engine: str = "local",
) -> Neighbours:
    """Return the `k` nearest other rows of each row: the row itself left out, its duplicates not.

    `points` (n, d), `max_memory`, `progress` and `engine` are as for `two_way`, and so are the
    errors; `k` is cut to n - 1 (a single row has neighbours of shape (1, 0)). Each pair is
    multiplied once.

    >>> within(np.array([[0.0], [1.0], [1.0]]), k=1).indices.ravel()
    array([1, 2, 1])
    """
    k = min(integer(k, "k", 1), len(points) - 1)
    if k == 0:
        return Neighbours(np.empty((1, 0)), np.empty((1, 0), np.int64))
    forward, _ = _run(engine, points, points, k, k, max_memory, progress, symmetric=True)
    return Neighbours(*forward)


def bytes_listed(k: int) -> int:
    """Return the bytes of the k neighbours of a row."""
    return 16 * k


def bytes_two_way(generated: int, real: int, k: int) -> int:
    """Return the bytes of `two_way` beside its working memory: answers, lists, norms, ties."""
    return bytes_within(generated, k) + real * (bytes_listed(1) + 8 + _TIES)


def bytes_within(rows: int, k: int) -> int:
    """Return the bytes of `within` beside its working memory."""
    return rows * (bytes_listed(k) + 8 * (k + SPARE) + 8 + _TIES)


@contextmanager
def on_engine(engine: str) -> Iterator[None]:
    """Keep what an engine needs, such as the connection to a cluster, for all passes of a block.

    Raises UsageError for an unknown engine, MissingExtraError where "ray" is not installed.

    >>> with on_engine("local"):
    ...     within(np.array([[0.0], [1.0]])).distances.ravel()
    array([1., 1.])
    """
    if choice(engine, "engine", ENGINES) == "local":
        yield
        return
    with joined():
        yield


def _run(engine: str, *arguments: Any, **options: Any) -> tuple[Table, Table]:
    with on_engine(engine):
        kind = Pass if engine == "local" else ShardedPass
        return kind(*arguments, **options).run()
