"""An index of real rows: rows near one centre share a list, and a query reads the nearest lists.

Centres are means of rows (k-means on a sample of the real rows). A query reads whole lists, the
list of the nearest centre first, until it has met `target` rows or more. Its nearest rows among
those are found as in an exact pass: float32 bounds by a matrix product for a list and all queries
that read it, short lists, distances measured again in float64. So distances are right, but a row in
a list that was not read is missed; how often is measured by the caller (`auditing.approximate`).

Nothing here knows a label: centres, lists and ties depend on the values of the rows, on their
order, which the caller has shuffled, and on the seed.

The answer depends neither on the number of threads nor on the memory: which queries are multiplied
together is fixed by the sizes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from byheart.distances.centres import BLOCK_VALUES, SAMPLED_PER_LIST, Centres, Scores
from byheart.distances.lists import Chunk, Grouping, Keys
from byheart.distances.lower_bounds import Frame
from byheart.distances.neighbours import Neighbours, TwoWay
from byheart.distances.recheck import Table, settle
from byheart.distances.rows import Chosen, Rows, row_blocks
from byheart.distances.shortlists import EMPTY, indices, smallest
from byheart.distances.tiles import (
    ALL_EXACT,
    DEFAULT_MEMORY,
    SPARE,
    THREAD_MEMORY,
    thread_count,
    tile_shape,
)
from byheart.threads import one_thread

Floats = NDArray[np.float64]

_CHUNK_VALUES = 1 << 22  # of float32 that a chunk of queries holds
_CHUNK_PAIRS = 1 << 19  # (query, list) pairs of a chunk, roughly
_CHUNKS = 4  # at least, where there are rows enough for two threads to share


def list_count(rows: int) -> int:
    """Return the number of lists for so many rows: about √N, of at least 128 rows."""
    return max(1, min(round(math.sqrt(rows)), rows // 128))


class Index:
    """Lists of the real rows, and searches in them.

    Attributes: `lists` is their number, `frame` the centre and scale of all rows that will meet.
    """

    def __init__(
        self,
        real: Rows,
        generated: Rows,
        rng: np.random.Generator,
        *,
        max_memory: int | None = None,
    ):
        """Index the real rows (N, d); generated rows (m, d) decide the frame only."""
        self.frame = Frame.of(generated, real)
        self.real = real
        self.lists = list_count(len(real))
        self._memory = DEFAULT_MEMORY if max_memory is None else max_memory
        with one_thread():
            self.centres = Centres.of(self.frame, real, self.lists, rng)
            self.of, self.norms = self._assigned(real)
        self.grouping = Grouping(real, self.of, self.lists)

    def two_way(self, queries: Rows, k: int, target: int) -> TwoWay:
        """Return the k nearest real rows found of each query, and for each real row the query.

        A real row that too few queries have met looks itself among the queries, in the same way.
        """
        k = min(k, len(self.real))
        back = np.full((len(self.real), 1 + SPARE), EMPTY, np.int64)
        keys, norms, lists = self._meet(queries, self.grouping, target, k, back)
        enough = min(back.shape[1], len(queries))
        unmet = np.flatnonzero(np.count_nonzero(back != EMPTY, axis=1) < enough)
        if len(unmet):
            made = Grouping(queries, lists, self.lists)
            share = math.ceil(target / len(self.real) * len(queries))
            more, _, _ = self._meet(Chosen(self.real, unmet), made, share, 1)
            # A query may then be listed twice, which changes no nearest one.
            back[unmet] = smallest(np.concatenate([back[unmet], more], axis=1), back.shape[1])
        depth = self._depth(len(queries), k)
        return TwoWay(
            Neighbours(*self._settled(keys, queries, self.real, (norms, self.norms), k, depth)),
            Neighbours(*self._settled(back, self.real, queries, (self.norms, norms), 1, 1)),
        )

    def forward(self, queries: Rows, k: int, target: int) -> Neighbours:
        """Return the k nearest real rows found of each query."""
        k = min(k, len(self.real))
        keys, norms, _ = self._meet(queries, self.grouping, target, k)
        depth = self._depth(len(queries), k)
        found = self._settled(keys, queries, self.real, (norms, self.norms), k, depth)
        return Neighbours(*found)

    def within(self, k: int, target: int) -> Neighbours:
        """Return the k nearest other real rows found of each real row."""
        k = min(k, len(self.real) - 1)
        keys, norms, _ = self._meet(self.real, self.grouping, target, k, own=True)
        depth = self._depth(len(self.real), k)
        return Neighbours(*self._settled(keys, self.real, self.real, (norms, norms), k, depth))

    def read_before(self, queries: Rows, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many rows each query reads before the lists of the real `rows` (q, j).

        A target above that number finds them.
        """
        out = np.empty(rows.shape, np.int64)
        with one_thread():
            for part, left, _ in self.centres.prepared(queries):
                order = np.argsort(left @ self.centres.right.T, axis=1)
                sizes = self.grouping.sizes[order]
                before = np.empty(order.shape, np.int64)
                np.put_along_axis(before, order, np.cumsum(sizes, axis=1) - sizes, axis=1)
                out[part] = np.take_along_axis(before, self.of[rows[part]], axis=1)
        return out

    def _depth(self, queries: int, k: int) -> int:
        return k if queries * k * self.real.shape[1] <= ALL_EXACT else min(k, 2)

    def _assigned(self, rows: Rows) -> tuple[NDArray[np.int32], Scores]:
        lists, norms = np.empty(len(rows), np.int32), np.empty(len(rows), np.float32)
        for part, left, squared in self.centres.prepared(rows):
            lists[part] = (left @ self.centres.right.T).argmin(axis=1)
            norms[part] = squared
        return lists, norms

    def _meet(
        self,
        queries: Rows,
        grouping: Grouping,
        target: int,
        k: int,
        back: Keys | None = None,
        *,
        own: bool = False,
    ) -> tuple[Keys, Scores, NDArray[np.int32]]:
        """Return the short lists of all queries, their norms and their own list.

        back: (references, 1 + SPARE), filled in with the short lists of the references. own: the
        queries are the references, and no row meets itself.
        """
        total, dimension = len(grouping.order), queries.shape[1]
        target = min(total, max(target, k + SPARE + own))
        keys = np.full((len(queries), k + SPARE), EMPTY, np.int64)
        norms = np.empty(len(queries), np.float32)
        lists = np.empty(len(queries), np.int32)
        reading = target * self.lists / total + 1
        step = min(
            _CHUNK_VALUES // (dimension + 2),
            int(_CHUNK_PAIRS // reading),
            -(-len(queries) // _CHUNKS),
        )
        step = max(step, min(256, len(queries)))
        lock = Lock()

        def chunk(at: int) -> None:
            stop = min(at + step, len(queries))
            Chunk(self.centres, queries, grouping, at, stop, target, own).run(
                keys[at:stop], norms[at:stop], lists[at:stop], back, lock
            )

        self._each(chunk, range(0, len(queries), step))
        for part in row_blocks(*keys.shape):  # from places in the lists to numbers of rows
            place = indices(keys[part])
            known = keys[part] != EMPTY
            keys[part][known] += grouping.order[place[known]] - place[known]
        return keys, norms, lists

    def _each(self, work: Callable[[int], None], items: range) -> None:
        count, dimension = items.stop, self.real.shape[1]
        fitting = self._memory // working_memory(count, dimension, self.lists)
        threads = max(1, min(thread_count(), fitting, len(items)))
        with one_thread():
            if threads == 1:
                for item in items:
                    work(item)
                return
            with ThreadPoolExecutor(threads) as pool:
                for _ in pool.map(work, items):
                    pass

    def _settled(
        self, keys: Keys, x: Rows, y: Rows, norms: tuple[Scores, Scores], k: int, depth: int
    ) -> Table:
        out = np.empty((len(x), k)), np.empty((len(x), k), np.int64)

        def block(at: int) -> None:
            part = slice(at, min(at + 1024, len(x)))
            queries = np.arange(part.start, part.stop)
            table, _, _ = settle(keys[part], queries, x, y, self.frame, norms, k, depth, False)
            out[0][part], out[1][part] = table

        self._each(block, range(0, len(x), 1024))
        return out


def index_memory(rows: int, dimension: int) -> tuple[int, int]:
    """Return the bytes of an index of so many rows, and the most that making it takes."""
    lists = list_count(rows)
    held = 16 * rows + 4 * lists * (dimension + 2)
    sample = min(rows, lists * SAMPLED_PER_LIST) * (4 * dimension + 24)
    making = max(16 * rows, sample + 12 * lists * (dimension + 2))
    return held, held + making + _prepared_memory(rows, dimension, lists)


def working_memory(rows: int, dimension: int, lists: int) -> int:
    """Return the bytes in which a thread works on at most `rows` queries."""
    shape = tile_shape(dimension)
    return (
        4 * min(_CHUNK_VALUES, max(256, rows) * (dimension + 2))
        + 40 * min(_CHUNK_PAIRS, rows * lists)
        + 4 * sum(shape) * (dimension + 2)
        + 5 * math.prod(shape)
        + _prepared_memory(rows, dimension, lists)
        + THREAD_MEMORY
    )


def _prepared_memory(rows: int, dimension: int, lists: int) -> int:
    """Bytes of a block of prepared rows with their scores and the order of these."""
    wide = max(dimension + 2, lists)
    return 16 * min(rows * wide, max(16 * wide, BLOCK_VALUES))
