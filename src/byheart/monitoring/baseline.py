"""All that stays the same while a model trains, measured once, and one look at its samples.

The real rows T ∪ H are encoded, pooled, shuffled and measured against each other once; the
relabellings are drawn once and kept as bits. A look then costs the distances from the generated
rows to T ∪ H and to H, and the statistics. The family is the audit's, at one bandwidth of Delta
in place of five, since kernel sums under all relabellings would be most of the cost.

The lower bound on memorized points is that of `auditing.copies`, on a coarser grid of deletions
and with critical values that are drawn once per run. It holds at each look with probability
1 − level, not for all looks together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from byheart import intervals
from byheart.auditing import controls, copies, drift, family
from byheart.auditing.delta import kl_contributions
from byheart.auditing.drift import Drift
from byheart.auditing.groups import Grouping
from byheart.auditing.membership import area_under_curve
from byheart.auditing.permutation import pool_columns
from byheart.auditing.pool import Distances, Points, Pool
from byheart.auditing.statistics import Labels, NearestShare, NegativeDelta, Statistic
from byheart.distances.kernels import bandwidth_ladder
from byheart.distances.neighbours import Neighbours, two_way, within
from byheart.intervals import Interval
from byheart.monitoring.quality import Judge, Quality

Floats = NDArray[np.float64]
Rows = NDArray[np.floating]

NEIGHBOURS = 32
DELTA_MULTIPLE = 0.5  # of the median nearest distance among real rows
_NULL_DRAWS = 999
_BLOCK = 250  # columns of labels that are unpacked at a time


@dataclass(frozen=True)
class Look:
    """What one set of generated rows shows."""

    columns: Floats  # (B + 1,) pooled p of each labelling, the observed one first
    auc: float
    auc_interval: Interval
    delta_kl: float
    delta_interval: Interval
    memorized_lower_bound: int
    named: int
    reproduced_train: int
    reproduced_heldout: int
    train_points: int
    copies: bool  # points named, or reproduced beyond chance
    quality: Quality


class LowerBound:
    """The bound on memorized points, with critical values drawn once, each when first needed."""

    def __init__(self, points: int, rows: int, level: float, seed: np.random.SeedSequence) -> None:
        self.points, self.rows, self.level, self.seed = points, rows, level, seed
        self._critical: dict[int, float] = {}

    def critical(self, deleted: int) -> float:
        """Return the value that Berk–Jones has to exceed once `deleted` points are taken out."""
        if deleted not in self._critical:
            # The k-th stream is a function of k alone: a resumed run draws the same.
            stream = np.random.SeedSequence(
                self.seed.entropy, spawn_key=(*self.seed.spawn_key, deleted)
            )
            rows, count = self.rows - deleted, self.points - deleted
            allowed = math.floor(self.level * (_NULL_DRAWS + 1) + 1e-9) - 1
            value = math.inf
            if allowed >= 0 and rows >= 2 and 0 < count < rows:
                null = copies.berk_jones_null(
                    rows, count, np.random.default_rng(stream), _NULL_DRAWS
                )
                value = float(np.sort(null)[::-1][allowed])
            self._critical[deleted] = value
        return self._critical[deleted]

    def of(self, scores: tuple[Floats, ...], training: NDArray[np.bool_]) -> int:
        """Return the bound for scores, each (N,) and small for suspicious; level shared equally."""
        ranked = [training[np.argsort(score, kind="stable")] for score in scores]
        bound, deleted = 0, 0
        while deleted < self.points:
            kept = (np.delete(m, np.flatnonzero(m)[:deleted]) for m in ranked)
            critical = self.critical(deleted)
            if not any(copies.berk_jones_value(rest) > critical for rest in kept):
                break
            bound = deleted + 1
            deleted += max(1, deleted // 10)
        return bound


@dataclass
class Baseline:
    """The real side of every look: pool, relabellings, distances among real rows, judge."""

    pool: Pool
    among_real: Neighbours
    scale: float
    judge: Judge
    bound: LowerBound
    exchangeable: Drift
    duplicates: int
    level: float
    fdr: float
    max_memory: int
    _packed: list[tuple[NDArray[np.uint8], int]] = field(repr=False)

    @classmethod
    def measure(
        cls,
        train: Rows,
        heldout: Rows,
        grouping: Grouping,
        *,
        seed: int,
        level: float,
        fdr: float,
        permutations: int,
        max_memory: int,
    ) -> Baseline:
        """Pool and measure encoded rows (n, d) and (h, d); `seed` decides every draw."""
        shuffle, relabel, control, bound, judge = np.random.SeedSequence(seed).spawn(5)
        pool = Pool.shuffled(train, heldout, grouping.rows, np.random.default_rng(shuffle))
        among_real = within(pool.rows, NEIGHBOURS, max_memory=max_memory)
        nearest = among_real.distances[:, 0]
        apart = nearest[nearest > 0]
        scale = float(np.median(nearest)) or (float(np.median(apart)) if len(apart) else 1.0)
        blocks = pool.units.relabellings(permutations, np.random.default_rng(relabel), _BLOCK)
        units = pool.units.training
        return cls(
            pool=pool,
            among_real=among_real,
            scale=scale,
            judge=Judge.of(heldout, np.random.default_rng(judge)),
            # Half of the level for each of the two scores.
            bound=LowerBound(int(units.sum()), len(units), level / 2, bound),
            exchangeable=drift.drift(
                pool.rows,
                among_real,
                pool.units,
                min(permutations, 999),
                level / 5,
                np.random.default_rng(control),
            ),
            duplicates=controls.duplicates(train, heldout).count,
            level=level,
            fdr=fdr,
            max_memory=max_memory,
            _packed=[(np.packbits(block, axis=1), block.shape[1]) for block in blocks],
        )

    @property
    def points(self) -> tuple[int, int]:
        """How many training and held-out points there are: rows, or groups of rows."""
        training = self.pool.units.training
        return int(training.sum()), int((~training).sum())

    def labels(self) -> Iterator[Labels]:
        """Yield the observed labels and all relabellings, (N, columns) blocks of 0 and 1."""
        for packed, count in self._packed:
            yield np.unpackbits(packed, axis=1, count=count)

    def look(self, generated: Rows) -> Look:
        """Measure encoded generated rows, (m, d), of the dtype of the real rows."""
        pool = self.pool
        table = two_way(generated, pool.rows, NEIGHBOURS, max_memory=self.max_memory)
        distances = Distances(table, self.among_real, self.scale, bandwidth_ladder(self.scale))
        points = Points.of(pool, distances.scores)
        bandwidth = DELTA_MULTIPLE * self.scale
        over: list[Statistic] = [
            NegativeDelta("negative_delta", table.forward, bandwidth, len(pool.rows)),
            NearestShare("nearest_share", table.forward.indices[:, 0], len(pool.rows)),
        ]
        groups = family.family(distances.scores, int(pool.training.sum()), over)
        blocks = [
            [np.stack([s.evaluate(labels) for s in group.statistics]) for group in groups]
            for labels in self.labels()
        ]
        values = [np.concatenate(parts, axis=1) for parts in zip(*blocks, strict=True)]
        inside, outside = points.train_distance, points.heldout_distance
        auc = area_under_curve(inside, outside)
        terms = kl_contributions(table.forward, pool.training, bandwidth)
        half = float(-ndtri(self.level / 2)) * float(terms.std()) / math.sqrt(len(terms))
        delta = float(terms.mean())
        q_values = copies.benjamini_hochberg(copies.conformal_p_values(inside, outside))
        reproduced = points.scores.ratio <= copies.REPRODUCED_RATIO
        hits = (
            int(reproduced[points.training].sum()),
            int(reproduced[~points.training].sum()),
        )
        named = int((q_values <= self.fdr).sum())
        excess = copies.excess_p_value(*hits, len(inside), len(outside))
        return Look(
            columns=pool_columns(groups, values),
            auc=auc,
            auc_interval=intervals.auc(auc, len(inside), len(outside), self.level),
            delta_kl=delta,
            delta_interval=(delta - half, delta + half),
            memorized_lower_bound=self.bound.of(
                (points.scores.distance, points.scores.ratio), points.training
            ),
            named=named,
            reproduced_train=hits[0],
            reproduced_heldout=hits[1],
            train_points=len(inside),
            copies=bool(named or (hits[0] and excess <= self.level)),
            quality=self.judge.of_samples(generated),
        )
