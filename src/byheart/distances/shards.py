"""The pass beyond one machine: shards of queries meet shards of references as Ray tasks.

A task makes the short lists of its two shards, as `tiles` does in one process; the driver merges
them and measures again what is reported (`recheck`). The answer is that of one process to the last
bit, for these reasons.

1. *Bounds.* A bound comes from a tile and from the `Frame`. The frame is made once, by the driver,
   from all rows. Shards begin at multiples of a tile's rows, so that every tile is the same matrix
   product wherever it runs, and the norms are summed in the same blocks.
2. *Lists.* A list is the smallest keys (bound, index) of a row. Keys are distinct, so the smallest
   of all are among the smallest of each shard; ties of bounds go to the lower index of all rows.
3. *Answers* are settled by the code of one process, from the same lists.

BLAS kernels for other processors round differently. Ranks measured in float64 do not see it; ranks
3 to k of large passes would, so workers whose kernel is not the driver's are refused there.

A shard of rows goes to the object store once, for all tasks that need it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from byheart._check import integer
from byheart.cluster import cpus, finished, ray_module
from byheart.distances.lower_bounds import Frame
from byheart.distances.recheck import Table
from byheart.distances.rows import Array, Rows
from byheart.distances.shortlists import EMPTY, smallest
from byheart.distances.tiles import (
    DEFAULT_MEMORY,
    SPARE,
    Pass,
    Progress,
    Stripes,
    per_reference,
    per_thread,
    thread_count,
    tile_shape,
)
from byheart.errors import UsageError
from byheart.threads import one_thread

Keys = NDArray[np.int64]
ATTEMPTS = 3  # of a task whose worker dies
_TASKS_PER_CORE = 4  # at least, if the rows allow it: the last task is then a short wait
_COLUMNS = 4  # blocks of references that a worker prepares at a time, or more


@dataclass(frozen=True)
class Terms:
    """What all tasks of a pass have in common; max_memory: of a task beside its rows and lists."""

    frame: Frame
    k: int
    k_back: int
    max_memory: int


class Met(NamedTuple):
    """What a task answers: the lists of both shards, with indices of all rows, and the norms."""

    keys: Keys
    back: Keys
    norms: tuple[NDArray[np.float32], NDArray[np.float32]]
    kernel: str


def meet(left: Array, right: Array | None, first: tuple[int, int], terms: Terms) -> Met:
    """Meet a shard of queries with one of references, or with itself if that is None.

    first: the numbers of their first rows among all rows.
    """
    with one_thread():
        tiles = Pass(
            left,
            left if right is None else right,
            terms.k,
            terms.k_back,
            terms.max_memory,
            None,
            symmetric=right is None,
            frame=terms.frame,
        )
        keys, back = tiles.lists()
    keys[keys != EMPTY] += first[1]
    back[back != EMPTY] += first[0]
    return Met(keys, back, tiles.norms, kernel())


def kernel() -> str:
    """Return what decides how numpy rounds a matrix product on this machine."""
    pools = ThreadpoolController().select(user_api="blas").info()
    own = [pool for pool in pools if "numpy" in pool["filepath"]] or pools
    names = {f"{p['internal_api']} {p['version']} {p.get('architecture', '')}" for p in own}
    return ", ".join([f"numpy {np.__version__}", *sorted(names)])


@final
class ShardedPass:
    """A pass whose stripes are met by a Ray cluster; the answers are those of its `tiles`.

    `max_memory` bounds this process, and each task with its rows. The cluster is one that was
    `joined` before.
    """

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
    ):
        self.ray = ray_module()
        self.cores = cpus(self.ray)
        self.x, self.y, self.symmetric = queries, references, symmetric
        self.progress = progress
        limit = DEFAULT_MEMORY if max_memory is None else integer(max_memory, "max_memory", 1)
        dimension = queries.shape[1]
        sizes = dimension, queries.dtype.itemsize, k, k_back
        blocks = self._blocks(limit, *sizes)
        self.stripe = blocks * tile_shape(dimension)[0]
        self.terms = k, k_back, limit - _held(blocks, *sizes)
        threads = min(thread_count(), max(1, limit // 2 // per_thread(len(queries), dimension)))
        self.tiles = Pass(
            queries,
            references,
            k,
            k_back,
            None,
            None,
            symmetric=symmetric,
            plan=(threads, self.stripe),
        )
        self._rows: dict[tuple[bool, int], Any] = {}  # (of the references, start): in the store

    def run(self) -> tuple[Table, Table]:
        """Return the answers of queries and of references, as `Pass.run` does."""
        return self.tiles.run(self._stripes())

    def _blocks(self, limit: int, dimension: int, itemsize: int, k: int, k_back: int) -> int:
        """Return how many blocks of a tile's rows make a shard: as many as fit."""
        sizes = dimension, itemsize, k, k_back
        rows, least = tile_shape(dimension)[0], task_memory(1, *sizes)
        if limit < least:
            mib = -(-least // 2**20)
            raise UsageError(
                f"max_memory of {limit} bytes is too small for shards of {rows} rows of "
                f"{dimension} values; pass at least max_memory={mib * 2**20} ({mib} MiB)"
            )
        blocks = 1
        while task_memory(blocks + 1, *sizes) <= limit and self._tasks((blocks + 1) * rows) >= (
            _TASKS_PER_CORE * self.cores
        ):
            blocks += 1
        return blocks

    def _tasks(self, shard: int) -> int:
        """Return the number of pairs of shards of so many rows."""
        ways = [-(-len(rows) // shard) for rows in (self.x, self.y)]
        return ways[0] * (ways[0] + 1) // 2 if self.symmetric else ways[0] * ways[1]

    def _starts(self, stop: int) -> range:
        return range(0, stop, self.stripe)

    def _partners(self, start: int) -> range:
        """Return the shards of queries that the references from `start` on have to meet."""
        return self._starts(start + 1 if self.symmetric else len(self.x))

    def _stripes(self) -> Stripes:
        """Yield the stripes in the order in which they are done."""
        ray = self.ray
        terms = ray.put(Terms(self.tiles.frame, *self.terms))
        remote = ray.remote(num_cpus=1, max_retries=0)(meet)

        def submit(shards: tuple[int, int], attempt: int) -> Any:
            q, r = shards
            own = self.symmetric and q == r
            right = None if own else self._stored(True, r)
            return remote.remote(self._stored(False, q), right, shards, terms)

        pairs = [(q, r) for r in self._starts(len(self.y)) for q in self._partners(r)]
        done = finished(
            ray,
            submit,
            pairs,
            at_once=2 * self.cores,  # the next ones get their rows
            attempts=ATTEMPTS,
            what="shards",
        )
        lists: dict[int, Keys] = {}
        left = {start: len(self._partners(start)) for start in self._starts(len(self.y))}
        try:
            for step, ((q, r), _, met, died) in enumerate(done, 1):
                if died is not None:
                    raise _lost(died) from None
                self._take(q, r, met, lists)
                del met
                left[r] -= 1
                if self.progress is not None:
                    self.progress(step, len(pairs))
                if not left[r]:
                    if not self.symmetric:
                        del self._rows[True, r]
                    yield r, min(r + self.stripe, len(self.y)), lists.pop(r)
        finally:
            done.close()
            self._rows.clear()

    def _stored(self, reference: bool, start: int) -> Any:
        """Return the shard of rows in the object store, where it is put once."""
        key = reference and not self.symmetric, start
        if key not in self._rows:
            rows = self.y if reference else self.x
            shard = np.asarray(rows[start : start + self.stripe])  # of a mapped file: plain rows
            self._rows[key] = self.ray.put(shard)
        return self._rows[key]

    def _take(self, q: int, r: int, met: Met, lists: dict[int, Keys]) -> None:
        """Merge what a task has found."""
        tiles = self.tiles
        if tiles.depth < tiles.k and met.kernel != kernel():
            raise UsageError(
                f"a Ray worker multiplies with {met.kernel}, this process with {kernel()}: the "
                "results would differ in the last bits; use equal machines and versions, or set "
                "OPENBLAS_CORETYPE=Haswell on all"
            )
        queries = slice(q, q + len(met.keys))
        tiles.keys[queries] = _merged(tiles.keys[queries], met.keys)
        tiles.norms[0][queries] = met.norms[0]
        tiles.norms[1][r : r + len(met.norms[1])] = met.norms[1]
        count = min(self.stripe, len(self.y) - r)
        known = lists.setdefault(r, np.full((count, tiles.size_back), EMPTY, np.int64))
        if len(met.back):
            lists[r] = _merged(known, met.back)


def task_memory(blocks: int, dimension: int, itemsize: int, k: int, k_back: int) -> int:
    """Return the bytes of a task on shards of `blocks` blocks of rows; of one, it is the least."""
    rows, columns = tile_shape(dimension)
    prepared = per_reference(dimension, k_back + SPARE, 1) * min(_COLUMNS * columns, blocks * rows)
    held = _held(blocks, dimension, itemsize, k, k_back)
    return held + per_thread(rows, dimension) + prepared


def _merged(known: Keys, more: Keys) -> Keys:
    return smallest(np.concatenate([known, more], axis=1), known.shape[1])


def _held(blocks: int, dimension: int, itemsize: int, k: int, k_back: int) -> int:
    """Bytes of two shards and of the lists that a task answers, which exist twice for a moment."""
    rows = blocks * tile_shape(dimension)[0]
    return rows * (2 * dimension * itemsize + 2 * 8 * (k + k_back + 2 * SPARE) + 8)


def _lost(error: BaseException) -> UsageError:
    return UsageError(
        f"a Ray worker died {ATTEMPTS} times at the same shard ({type(error).__name__}); "
        "pass a smaller max_memory, or give the nodes more"
    )
