"""One pass over the tiles of queries x references: products, short lists, answers.

References are prepared in stripes, as many as the memory allows; the queries pass by in blocks of
at most 1024 rows, shared out to threads; a tile is a block times at most 512 references. Only the
dimension decides where tiles begin and end, so that memory and threads cannot change a rounding.
Each thread keeps its own lists of the references; merged, they are the lists of one thread.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import cache
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from byheart._check import integer
from byheart.distances.lower_bounds import Frame
from byheart.distances.recheck import Classes, Table, search, settle
from byheart.distances.rows import Rows
from byheart.distances.shortlists import EMPTY, SLACK, Shortlists, smallest
from byheart.errors import UsageError

Stripes = Generator[tuple[int, int, NDArray[np.int64]], None, None]
Progress = Callable[[int, int], None]  # blocks done, blocks in all; one call at a time

DEFAULT_MEMORY = 1 << 30
SPARE = 8  # candidates kept beyond k, so that few queries are crowded
ALL_EXACT = 1 << 25  # queries * k * dimension up to which every rank is measured in float64
_BLOCK_VALUES = 1 << 25  # of float32 that a block of queries may hold
THREAD_MEMORY = 24 << 20  # selection and recheck of one thread, beyond its block and its tile


@cache  # to look for libraries takes longer than a small pass; numpy's is loaded by now
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")


def thread_count() -> int:
    """Return the number of threads that products may use: as set for the BLAS, else the cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = [pool["num_threads"] for pool in _blas().info()]
    return max(1, min(cores or 1, max(found, default=cores or 1)))


