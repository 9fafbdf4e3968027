"""Isolation, computed before any training, against what an audit of the trained model then finds.

Isolation (`measures.isolation`) orders the training points by how alone they stand. Whether that
is the order in which a model memorizes them is read in three ways, each an area under a curve:

* *named*: does isolation tell the training points that the audit names from the others? The audit
  names by the distance to the nearest sample, and in a dense region some sample is near every
  point, seen or not. So this reading is biased towards crowded points, against isolation.
* *reproduced*: the same for the points that a sample lies three times nearer to than any other real
  point does (the audit's second ground for naming). An isolated point has a longer distance to fall
  below: biased towards isolated points.
* *thirds*: the membership attack's area (how often a training point is nearer to the samples than a
  held-out one) within each third of T and H together by their isolation among T and H. Inside a
  third both kinds are equally isolated, and isolation does not look at labels, so that 1/2 is
  chance in every third for a model that owes nothing to its training points. This reading has no
  such bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart import intervals
from byheart.auditing.copies import REPRODUCED_RATIO
from byheart.auditing.membership import area_under_curve
from byheart.auditing.protocol import audit
from byheart.distances.neighbours import two_way, within
from byheart.lab.measures.isolation import isolation

Array = NDArray[np.float64]

THIRDS = ("crowded", "middle", "isolated")


@dataclass(frozen=True)
class Area:
    """An area under a curve of two sets of points, None where one is empty, with its interval.

    points: how many are in the set that is to be told apart.
    """

    value: float | None
    interval: intervals.Interval | None
    points: int

    @classmethod
    def of(cls, positive: Array, negative: Array, level: float = 0.05) -> Area:
        """Return the share of pairs in which the positive value is the larger, ties half.

        >>> Area.of(np.array([3.0, 4.0]), np.array([1.0, 2.0, 3.0])).value
        0.9166666666666666
        """
        if not len(positive) or not len(negative):
            return cls(None, None, len(positive))
        value = 1 - area_under_curve(positive, negative)
        interval = intervals.auc(value, len(positive), len(negative), level)
        return cls(value, interval, len(positive))


@dataclass(frozen=True)
class CoverageScore:
    """How well isolation foretells what is memorized; above 1/2: the isolated points.

    verdict, kind: of the audit. named, reproduced: areas of isolation for those points. thirds:
    areas of the membership attack, from the crowded third to the isolated one.
    """

    verdict: str
    kind: str
    named: Area
    reproduced: Area
    thirds: tuple[Area, Area, Area]


def coverage_score(
    train: Any, heldout: Any, generated: Any, *, seed: int = 0, level: float = 0.05
) -> CoverageScore:
    """Audit a model and compare with the isolation of its training points.

    train (n, d), heldout (h, d), generated (m, d), float64. level: the intervals' chance to miss.
    Raises InputError and UsageError as `byheart.audit` and `isolation` do.

    >>> rng = np.random.default_rng(0)
    >>> data = rng.normal(size=(300, 4))
    >>> generated = np.concatenate([data[:40] + 0.01, rng.normal(size=(160, 4))])
    >>> coverage_score(data[:150], data[150:], generated).named.points >= 20
    True
    """
    train, heldout, generated = (
        np.asarray(x, dtype=np.float64) for x in (train, heldout, generated)
    )
    result = audit(train, heldout, generated, seed=seed)
    pairs = () if result.copies is None else result.copies.pairs
    named = np.zeros(len(train), dtype=bool)
    named[[pair.train_index for pair in pairs]] = True
    real = np.concatenate([train, heldout])
    training = np.arange(len(real)) < len(train)
    reach = two_way(generated, real, 1).backward.distances[:, 0]
    alone = within(real, 1).distances[:, 0]
    levels = isolation(train).levels
    reproduced = (reach <= REPRODUCED_RATIO * alone)[training]
    pooled = isolation(real).order[::-1]  # the crowded first; a third each, ties by position
    thirds = []
    for part in np.array_split(pooled, 3):
        inside = training[part]
        thirds.append(Area.of(-reach[part][inside], -reach[part][~inside], level))
    return CoverageScore(
        verdict=result.verdict,
        kind=result.kind or "",
        named=Area.of(levels[named], levels[~named], level),
        reproduced=Area.of(levels[reproduced], levels[~reproduced], level),
        thirds=(thirds[0], thirds[1], thirds[2]),
    )
