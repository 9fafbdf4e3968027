"""The positive control: how few copied training points would this audit have found?

Draw a random relabelling (T', H') of the pooled real rows, let k distinct values of the generated
samples, with all their repeats, give way to noisy copies of k points of T' (`substitution`), and
test T' against H' as the audit does. The share of repeats that reject
is the power at k copies; the smallest share of T found in 95% of repeats is the minimum detectable
one. Planting under random labels, not under the observed ones, keeps the sizes of both sets and
gives the planted points no help from a trace that may already be there.

Noise is isotropic; its expected length is a multiple of the median distance between nearest real
rows. Samples of D distinct values cannot hold more than D copies: where that is too few, or no
number of copies is found often enough, there is no smallest share.

The family's third group takes no part. With weight w and B relabellings its weighted p-value is at
least 1/((B + 1) w); whenever that is at least level/CLOSE_WEIGHT, which B is chosen to ensure, a
rejection is decided by the two heavy groups alone (ties aside), so leaving it out changes nothing
but the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from byheart.auditing.family import CLOSE_WEIGHT, OTHER_WEIGHT, decisive
from byheart.auditing.heap import give_back
from byheart.auditing.permutation import Units, pool_p_values
from byheart.auditing.result import Planted
from byheart.auditing.scores import Scores, relative_scores
from byheart.auditing.search import Search
from byheart.auditing.statistics import Labels
from byheart.auditing.substitution import Substitution
from byheart.distances.neighbours import Neighbours, bytes_within
from byheart.distances.rows import Array, row_blocks
from byheart.distances.tiles import thread_count

Floats = NDArray[np.float64]
NOISES = (0.25, 0.5, 1.0)
GATE_NOISE = 0.25
REPEATS = 40
RELABELLINGS = 199
REQUIRED_POWER = 0.95
ALLOWED_MISSES = 2  # of 40
POOL = 2000  # real rows that have a planted copy ready
# Working memory of one repeat, per real row: half of the labels, ranked, in 8 and in 32 bits, and
# new scores with their orders.
_TRIAL_BYTES = 5 * RELABELLINGS // 2 + 160


def planted(
    search: Search,
    substitution: Substitution,
    units: Units,
    level: float,
    rng: np.random.Generator,
) -> Planted:
    """Measure the power against planted copies at each noise, by search over the number k.

    search, units: of the audit; substitution: of its generated values; level: of its test.
    """
    training_rows = int(units.training[units.group].sum())
    rows = rng.permutation(len(search.real))[:POOL]
    # The pool has to hold enough rows of T', also where chance gives it fewer than its share.
    ready = training_rows * len(rows) // len(search.real)
    values = substitution.values
    grid = [k for k in _grid(min(training_rows // 2, ready * 4 // 5)) if k <= values]
    observed = units.draw(REPEATS, rng)
    shared = units.draw(_relabellings(level), rng)
    priorities = [rng.permutation(len(rows)) for _ in range(REPEATS)]
    leaving = [rng.permutation(values) for _ in range(REPEATS)]
    directions = rng.bit_generator.state
    powers, minima = [], []
    guess = int(np.searchsorted(grid, 12))
    for noise in NOISES:
        rng.bit_generator.state = directions  # the same at each noise, and never all in memory
        near = _nearest(search, rows, noise, rng)
        trials = _Trials(
            search, substitution, level, rows, near, observed, shared, priorities, leaving
        )
        power, smallest = _search(trials, grid, guess)
        powers.append(power)
        minima.append(smallest)
        guess = guess if smallest is None else smallest
    tried = [j for j in range(len(grid)) if any(power[j] is not None for power in powers)]
    return Planted(
        noise=NOISES,
        training_share=tuple(grid[j] / training_rows for j in tried),
        generated_share=tuple(grid[j] / values for j in tried),
        power=tuple(tuple(power[j] for j in tried) for power in powers),
        minimum_detectable_share=tuple(
            None if j is None else grid[j] / training_rows for j in minima
        ),
    )


def _nearest(
    search: Search, rows: NDArray[np.intp], noise: float, rng: np.random.Generator
) -> Neighbours:
    """Return the nearest real rows of noisy copies of the real rows `rows`."""
    dimension = search.real.shape[1]
    spread = noise * search.distances.scale / np.sqrt(dimension)
    copies: Array = np.empty((len(rows), dimension), search.real.dtype)
    for block in row_blocks(*copies.shape):
        original = search.real[rows[block]]
        copies[block] = original + spread * rng.normal(size=original.shape)
    return search.nearest(copies, search.distances.table.forward.indices.shape[1])


def _grid(top: int) -> list[int]:
    """Numbers of copies to try: 3 to `top`, growing by about an eighth each."""
    grid = [3]
    while grid[-1] < top:
        grid.append(min(top, max(grid[-1] + 1, round(grid[-1] * 1.125))))
    return grid


def _relabellings(level: float) -> int:
    """Return B, small enough for the light group to decide nothing at this level."""
    return min(RELABELLINGS, int(CLOSE_WEIGHT / (OTHER_WEIGHT * level)) - 1)


@dataclass(frozen=True)
class _Trials:
    """Repeats at one noise: the planted rows are ready, only their number varies."""

    search: Search
    substitution: Substitution
    level: float
    rows: NDArray[np.intp]  # (pool,) the real row that each planted row copies
    near: Neighbours  # (pool, k) nearest real rows of each planted row
    observed: Labels  # (N, repeats) the labels T' of each repeat
    shared: Labels  # (N, B) relabellings for all repeats
    priorities: Sequence[NDArray[np.intp]]  # per repeat, the order in which the pool is used
    leaving: Sequence[NDArray[np.intp]]  # per repeat, the order in which generated values give way

    def power(self, copies: int) -> float:
        """Return the share of repeats in which `copies` planted copies are found.

        With more than the allowed misses the search knows enough and stops: after r misses in n
        repeats the unbiased estimate is then 1 − (r − 1)/(n − 1) (Haldane 1945).
        """
        each = _TRIAL_BYTES * len(self.shared)
        fitting = self.search.max_memory // each
        misses, together = 0, max(1, min(thread_count(), fitting))
        large = each > 1 << 22
        with ThreadPoolExecutor(together) as workers:
            for start in range(0, REPEATS, together):
                repeats = range(start, min(start + together, REPEATS))
                for done, found in enumerate(
                    workers.map(partial(self._rejects, copies), repeats), start + 1
                ):
                    misses += not found
                    if misses > ALLOWED_MISSES:
                        return 1 - ALLOWED_MISSES / (done - 1)
                if large:  # else it costs more than it gives
                    give_back()
        return 1 - misses / REPEATS

    def _rejects(self, copies: int, repeat: int) -> bool:
        marked = self.observed[:, repeat]
        usable = self.priorities[repeat]
        chosen = usable[marked[self.rows[usable]] == 1][:copies]
        near = Neighbours(self.near.distances[chosen], self.near.indices[chosen])
        removed = self.substitution.removed(self.leaving[repeat], copies)
        rest = self.substitution.without(self.search.distances.scores, removed)
        groups = decisive(_beside(rest, near), int(marked.sum()))
        values = [
            np.stack(
                [
                    np.concatenate([s.evaluate(marked[:, None]), s.evaluate(self.shared)])
                    for s in group.statistics
                ]
            )
            for group in groups
        ]
        return pool_p_values(groups, values).p_value <= self.level


def _beside(scores: Scores, near: Neighbours) -> Scores:
    """Return the scores with planted rows beside; near: their nearest real rows."""
    distance = scores.distance.copy()
    np.minimum.at(distance, near.indices.ravel(), near.distances.ravel())
    ratio, negative_margin = relative_scores(near, len(distance))
    return replace(  # the local scores stay behind: the heavy groups have none
        scores,
        distance=distance,
        ratio=np.minimum(scores.ratio, ratio),
        negative_margin=np.minimum(scores.negative_margin, negative_margin),
    )


def _search(
    trials: _Trials, grid: Sequence[int], guess: int
) -> tuple[list[float | None], int | None]:
    """Find the first grid position with the required power, by bisection from a guess.

    Power is taken to grow with the number of copies; positions that were not tried stay None.
    """
    power: list[float | None] = [None] * len(grid)

    def found(position: int) -> bool:
        power[position] = trials_power = trials.power(grid[position])
        return trials_power >= REQUIRED_POWER

    low, high = -1, len(grid)  # found nowhere up to low, found from high on
    position, step = max(0, min(guess, len(grid) - 1)), 1
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


def bytes_planted(real: int, dimension: int, itemsize: int, k: int) -> int:
    """Return the bytes of the labels of all repeats, and of planted rows with neighbours."""
    copies = min(POOL, real)
    return real * (REPEATS + RELABELLINGS) + copies * dimension * itemsize + bytes_within(copies, k)


def bytes_trial(real: int) -> int:
    """Return the bytes of one repeat with the labels of all."""
    return real * (REPEATS + RELABELLINGS + _TRIAL_BYTES)
