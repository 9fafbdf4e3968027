"""An audit up to its scores, for tests of what comes after."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from byheart.auditing import family
from byheart.auditing.pool import Distances, Points, Pool
from byheart.auditing.scores import Scores
from byheart.auditing.search import ExactSearch
from byheart.auditing.substitution import Substitution
from byheart.auditing.verbatim import Values, VerbatimCount


@dataclass(frozen=True)
class Bench:
    """An audit up to its scores, for tests of what comes after."""

    pool: Pool
    search: ExactSearch
    values: Values

    @classmethod
    def of(cls, train, heldout, generated, seed=0, groups=None, k=32) -> Bench:
        pool = Pool.shuffled(train, heldout, groups, np.random.default_rng(seed))
        values = Values.of(train, heldout, generated)
        return cls(pool, ExactSearch.run(generated, pool.rows, k, 2**30), values)

    @property
    def distances(self) -> Distances:
        return self.search.distances

    @property
    def scores(self) -> Scores:
        return self.distances.scores

    @property
    def substitution(self) -> Substitution:
        return Substitution.of(self.distances.table, self.values.generated)

    @property
    def identity(self) -> VerbatimCount:
        return VerbatimCount("verbatim", self.values.marked[self.pool.order], self.pool.units.group)

    @property
    def points(self) -> Points:
        return Points.of(self.pool, self.scores)

    def p_value(self, relabellings: int, seed: int) -> float:
        rng = np.random.default_rng(seed)
        return family.run(
            self.pool, self.distances, relabellings, rng, identity=self.identity
        ).pooled.p_value
