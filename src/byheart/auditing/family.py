"""Which statistics the audit's family holds, and how much weight each group has.

The weights were fixed in advance, by the power of each group on copied digits (python -m
benchmarks.calibration repeats it on other seeds): Berk–Jones on the distance and on the ratio find
few close copies, the margin with Savage scores finds many loose ones, and the rest keeps a small
share for traces of another kind. Rows of tables and images have further scores, each with a group
and a weight of its own; where there are none, the other groups share the level as if they had never
been. Their weights were chosen on the first five generators of Adult, SmokeBan and HMDA
(docs/explanation/field.md).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

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
from byheart.auditing.verbatim import VerbatimCount
from byheart.distances.kernels import BANDWIDTH_MULTIPLES
from byheart.distances.neighbours import Neighbours

Floats = NDArray[np.float64]
CLOSE_WEIGHT, LOOSE_WEIGHT, OTHER_WEIGHT = 0.75, 0.20, 0.05
# Of the groups of further scores, by name: those of tables, and those of images.
FURTHER_WEIGHTS = {"learned": 1.0, "cells": 0.3, "matches": 0.2, "moved": 0.2, "parts": 0.2}
FURTHER_TAILS = (0.01, 0.1)
REFINED = 0.02  # within reach of every group among 1,000 labellings
CELLS = 1 << 29  # labels of refined p-values: real rows times relabellings


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
    scores: Scores,
    marked: int,
    over_generated: Sequence[Statistic],
    identity: Sequence[Statistic] = (),
) -> tuple[Group, Group, Group]:
    """Return all groups of statistics; arguments as for `decisive`.

    identity: statistics of verbatim rows, which join those of close copies.
    """
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
    close, loose = decisive(scores, marked)
    close = Group(close.weight, [*close.statistics, *identity])
    return close, loose, Group(OTHER_WEIGHT, other)


def scored(name: str, score: Floats, marked: int) -> Group:
    """Return the group of one further score, (N,), small meaning suspicious.

    Whole and ends of the ranking: few rows that stand out, or a slight shift of all of them.
    """
    order = _order(score)
    statistics: list[Statistic] = [
        LinearRank(f"membership_rank_{name}", area_weights(score)),
        LinearRank(f"savage_{name}", savage_weights(order)),
        BerkJones(f"berk_jones_{name}", order, marked),
        *(TailCount(f"membership_tail_{name}_{s:g}", order, s) for s in FURTHER_TAILS),
    ]
    return Group(FURTHER_WEIGHTS[name], statistics)


def active_level(level: float, idle: Collection[str]) -> float:
    """Return at what level the distances alone reject only what the whole family rejects too.

    idle: names of further scores that stay as they are when copies are planted. With the smallest
    weighted p-value v of the distances, these have a p-value of at least CLOSE_WEIGHT v; other
    groups add at most their weights times v to it.

    >>> active_level(0.05, [])
    0.05
    """
    active = CLOSE_WEIGHT / (CLOSE_WEIGHT + sum(FURTHER_WEIGHTS[name] for name in idle))
    return level * active


def _order(score: Floats) -> NDArray[np.intp]:
    return np.argsort(score, kind="stable")


@dataclass(frozen=True)
class FamilyTest:
    """The family's p-value with its statistics, and the p-value with the roles exchanged.

    relabellings: how many the p-value counts.
    """

    pooled: Pooled
    role_swap: float
    relabellings: int
    delta: NDArray[np.float64]  # (bandwidths, relabellings) Delta_KL of the random relabellings


def run(
    pool: Pool,
    distances: Distances,
    relabellings: int,
    rng: np.random.Generator,
    further: Mapping[str, Floats] | None = None,
    identity: VerbatimCount | None = None,
) -> FamilyTest:
    """Test the null hypothesis that the rows of T and H are exchangeable given G.

    further: scores beside the distances by their names in `FURTHER_WEIGHTS`, (N,) each. identity:
    of verbatim rows; where there are none it says nothing under any label and is left out.

    With further groups the smallest p-value within reach of a group grows, so a p-value of at most
    `REFINED` is taken again over ten times as many relabellings, without the statistics that take a
    pass over all generated rows; these keep the p-values that they have. That is exact too: what is
    reported is at most a ≤ `REFINED` only if the second p-value is, which is exact, and at most a
    greater a only if the first is.
    """
    forward, marked = distances.table.forward, int(pool.training.sum())
    over = over_generated(forward, distances.bandwidths, len(pool.rows))
    equal = [identity] if identity is not None and len(identity.rows) else []
    groups = [
        *family(distances.scores, marked, over, equal),
        *(scored(name, score, marked) for name, score in (further or {}).items()),
    ]
    observed, swapped = evaluate(groups, pool.units.relabellings(relabellings, rng))
    pooled = pool_p_values(groups, observed)
    role_swap = pool_p_values(groups, swapped).p_value
    # The curve stands in the third group; column 0 is the observed labelling.
    curve = [isinstance(s, NegativeDelta) for s in groups[2].statistics]
    delta = -observed[2][curve, 1:]
    count = refined(relabellings, len(pool.rows))
    if not further or pooled.p_value > REFINED or count == relabellings:
        return FamilyTest(pooled, role_swap, relabellings, delta)
    light = [
        Group(g.weight, [s for s in g.statistics if not isinstance(s, NegativeDelta)])
        for g in groups
    ]
    more, _ = evaluate(light, pool.units.relabellings(count - relabellings, rng))
    values = [
        np.hstack([table[[s in kept.statistics for s in group.statistics]], added[:, 1:]])
        for group, kept, table, added in zip(groups, light, observed, more, strict=True)
    ]
    again = pool_p_values(light, values)
    tests = {t.name: replace(t, p_adjusted=max(t.p_adjusted, again.p_value)) for t in pooled.tests}
    tests |= {t.name: t for t in again.tests}
    return FamilyTest(Pooled(again.p_value, tuple(tests.values())), role_swap, count, delta)


def refined(relabellings: int, real: int) -> int:
    """Return how many relabellings a small p-value is taken over, as many as `CELLS` allows.

    >>> refined(999, 2000), refined(999, 10**6)
    (9999, 999)
    """
    return max(relabellings, min(10 * relabellings + 9, CELLS // real - 1))


def bytes_run(real: int, generated: int, k: int, relabellings: int) -> int:
    """Return the bytes of kernels, orders and weights of the family, and of what is evaluated."""
    kernels = len(BANDWIDTH_MULTIPLES) * bytes_kernel(generated, k)
    weights = (160 + 32 * len(FURTHER_WEIGHTS)) * real
    return kernels + weights + bytes_evaluate(real, refined(relabellings, real))
