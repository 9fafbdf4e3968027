"""How much memory an audit needs, and how a limit is shared out.

What has to be in memory whatever the inputs: the interpreter with its libraries, the neighbour
tables (k distances and indices of each generated and each real row) with the short lists they are
made from, a kernel row per generated row and bandwidth, scores and orders of the real rows, blocks
of labels, the values of B relabellings, and the planted copies. The rest is working memory of the
searches, which run faster with more of it and give the same answers with little. Rows themselves
are read in blocks from where they lie; they are copied into memory only where the limit has room.

The terms are upper bounds counted from the arrays, each in bytes; `tests/auditing/test_memory.py`
compares the sum with what a process really takes.
"""

from __future__ import annotations

from dataclasses import dataclass

from byheart.auditing import planted
from byheart.auditing.approximate import SAMPLED
from byheart.auditing.controls import COMPARED, PROJECTIONS
from byheart.auditing.permutation import BLOCK_CELLS
from byheart.distances.index import index_memory, list_count, working_memory
from byheart.distances.kernels import BANDWIDTH_MULTIPLES
from byheart.distances.shards import task_memory
from byheart.distances.tiles import least_memory
from byheart.errors import UsageError

_PROCESS = 80 << 20  # the interpreter, its libraries, BLAS buffers, and what malloc keeps
_RAY = 96 << 20  # what the client of a cluster takes in the process
_STATISTICS = 32  # in the family, roundly
_POOLED = 32 + 110  # per real row: order, group, label; the tails kept by `log_upper_tail`


@dataclass(frozen=True)
class Audit:
    """The sizes of an audit that decide its memory.

    itemsize: bytes of a value of the encoded rows. held: bytes of inputs that are in memory already
    because they cannot be mapped. sharded: the neighbour pass runs on a cluster, whose tasks have
    the memory of a search too. approximate: neighbours are found in an index of the real rows.
    """

    train_rows: int
    heldout_rows: int
    generated_rows: int
    dimension: int
    itemsize: int
    k: int
    permutations: int
    held: int = 0
    sharded: bool = False
    approximate: bool = False

    @property
    def real_rows(self) -> int:
        """N, rows of T and H."""
        return self.train_rows + self.heldout_rows

    def beside_searches(self) -> int:
        """Return the most that stands in memory beside the working memory of a search."""
        n, m, k = self.real_rows, self.generated_rows, self.k
        table, lists, ties = 16 * k, 8 * (k + 8) + 8, 64
        pooled = _POOLED * n
        forward = m * (table + lists + ties) + n * (24 + ties)
        among = m * table + 16 * n + n * (table + lists + ties)
        copies = min(planted.POOL, n)
        planting = (
            self._tables()
            + n * (planted.REPEATS + planted.RELABELLINGS)
            + copies * (self.dimension * self.itemsize + table + lists + ties)
        )
        compared = self._tables() + 4 * 8 * min(COMPARED[0], m) * self.dimension
        indexed, making = index_memory(n, self.dimension) if self.approximate else (0, 0)
        if self.approximate:  # short lists of real rows, and the lists of the generated ones
            forward += 80 * n + 24 * m
            among += 80 * n
            # The sample: rows searched again, their exact tables, and where those lie.
            indexed += 2 * SAMPLED * (5 * table + lists + ties + 2 * self.dimension * self.itemsize)
        most = max(making, indexed + max(forward, among, planting, compared))
        return self._process() + pooled + most

    def minimum(self) -> int:
        """Return the smallest limit under which the audit runs."""
        n, m, k = self.real_rows, self.generated_rows, self.k
        cells = min(250 * n, max(BLOCK_CELLS, 16 * n))
        values = _STATISTICS * (self.permutations + 1) * 64
        kernels = 4 * m * k * len(BANDWIDTH_MULTIPLES)  # shares; the table holds the indices
        relabelling = kernels + n * 160 + cells * 24 + values
        projecting = n * (min(self.dimension, PROJECTIONS) * 24 + 60) + cells * 24 + values
        counting = 160 * self.train_rows  # digests of the training rows
        trial = n * (planted.REPEATS + planted.RELABELLINGS + planted.TRIAL_BYTES)
        others = self._tables() + max(relabelling, projecting, counting, trial)
        least = least_memory(max(m, n), self.dimension, k)
        if self.approximate:
            least = max(least, working_memory(max(m, n), self.dimension, list_count(n)))
        if self.sharded:
            least = max(least, task_memory(1, self.dimension, self.itemsize, k, k))
        return max(self.beside_searches() + least, self._process() + _POOLED * n + others)

    def _process(self) -> int:
        """Bytes of the process before it has read or computed anything."""
        return _PROCESS + self.held + _RAY * self.sharded

    def _tables(self) -> int:
        """Bytes of the neighbour tables and the scores."""
        return 16 * self.k * (self.real_rows + self.generated_rows) + 48 * self.real_rows


@dataclass(frozen=True)
class Budget:
    """A limit shared out: bytes for the working memory of a search, and for copies of rows."""

    search: int
    spare: int

    @classmethod
    def of(cls, limit: int, audit: Audit) -> Budget:
        """Share `limit` bytes out; UsageError if they are too few, naming a limit that does.

        >>> Budget.of(2**28, Audit(4000, 4000, 4000, 100, 4, 32, 999)).spare > 0
        True
        """
        least = audit.minimum()
        if limit < least:
            held = (
                f" ({_mib(audit.held)} for what .npy files of float32 would leave on disk)"
                if audit.held
                else ""
            )
            raise UsageError(
                f"max_memory of {limit // 2**20} MiB is too small for {audit.real_rows:,} real and "
                f"{audit.generated_rows:,} generated rows of {audit.dimension:,} values, which "
                f"need {_mib(least)}{held}; pass --max-memory {_mib(least).replace(' ', '')}"
            )
        free = limit - audit.beside_searches()
        spare = (limit - least) // 2
        return cls(free - spare, spare)


def _mib(size: int) -> str:
    return f"{-(-size // 2**20):d} MiB"
