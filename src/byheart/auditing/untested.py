"""What can be listed without a held-out set: generated rows equal to a training row, closest pairs.

That a generated row equals a training row is a fact, whoever made it. Whether it is memorized, or
what any model of these data would give, cannot be said: held-out rows would show how near chance
alone comes. So nothing here has a p-value, and nothing is named.
"""

from __future__ import annotations

import numpy as np

from byheart.auditing import copying, planted
from byheart.auditing.permutation import Units
from byheart.auditing.pool import Pool
from byheart.auditing.result import Untested
from byheart.auditing.search import Search
from byheart.auditing.sets import Sets

CLOSEST = 100  # pairs that are listed, whether equal or not


def find(search: Search, sets: Sets) -> Untested:
    """Return the lists of an audit whose real rows are the training rows, in their own order."""
    rows, distances = len(search.real), search.distances
    everyone = np.ones(rows, bool)
    pool = Pool(search.real, np.arange(rows), Units(np.arange(rows), everyone), everyone)
    names = sets.train.row_name, sets.generated.row_name
    nearest = copying.Nearest.of(distances.table.forward, everyone)
    equal = np.where(nearest.distance == 0, nearest.row, -1)
    first = np.argsort(nearest.distance, kind="stable")[:CLOSEST]
    near = np.full(len(nearest.row), -1)
    near[first] = nearest.row[first]
    found = copying.copying_rows(equal, nearest.distance, pool, None, names)
    return Untested(
        rows=found,
        closest=copying.copying_rows(near, nearest.distance, pool, None, names),
        training_rows=copying.training_rows(
            found, (), distances, pool, names[0], planted.GATE_NOISE * distances.scale
        ),
    )
