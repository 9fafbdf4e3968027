"""The scores that a table's rows have beside distances: learned, of cells, of matches.

Each was fixed before any label was seen, in the sense of `learned` and `cells`; the family holds a
group for each (`family.FURTHER_WEIGHTS`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from byheart.auditing.cells import bytes_cells, cells_score, coded, matches_score
from byheart.auditing.learned import applies, bytes_learned, learned_score
from byheart.distances.rows import Rows
from byheart.samples import Span, columns_of


def table_scores(
    generated: Rows, real: Rows, spans: Sequence[Span], rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """Return the scores of N shuffled real rows by name, (N,) each, small meaning suspicious.

    generated, real: (m, d) and (N, d) encoded rows; spans: the table's columns in them, none where
    the rows are no table's. A score that is the same for all rows says nothing and is left out.
    """
    if not spans:
        return {}
    columns, trees = rng.spawn(2)
    made, kept = coded(columns_of(generated, spans), columns_of(real, spans))
    scores = {"cells": cells_score(made, kept, columns), "matches": matches_score(made, kept)}
    del made, kept
    if applies(len(real), len(generated)):
        scores["learned"] = learned_score(generated, real, spans, trees)
    return {name: score for name, score in scores.items() if score.min() < score.max()}


def bytes_table_scores(real: int, generated: int, columns: int) -> int:
    """Return the most bytes that the scores of a table of so many columns take."""
    if not columns:
        return 0
    learned = bytes_learned(real, generated, columns) if applies(real, generated) else 0
    return 24 * real + max(bytes_cells(real, generated, columns), learned)
