"""The random streams of an audit: one for each purpose, by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

# A stream's place here decides its draws: a new name goes to the end, and no name is taken out.
Purpose = Literal[
    "shuffle",
    "relabelling",
    "memorized_lower_bound",
    "membership",
    "exchangeability",
    "comparability",
    "planting",
    "delta",
    "metrics",
    "search",
    "reproduction",
    "order",
    "trace",
    "table_scores",
]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)


@dataclass(frozen=True)
class Streams:
    """Independent random generators, children of one SeedSequence; each is given out once.

    A second generator of one name would either repeat the draws of the first or, going on where
    that stopped, depend on who asked before: both are mistakes, so it is refused.

    >>> first, again = (Streams(0).take("delta").random() for _ in range(2))
    >>> first == again
    True
    """

    seed: int
    _taken: set[Purpose] = field(default_factory=set, repr=False)

    def take(self, purpose: Purpose) -> np.random.Generator:
        """Return the generator of a purpose; RuntimeError when it was taken before."""
        if purpose in self._taken:
            raise RuntimeError(f"the random stream {purpose!r} is taken; give each use a name")
        self._taken.add(purpose)
        child = np.random.SeedSequence(self.seed, spawn_key=(PURPOSES.index(purpose),))
        return np.random.default_rng(child)
