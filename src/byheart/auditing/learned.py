"""A learned score: how much a real row looks like a generated one, to a classifier.

Gradient-boosted trees learn generated rows from real ones. Where a generator gives the rows of T
more weight than the law of the data, the trees do too, on combinations of columns that no distance
over all columns sees. Each real row is scored by trees that were fitted without it:

    score_i = −log odds of "generated" at i, from a fit on G and the other folds of T ∪ H

The fit knows G and the pooled rows, not which of them are T: relabelling T and H leaves every score
as it is, and so all that is exact for distances is exact for it. A score that had seen the labels
would be large for T under the null; `tests/auditing/test_learned.py` exchanges rows to show that
this one does not.

Rows that are too many for the fit are thinned in the order of the pool, which is shuffled, and at
random among the generated ones. Each fit runs on one thread, whatever the machine has, since
threads would change the order of sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart.distances.rows import Rows, row_blocks
from byheart.distances.tiles import thread_count
from byheart.samples import Span, columns_of

Floats = NDArray[np.float64]
FOLDS, LEAVES, ROUNDS = 5, 63, 120
# In fewer rows the trees learned less than distances show (docs/explanation/field.md).
FEWEST_REAL, FEWEST_GENERATED = 1_000, 500
CELLS = 1 << 20  # of either kind in one fit
_TOGETHER = 2  # fits at a time
_COPIES = 6  # of what a fit is given that stand in memory with it: encoded, cast, binned, ordered
_LIBRARY = 96 << 20  # scikit-learn, once it is loaded


def applies(real: int, generated: int) -> bool:
    """Return whether there are rows enough to learn from."""
    return real >= FEWEST_REAL and generated >= FEWEST_GENERATED


def learned_score(
    generated: Rows, real: Rows, spans: Sequence[Span], rng: np.random.Generator
) -> Floats:
    """Return the score of each real row, (N,); small means suspicious.

    generated, real: (m, d) and (N, d) encoded rows, the real ones shuffled; spans: the table's
    columns in them.

    >>> rng = np.random.default_rng(0)
    >>> made, real = rng.normal(size=(2, 500, 1))
    >>> made[:] = 9
    >>> real[:9] = 9
    >>> score = learned_score(made, real, [Span(0, 1, False)], rng)
    >>> bool(score[:9].max() < np.quantile(score[9:], 0.01))
    True
    """
    most = max(1, CELLS // len(spans))
    chosen = np.sort(rng.permutation(len(generated))[:most])
    made = columns_of(generated, spans, chosen)
    folds = np.arange(len(real)) % FOLDS
    state = int(rng.integers(2**31))
    scores = np.empty(len(real))

    def fold(number: int) -> None:
        others = np.flatnonzero(folds != number)[:most]
        model = _fitted(made, columns_of(real, spans, others), spans, state)
        own = np.flatnonzero(folds == number)
        for block in row_blocks(len(own), real.shape[1]):
            scores[own[block]] = -_log_odds(model, columns_of(real, spans, own[block]))

    with ThreadPoolExecutor(min(_TOGETHER, thread_count())) as workers:
        list(workers.map(fold, range(FOLDS)))
    return scores


def _one_thread() -> Any:
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="openmp")  # of the thread that asks


def _fitted(made: Floats, real: Floats, spans: Sequence[Span], state: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_leaf_nodes=LEAVES,
        max_iter=ROUNDS,
        early_stopping=False,
        categorical_features=[span.category for span in spans],
        random_state=state,
    )
    is_made = np.concatenate([np.ones(len(made), np.int8), np.zeros(len(real), np.int8)])
    with _one_thread():
        return model.fit(np.concatenate([made, real]), is_made)


def _log_odds(model: Any, columns: Floats) -> Floats:
    with _one_thread():
        return np.asarray(model.decision_function(columns))


def bytes_learned(real: int, generated: int, columns: int) -> int:
    """Return the bytes of the fits that stand in memory together, and of the library."""
    fit = sum(min(8 * CELLS, 8 * columns * rows) for rows in (real, generated))
    return _LIBRARY + _TOGETHER * _COPIES * fit + 16 * real
