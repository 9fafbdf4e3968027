"""The trials of a sweep by training size, and how they are resampled.

Trials are resampled within each size n by the Bayesian bootstrap (Rubin 1981). Each trial has a
weight Exp(1), common to the sign of Delta and to the distance, so that what goes together stays
together. Half a positive and half a negative pseudo-trial, of weights Gamma(1/2), join the signs:
the resampled share of k positives in t trials is then Beta(k + 1/2, t − k + 1/2), Jeffreys' law,
which does not collapse where all trials agree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from byheart.errors import InputError
from byheart.lab.sweeps.record import Record

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Trials:
    """The trials by size, sizes rising; only sizes with an outcome."""

    sizes: Array  # (K,)
    counts: Array  # (K,), of trials
    positives: tuple[Array, ...]  # of each size, 0 or 1 for each trial
    distances: tuple[Array, ...]
    errors: tuple[int, ...]
    lost: tuple[int, ...]  # sizes at which every trial ended in an error
    lost_trials: int

    @staticmethod
    def of(records: Sequence[Record]) -> Trials:
        """Sort `records` by size; raises InputError as `transition` does."""
        groups: dict[int, list[Record]] = {}
        for record in records:
            groups.setdefault(record.n, []).append(record)
        good = {
            n: [(r.outcome.positive, r.outcome.distance) for r in groups[n] if r.outcome]
            for n in sorted(groups)
        }
        kept = [n for n, outcomes in good.items() if outcomes]
        lost = tuple(n for n, outcomes in good.items() if not outcomes)
        if len(kept) < 2:
            raise InputError(
                f"records: a transition needs outcomes at two or more sizes n, there are "
                f"{len(kept)} (sizes that only ended in errors: {len(lost)}); sweep more sizes"
            )
        for n in kept:
            if n < 1 or any(math.isnan(distance) for _, distance in good[n]):
                raise InputError(f"records: n = {n} has a distance that is nan, or n is below 1")
        return Trials(
            sizes=np.array(kept, dtype=np.float64),
            counts=np.array([len(good[n]) for n in kept], dtype=np.float64),
            positives=tuple(np.array([p for p, _ in good[n]], dtype=np.float64) for n in kept),
            distances=tuple(np.array([x for _, x in good[n]], dtype=np.float64) for n in kept),
            errors=tuple(len(groups[n]) - len(good[n]) for n in kept),
            lost=lost,
            lost_trials=sum(len(groups[n]) for n in lost),
        )

    @property
    def shares(self) -> Array:
        """P(Delta > 0) at each size, (K,)."""
        return np.array([positive.mean() for positive in self.positives])

    @property
    def means(self) -> Array:
        """Mean distance at each size, (K,)."""
        return np.array([distance.mean() for distance in self.distances])


@dataclass(frozen=True)
class Resampled:
    """Resampled curves: P(Delta > 0) and mean distance, each (repeats, K)."""

    p: Array
    means: Array

    @staticmethod
    def of(trials: Trials, repeats: int, rng: np.random.Generator) -> Resampled:
        """Resample `trials` within each size."""
        p, means = [], []
        for positive, distance in zip(trials.positives, trials.distances, strict=True):
            weights = rng.standard_exponential((repeats, len(positive)))
            for_, against = rng.standard_gamma(0.5, (2, repeats))
            total = weights.sum(axis=1)
            p.append((weights @ positive + for_) / (total + for_ + against))
            means.append(
                weights @ distance / total
                if np.isfinite(distance).all()
                else np.full(repeats, math.inf)
            )
        return Resampled(np.column_stack(p), np.column_stack(means))
