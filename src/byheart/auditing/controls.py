"""Controls that have to hold before a verdict is believed: independence, and duplicates.

Independence: whether the model reproduces held-out rows more often than training rows do, as it
would had it been trained on them. Duplicates: rows that stand in both sets. Whether T and H differ
stands in `drift`, whether the generated samples are on the data's scale in `comparability`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from byheart.auditing.copies import excess_p_value, reproduces
from byheart.auditing.pool import Sample
from byheart.auditing.result import Duplicates, Independence
from byheart.distances.rows import Rows, row_blocks

Floats = NDArray[np.float64]
SHOWN_DUPLICATES = 100


@dataclass(frozen=True)
class Reproduction:
    """How often generated rows and training rows reproduce rows of one set."""

    generated_share: float
    train_share: float
    p_value: float  # that generated rows do it no more often, by Fisher's exact test


def reproduction(
    sample: Sample, training: NDArray[np.bool_], target: NDArray[np.bool_]
) -> Reproduction:
    """Compare generated with training rows as reproducers of the `target` rows, (N,) bool.

    A fresh row of the law of T would reproduce another row as often as the rows of T do.
    training: (N,) True for training rows.
    """
    forward, among_real = sample.forward, sample.among_real
    by_generated = reproduces(forward) & target[forward.indices[:, 0]]
    by_train = (reproduces(among_real) & target[among_real.indices[:, 0]])[training[sample.real]]
    hits, chance = int(by_generated.sum()), int(by_train.sum())
    return Reproduction(
        hits / len(by_generated),
        chance / max(len(by_train), 1),  # a sample may hold no training row
        excess_p_value(hits, chance, len(by_generated), len(by_train)),
    )


def independence(sample: Sample, training: NDArray[np.bool_], level: float) -> Independence:
    """Compare how often generated rows and training rows reproduce a held-out row.

    Independence of the held-out set cannot be proved; this finds the model that was trained on it.
    """
    found = reproduction(sample, training, ~training)
    return Independence(
        found.generated_share, found.train_share, found.p_value, found.p_value > level
    )


def duplicates(train: Rows, heldout: Rows) -> Duplicates:
    """Find held-out rows that are equal to a training row, by exact comparison."""
    first: dict[bytes, int] = {}
    for i, key in enumerate(_digests(train)):
        first.setdefault(key, i)
    pairs = [
        (first[key], j)
        for j, key in enumerate(_digests(heldout))
        if key in first and np.array_equal(train[first[key]], heldout[j])
    ]
    return Duplicates(len(pairs), tuple(pairs[:SHOWN_DUPLICATES]))


def warnings(found: Duplicates) -> list[str]:
    """Return one line when there are duplicates, else nothing."""
    if not found.count:
        return []
    return [
        f"{found.count:,} held-out rows are equal to a training row; they are kept, which keeps "
        "the test exact, but a copy of them shows nothing"
    ]


def _digests(rows: Rows) -> Iterator[bytes]:
    for block in row_blocks(*rows.shape):
        for row in rows[block] + 0.0:  # adding zero turns -0.0 into 0.0
            yield hashlib.blake2b(row.tobytes(), digest_size=16).digest()


def bytes_duplicates(train: int) -> int:
    """Return the bytes of the digests of the training rows."""
    return 160 * train
