"""The positive control: how few copied training points would this audit have found?

Draw a random relabelling (T', H') of the pooled real rows, add noisy copies of k points of T' to
the generated samples, and test T' against H' as the audit does. The share of repeats that reject
is the power at k copies; the smallest share of T found in 95% of repeats is the minimum detectable
one. Planting under random labels, not under the observed ones, keeps the sizes of both sets and
gives the planted points no help from a trace that may already be there.

Noise is isotropic; its expected length is a multiple of the median distance between nearest real
rows. Rows that are not planted keep their distances: each planted row only lowers the scores of
its near real rows and adds its own term to Delta.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from byheart.auditing.family import family, over_generated
from byheart.auditing.permutation import Units, pool_p_values
from byheart.auditing.result import Planted
from byheart.auditing.scores import Scores, localise, relative_scores
from byheart.auditing.statistics import Labels, Statistic
from byheart.distances.neighbours import Neighbours, two_way

Floats = NDArray[np.float64]
NOISES = (0.0, 0.25, 0.5, 1.0)
GATE_NOISE = 0.25
REPEATS = 40
RELABELLINGS = 199
REQUIRED_POWER = 0.95
POOL = 4000  # real rows that have a planted copy ready


@final
class Appended(Statistic):
    """A mean over generated rows after planted rows have joined them."""

    def __init__(self, planted: Statistic, share: float, unplanted: Floats) -> None:
        self.name = planted.name
        self.planted = planted
        self.share = share  # of the planted rows among all generated ones
        self.unplanted = unplanted  # (columns,) values of the statistic before

    def evaluate(self, labels: Labels) -> Floats:
        value = self.share * self.planted.evaluate(labels) + (1 - self.share) * self.unplanted
        return np.asarray(np.round(value, 9), dtype=np.float64)  # equal labellings tie exactly


@dataclass(frozen=True)
class Planting:
    """The arrays that every repeat shares."""

    real: NDArray[np.floating]  # (N, d)
    forward: Neighbours  # (m, k) nearest real rows of each generated row
    local_scale: Floats  # (N,) distance to the nearest other real row
    scores: Scores  # (N,) before planting
    bandwidths: tuple[float, ...]
    units: Units
    scale: float  # median distance between nearest real rows
    level: float


def planted(setting: Planting, rng: np.random.Generator) -> Planted:
    """Measure the power against planted copies at each noise, by search over the number k."""
    training_rows = int(setting.units.training[setting.units.group].sum())
    rows = rng.permutation(len(setting.real))[:POOL]
    grid = _grid(min(training_rows, len(rows) * training_rows // len(setting.real)) // 2)
    labels = _relabellings(setting.units, rng)
    priorities = [rng.permutation(len(rows)) for _ in range(REPEATS)]
    before = [
        statistic.evaluate(labels)
        for statistic in over_generated(setting.forward, setting.bandwidths, len(setting.real))
    ]
    powers, minima = [], []
    guess = int(np.searchsorted(grid, 12))
    for noise in NOISES:
        spread = noise * setting.scale / np.sqrt(setting.real.shape[1])
        copies = setting.real[rows] + spread * rng.normal(size=(len(rows), setting.real.shape[1]))
        near = two_way(
            np.ascontiguousarray(copies, dtype=setting.real.dtype),
            setting.real,
            setting.forward.distances.shape[1],
        ).forward
        trials = _Trials(setting, rows, near, labels, priorities, before)
        power, smallest = _search(trials, grid, guess)
        powers.append(power)
        minima.append(smallest)
        guess = guess if smallest is None else smallest
    tried = [j for j in range(len(grid)) if any(power[j] is not None for power in powers)]
    generated_rows = len(setting.forward.distances)
    return Planted(
        noise=NOISES,
        training_share=tuple(grid[j] / training_rows for j in tried),
        generated_share=tuple(grid[j] / (grid[j] + generated_rows) for j in tried),
        power=tuple(tuple(power[j] for j in tried) for power in powers),
        minimum_detectable_share=tuple(
            None if j is None else grid[j] / training_rows for j in minima
        ),
    )


def _grid(top: int) -> list[int]:
    """Numbers of copies to try: 3 to `top`, growing by about an eighth each."""
    grid = [3]
    while grid[-1] < top:
        grid.append(min(top, max(grid[-1] + 1, round(grid[-1] * 1.125))))
    return grid


def _relabellings(units: Units, rng: np.random.Generator) -> Labels:
    """Return the labels T' of each repeat, then the relabellings that all repeats share."""
    columns = np.tile(units.training, (REPEATS + RELABELLINGS, 1))
    return units.labels(rng.permuted(columns, axis=1).T)


@dataclass(frozen=True)
class _Trials:
    """Repeats at one noise: the planted rows are ready, only their number varies."""

    setting: Planting
    rows: NDArray[np.intp]  # (pool,) the real row that each planted row copies
    near: Neighbours  # (pool, k) nearest real rows of each planted row
    labels: Labels  # (N, repeats + relabellings)
    priorities: Sequence[NDArray[np.intp]]  # per repeat, the order in which the pool is used
    before: Sequence[Floats]

    def power(self, copies: int) -> float:
        """Return the share of repeats in which `copies` planted copies are found."""
        return float(np.mean([self._rejects(copies, r) for r in range(REPEATS)]))

    def _rejects(self, copies: int, repeat: int) -> bool:
        setting, rows = self.setting, len(self.setting.real)
        marked = self.labels[:, repeat]
        usable = self.priorities[repeat]
        chosen = usable[marked[self.rows[usable]] == 1][:copies]
        near = Neighbours(self.near.distances[chosen], self.near.indices[chosen])
        columns = np.r_[repeat, REPEATS : self.labels.shape[1]]
        labels = self.labels[:, columns]
        share = len(chosen) / (len(chosen) + len(setting.forward.distances))
        sums = [
            Appended(statistic, share, before[columns])
            for statistic, before in zip(
                over_generated(near, setting.bandwidths, rows), self.before, strict=True
            )
        ]
        groups = family(self._scores(near), int(marked.sum()), sums)
        values = [np.stack([s.evaluate(labels) for s in group.statistics]) for group in groups]
        return pool_p_values(groups, values).p_value <= setting.level

    def _scores(self, near: Neighbours) -> Scores:
        old = self.setting.scores
        distance = old.distance.copy()
        np.minimum.at(distance, near.indices.ravel(), near.distances.ravel())
        ratio, negative_margin = relative_scores(near, len(distance))
        return Scores(
            distance,
            localise(distance, self.setting.local_scale),
            np.minimum(old.ratio, ratio),
            np.minimum(old.negative_margin, negative_margin),
        )


def _search(
    trials: _Trials, grid: Sequence[int], guess: int
) -> tuple[list[float | None], int | None]:
    """Find the first grid position with the required power, by bisection from a guess.

    Power is taken to grow with the number of copies; positions that were not tried stay None.
    """
    power: list[float | None] = [None] * len(grid)

    def found(position: int) -> bool:
        power[position] = trials.power(grid[position])
        return power[position] >= REQUIRED_POWER  # type: ignore[operator]

    low, high = -1, len(grid)  # found nowhere up to low, found from high on
    position, step = min(guess, len(grid) - 1), 1
    while high - low > 1:
        if found(position):
            high = position
        else:
            low = position
        if low == -1:
            position = max(0, high - step)
        elif high == len(grid):
            position = min(len(grid) - 1, low + step)
        else:
            position = (low + high) // 2
        step *= 2
    return power, (high if high < len(grid) else None)
