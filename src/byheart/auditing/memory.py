"""How much memory an audit needs, and how a limit is shared out.

What has to be in memory whatever the inputs is stated by each stage beside its code, in functions
`bytes_...`, and the least that a search works in by `..._memory`; here they are added up where they
stand together, and the largest is taken where they follow each other. Searches run faster with more
memory and give the same answers with little. Rows themselves are read in blocks from where they
lie; they are copied into memory only where the limit has room.

The terms are upper bounds counted from the arrays; `tests/auditing/test_memory.py` compares the sum
with what a process really takes.
"""

from __future__ import annotations

from dataclasses import dataclass

from byheart.auditing import approximate, comparability, controls, drift, family, planted, search
from byheart.auditing.pool import bytes_pool, bytes_tables
from byheart.auditing.statistics import bytes_tails
from byheart.auditing.table_scores import bytes_table_scores
from byheart.distances.index import list_count, working_memory
from byheart.distances.shards import task_memory
from byheart.distances.tiles import least_memory
from byheart.errors import UsageError

_PROCESS = 80 << 20  # the interpreter, its libraries, BLAS buffers, and what malloc keeps
_RAY = 96 << 20  # what the client of a cluster takes in the process


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
    columns: int = 0

    @property
    def real_rows(self) -> int:
        """N, rows of T and H."""
        return self.train_rows + self.heldout_rows

    def beside_searches(self) -> int:
        """Return the most that stands in memory beside the working memory of a search."""
        n, m, d, k = self.real_rows, self.generated_rows, self.dimension, self.k
        held, making, passes = 0, 0, search.bytes_search(n, m, k)
        if self.approximate:
            held, making = approximate.bytes_index(n, d, self.itemsize, k)
            passes = approximate.bytes_search(n, m, k)
        after = max(
            planted.bytes_planted(n, d, self.itemsize, k),
            comparability.bytes_comparability(n, m, d),
        )
        most = max(making, held + max(*passes, bytes_tables(n, m, k) + after))
        return self._always() + most

    def minimum(self) -> int:
        """Return the smallest limit under which the audit runs."""
        n, m, d, k = self.real_rows, self.generated_rows, self.dimension, self.k
        stages = max(
            family.bytes_run(n, m, k, self.permutations),
            drift.bytes_drift(n, d, self.permutations),
            controls.bytes_duplicates(self.train_rows),
            planted.bytes_trial(n),
            bytes_table_scores(n, m, self.columns),
        )
        least = least_memory(max(m, n), d, k)
        if self.approximate:
            least = max(least, working_memory(max(m, n), d, list_count(n)))
        if self.sharded:
            least = max(least, task_memory(1, d, self.itemsize, k, k))
        return max(self.beside_searches() + least, self._always() + bytes_tables(n, m, k) + stages)

    def _always(self) -> int:
        """Bytes of the process before it has computed anything, and of the pool."""
        pooled = bytes_pool(self.real_rows) + bytes_tails(self.real_rows)
        process = _PROCESS + drift.bytes_learner(self.real_rows)
        return process + self.held + _RAY * self.sharded + pooled


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