class Pass:
    """One pass over the tiles of queries x references; the answers are `forward` and `backward`."""

    def __init__(
        self,
        queries: Rows,
        references: Rows,
        k: int,
        k_back: int,
        max_memory: int | None,
        progress: Progress | None,
        *,
        symmetric: bool = False,
        frame: Frame | None = None,
        plan: tuple[int, int] | None = None,
    ):
        """Prepare a pass; plan: threads and references at a time, instead of what fits best."""
        self.x, self.y = queries, references
        self.symmetric = symmetric
        self.k = k
        dimension = queries.shape[1]
        self.depth = k if len(queries) * k * dimension <= ALL_EXACT else min(k, 2)
        self.size, self.size_back = k + SPARE, k_back + SPARE
        self.rows, self.columns = tile_shape(dimension)
        self.threads, self.stripe = plan or self._plan(max_memory)
        self.progress = progress
        self.frame = frame or Frame.of(*((queries,) if symmetric else (queries, references)))
        self.keys = np.full((len(queries), self.size), EMPTY, np.int64)
        self.norms = np.empty(len(queries), np.float32), np.empty(len(references), np.float32)
        self.forward = np.empty((len(queries), k)), np.empty((len(queries), k), np.int64)
        back = 0 if symmetric else len(references)
        self.backward = np.empty((back, 1)), np.empty((back, 1), np.int64)
        self._known_classes: dict[int, Classes] = {}
        self._lock = Lock()
        self._done = 0
        stripes = range(0, len(references), self.stripe)
        ends = [min(at + self.stripe, len(references)) for at in stripes]
        self._steps = sum(-(-(end if symmetric else len(queries)) // self.rows) for end in ends)

    def _plan(self, max_memory: int | None) -> tuple[int, int]:
        """Return how many threads and how many references at a time fit into the memory."""
        limit = DEFAULT_MEMORY if max_memory is None else integer(max_memory, "max_memory", 1)
        dimension, queries = self.x.shape[1], len(self.x)
        each = per_thread(queries, dimension)
        for threads in range(thread_count(), 0, -1):
            column = per_reference(dimension, self.size_back, threads) * self.columns
            stripe = (limit - threads * each) // column
            if stripe >= (1 if threads == 1 else 4):
                return threads, int(stripe) * self.columns
        least = -(-least_memory(queries, dimension, self.size_back - SPARE) // 2**20)
        raise UsageError(
            f"max_memory of {limit} bytes is too small for rows of {dimension} values; "
            f"pass at least max_memory={least * 2**20} ({least} MiB)"
        )

    def run(self, stripes: Stripes | None = None) -> tuple[Table, Table]:
        """Fill in `forward` and `backward` and return them.

        stripes: as `_stripes` yields them, where others have met the rows. Each product runs in the
        thread that calls it.
        """
        with _blas().limit(limits=1):
            with closing(stripes or self._stripes()) as met:
                for start, stop, lists in met:
                    self._settle_stripe(start, stop, lists)
            self._each(range(0, len(self.x), self.rows), self._settle_forward)
        return self.forward, self.backward

    def lists(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the short lists of all queries and of all references, with nothing settled.

        Of a symmetric pass, those of the queries hold all, and there are none of references.
        """
        back = [np.empty((0, self.size_back), np.int64)]
        with _blas().limit(limits=1):
            for start, stop, lists in self._stripes():
                if self.symmetric:
                    self._settle_stripe(start, stop, lists)
                else:
                    back.append(lists)
        return self.keys, np.concatenate(back)

    def _stripes(self) -> Stripes:
        """Yield for each stripe of references its start, its stop and their lists.

        By then all queries have met them, and their own lists and the norms are up to date.
        """
        for start in range(0, len(self.y), self.stripe):
            stop = min(start + self.stripe, len(self.y))
            yield start, stop, self._pass_stripe(start, stop)

    def _each(self, items: range, work: Callable[[int, int], None]) -> None:
        """Call work(item, thread) on all items, ascending; the first failure stops them all."""
        threads = min(self.threads, len(items))
        if threads == 1:  # to start threads and to wait for them costs more than a small problem
            for item in items:
                work(item, 0)
            return
        waiting = deque(items)

        def worker(thread: int) -> None:
            while True:
                try:
                    item = waiting.popleft()
                except IndexError:
                    return
                work(item, thread)

        with ThreadPoolExecutor(threads) as pool:
            try:
                for future in [pool.submit(worker, thread) for thread in range(threads)]:
                    future.result()
            except BaseException:
                waiting.clear()
                raise

    def _prepare(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return the references start to stop as right sides of the product."""
        right = np.empty((stop - start, self.x.shape[1] + 2), np.float32)

        def prepare(at: int, thread: int) -> None:
            end = min(at + self.columns, stop)
            block, self.norms[1][at:end] = self.frame.right(self.y, slice(at, end))
            right[at - start : end - start] = block

        self._each(range(start, stop, self.columns), prepare)
        return right

    def _pass_stripe(self, start: int, stop: int) -> NDArray[np.int64]:
        """Meet all queries with the references start to stop; return the lists of the latter."""
        right = self._prepare(start, stop)
        lists = [
            [
                Shortlists(min(self.columns, stop - at), self.size_back)
                for at in range(start, stop, self.columns)
            ]
            for _ in range(self.threads)
        ]
        size = self.rows * self.columns
        tiles = [(np.empty(size, np.float32), np.empty(size, bool)) for _ in range(self.threads)]

        def block(at: int, thread: int) -> None:
            self._pass_block(at, start, right, lists[thread], *tiles[thread])

        self._each(range(0, stop if self.symmetric else len(self.x), self.rows), block)
        kept = [np.concatenate([part.keys() for part in of_thread]) for of_thread in lists]
        return smallest(np.concatenate(kept, axis=1), self.size_back)

    def _settle_stripe(self, start: int, stop: int, lists: NDArray[np.int64]) -> None:
        """Answer for the references start to stop, or add to their lists if they are queries."""
        if self.symmetric:
            both = np.concatenate([self.keys[start:stop], lists], axis=1)
            self.keys[start:stop] = smallest(both, self.size)
            return

        def settle_back(at: int, thread: int) -> None:
            part = lists[at - start : at - start + self.rows]
            self._settle(part, at, self.y, self.x, self.norms[::-1], self.backward, 1)

        self._each(range(start, stop, self.rows), settle_back)

    def _pass_block(
        self,
        at: int,
        start: int,
        right: NDArray[np.float32],
        columns: list[Shortlists],
        tile_memory: NDArray[np.float32],
        mask_memory: NDArray[np.bool_],
    ) -> None:
        """Meet the queries of one block with all prepared references, tile by tile."""
        end = min(at + self.rows, len(self.x))
        left, self.norms[0][at:end] = self.frame.left(self.x, slice(at, end))
        rows = Shortlists(end - at, self.size)
        rows.load(self.keys[at:end])
        for place in range(0, len(right), self.columns):
            if self.symmetric and start + place < at:
                continue
            part = right[place : place + self.columns]
            shape = len(left), len(part)
            tile = tile_memory[: shape[0] * shape[1]].reshape(shape)
            mask = mask_memory[: shape[0] * shape[1]].reshape(shape)
            np.matmul(left, part.T, out=tile)
            diagonal = self.symmetric and start + place < end
            if diagonal:
                inside = np.arange(len(part))
                tile[start + place - at + inside, inside] = np.inf
            rows.prime(tile, 1)
            offer_rows(rows, tile, mask, start + place)
            if not diagonal:  # there the rows have met each other already
                seen = columns[place // self.columns]
                seen.prime(tile, 0)
                offer_columns(seen, tile, mask, at)
        self.keys[at:end] = rows.keys()
        self._tell()

    def _tell(self) -> None:
        """Count one step as done."""
        if self.progress is not None:
            with self._lock:
                self._done += 1
                self.progress(self._done, self._steps)

    def _settle_forward(self, at: int, thread: int) -> None:
        end = min(at + self.rows, len(self.x))
        self._settle(self.keys[at:end], at, self.x, self.y, self.norms, self.forward, self.depth)

    def _settle(
        self,
        keys: NDArray[np.int64],
        at: int,
        x: Rows,
        y: Rows,
        norms: tuple[NDArray[np.float32], NDArray[np.float32]],
        out: Table,
        depth: int,
    ) -> None:
        """Write the answers for the rows of x from `at` on, which have these lists, into `out`."""
        queries = np.arange(at, at + len(keys))
        part = slice(at, at + len(keys))
        more = len(y) - self.symmetric > keys.shape[1]
        k = out[0].shape[1]
        table, crowded, reach = settle(keys, queries, x, y, self.frame, norms, k, depth, more)
        if len(crowded):
            found = search(
                x, queries[crowded], reach, y, self._classes(y), k + self.symmetric, self.frame
            )
            if self.symmetric:
                found = without(found, queries[crowded])
            table[0][crowded], table[1][crowded] = found
        out[0][part], out[1][part] = table

    def _classes(self, rows: Rows) -> Classes:
        with self._lock:
            if id(rows) not in self._known_classes:
                self._known_classes[id(rows)] = Classes(rows)
            return self._known_classes[id(rows)]


def least_memory(queries: int, dimension: int, k_back: int) -> int:
    """Return the smallest `max_memory` of a pass, in bytes."""
    columns = tile_shape(dimension)[1]
    one_column = per_reference(dimension, k_back + SPARE, 1) * columns
    return per_thread(queries, dimension) + one_column


def per_thread(queries: int, dimension: int) -> int:
    """Return the bytes that a thread works in."""
    rows, columns = tile_shape(dimension)
    return 4 * (dimension + 2) * min(rows, queries) + 5 * rows * columns + THREAD_MEMORY


def per_reference(dimension: int, size_back: int, threads: int) -> int:
    """Return the bytes that a reference takes while the queries pass by."""
    lists = threads * (3 * size_back + SLACK) + 3 * size_back
    return 4 * (dimension + 2) + 8 * lists


def tile_shape(dimension: int) -> tuple[int, int]:
    """Return rows and columns of a tile: 1024 x 512, fewer beyond 32,766 dimensions."""
    rows = 1024
    while rows > 32 and rows * (dimension + 2) > _BLOCK_VALUES:
        rows //= 2
    return rows, rows // 2


def offer_rows(
    rows: Shortlists, tile: NDArray[np.float32], mask: NDArray[np.bool_], first: int
) -> None:
    """Offer a tile's bounds to the lists of its rows; `first` is the number of its first column."""
    np.less(tile, rows.thresholds[:, None], out=mask)
    flat = np.flatnonzero(mask)
    at, place = _row_and_column(flat, tile.shape[1])
    place += first
    rows.offer(at, tile.ravel().take(flat), place)


def offer_columns(
    columns: Shortlists, tile: NDArray[np.float32], mask: NDArray[np.bool_], first: int
) -> None:
    """Offer a tile's bounds to the lists of its columns; `first` is the number of its first row."""
    np.less(tile, columns.thresholds, out=mask)
    flat = np.flatnonzero(mask)
    short = _row_and_column(flat, tile.shape[1])[1].astype(np.uint16)
    flat = flat[np.argsort(short, kind="stable")]  # short integers: a radix sort
    at, place = _row_and_column(flat, tile.shape[1])
    at += first
    columns.offer(place, tile.ravel().take(flat), at)


def _row_and_column(
    flat: NDArray[np.int64], width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return divmod(flat, width); by shifts for a power of two, which whole tiles have."""
    if width & (width - 1):
        return np.divmod(flat, width)
    return flat >> (width.bit_length() - 1), flat & (width - 1)


def without(table: Table, own: NDArray[np.int64]) -> Table:
    """Drop from each row its own index, or the last entry where it is not among them."""
    keep = table[1] != own[:, None]
    keep[keep.all(axis=1), -1] = False
    shape = len(own), table[1].shape[1] - 1
    return table[0][keep].reshape(shape), table[1][keep].reshape(shape)
