"""Which statistics the audit's family holds, and how much weight each group has.

The weights were fixed in advance, by the power of each group on copied digits (python -m
benchmarks.calibration repeats it on other seeds): Berk–Jones on the distance and on the ratio find
few close copies, the margin with Savage scores finds many loose ones, and the rest keeps a small
share for traces of another kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from byheart.auditing.permutation import Group, Pooled, bytes_evaluate, evaluate, pool_p_values
from byheart.auditing.pool import Distances, Pool
from byheart.auditing.scores import Scores
from byheart.auditing.statistics import (
    TAIL_SHARES,
    BerkJones,
    LinearRank,
    NearestShare,
    NegativeDelta,
    Statistic,
    TailCount,
    area_weights,
    bytes_kernel,
    savage_weights,
)
from byheart.distances.kernels import BANDWIDTH_MULTIPLES
from byheart.distances.neighbours import Neighbours

CLOSE_WEIGHT, LOOSE_WEIGHT, OTHER_WEIGHT = 0.75, 0.20, 0.05


def over_generated(
    forward: Neighbours, bandwidths: tuple[float, ...], real_rows: int
) -> list[Statistic]:
    """Return the statistics that are means over generated rows.

    forward: (m, k) nearest of the `real_rows` real rows of each generated row.
    """
    statistics: list[Statistic] = [
        NegativeDelta(f"negative_delta_{multiple:g}", forward, bandwidth, real_rows)
        for multiple, bandwidth in zip(BANDWIDTH_MULTIPLES, bandwidths, strict=True)
    ]
    statistics.append(NearestShare("nearest_share", forward.indices[:, 0], real_rows))
    return statistics


def decisive(scores: Scores, marked: int) -> tuple[Group, Group]:
    """Return the two heavy groups over N real rows of which `marked` are training rows.

    scores: (N,) each, in shuffled order, which breaks every tie.
    """
    close: list[Statistic] = [
        BerkJones("berk_jones_distance", _order(scores.distance), marked),
        BerkJones("berk_jones_ratio", _order(scores.ratio), marked),
    ]
    loose: list[Statistic] = [
        LinearRank("savage_margin", savage_weights(_order(scores.negative_margin)))
    ]
    return Group(CLOSE_WEIGHT, close), Group(LOOSE_WEIGHT, loose)


def family(
    scores: Scores, marked: int, over_generated: Sequence[Statistic]
) -> tuple[Group, Group, Group]:
    """Return all groups of statistics; arguments as for `decisive`."""
    other: list[Statistic] = [
        *over_generated,
        BerkJones("berk_jones_local", _order(scores.local), marked),
    ]
    for name, score in (("distance", scores.distance), ("local", scores.local)):
        order = _order(score)
        other.append(LinearRank(f"membership_rank_{name}", area_weights(score)))
        other.extend(
            TailCount(f"membership_tail_{name}_{share:g}", order, share) for share in TAIL_SHARES
        )
    return *decisive(scores, marked), Group(OTHER_WEIGHT, other)


def _order(score: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.argsort(score, kind="stable")


@dataclass(frozen=True)
class FamilyTest:
    """The family's p-value with its statistics, and the p-value with the roles exchanged."""

    pooled: Pooled
    role_swap: float
    delta: NDArray[np.float64]  # (bandwidths, relabellings) Delta_KL of the random relabellings


def run(
    pool: Pool, distances: Distances, relabellings: int, rng: np.random.Generator
) -> FamilyTest:
    """Test the null hypothesis that the rows of T and H are exchangeable given G."""
    forward = distances.table.forward
    groups = family(
        distances.scores,
        int(pool.training.sum()),
        over_generated(forward, distances.bandwidths, len(pool.rows)),
    )
    observed, swapped = evaluate(groups, pool.units.relabellings(relabellings, rng))
    curve = [s.name.startswith("negative_delta_") for s in groups[-1].statistics]
    return FamilyTest(
        pool_p_values(groups, observed),
        pool_p_values(groups, swapped).p_value,
        -observed[-1][curve, 1:],  # column 0 is the observed labelling
    )


def bytes_run(real: int, generated: int, k: int, relabellings: int) -> int:
    """Return the bytes of kernels, orders and weights of the family, and of what is evaluated."""
    kernels = len(BANDWIDTH_MULTIPLES) * bytes_kernel(generated, k)
    return kernels + 160 * real + bytes_evaluate(real, relabellings)
