"""From the records of a sweep to the two scales of the memorization-generalization transition.

n_mem is the n at which P(Delta > 0) over training runs crosses its threshold, n_gen the n at which
E dist(rho, rho_G) begins its monotone fall (arXiv 2411.17807); the paper's claim is that they
align. `trials` says how trials are resampled, `scales` what an interval covers, `alignment` when
the scales are said to align, `extrapolation` how far one may look beyond the largest n tried.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from byheart import _check, pages
from byheart.intervals import Interval, number, wilson
from byheart.lab.sweeps.record import Record
from byheart.lab.transition.alignment import Alignment, word
from byheart.lab.transition.change_point import fall_p_value, falling_p_value, peak
from byheart.lab.transition.extrapolation import Extrapolation, extrapolate
from byheart.lab.transition.phase_curve import PhaseCurve, phase_curve
from byheart.lab.transition.scales import (
    Scale,
    memory_brackets,
    memory_scale,
    quality_brackets,
    quality_scale,
    quantiles,
    ratio,
)
from byheart.lab.transition.trials import Resampled, Trials

FEW = 10  # trials at one n below which its intervals are rough


@dataclass(frozen=True)
class CurvePoint:
    """What was measured at one n.

    trials: without those that ended in an error, which are counted in `errors`. p_positive: the
    share with Delta > 0, with Wilson's interval. distance: mean, inf if any trial's is; its
    interval is None with a single trial.
    """

    n: int
    trials: int
    errors: int
    p_positive: float
    p_interval: Interval
    distance: float
    distance_interval: Interval | None


@dataclass(frozen=True)
class TransitionResult:
    """The two scales of a transition, their ratio, and whether they align.

    n_mem: for P(Delta > 0) = 1/2, n_mem_95: for 0.95. extrapolation: of n_mem when it lies beyond
    the largest n tried, else None. reason: of `aligned`, in one sentence. phases: shares of
    memorized, spurious and generalized samples over n, None where the records do not have them.
    """

    n_mem: Scale
    n_mem_95: Scale
    n_gen: Scale
    ratio: Scale
    aligned: Alignment
    reason: str
    curve: tuple[CurvePoint, ...]
    extrapolation: Extrapolation | None
    level: float
    seed: int
    repeats: int
    errors: int
    warnings: tuple[str, ...] = ()
    phases: PhaseCurve | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the result in JSON's own types, "kind" first: infinite is "inf", none is None."""
        plain: dict[str, Any] = {"kind": "transition", **_plain(asdict(self))}
        for name in ("n_mem", "n_mem_95", "n_gen", "ratio"):
            plain[name]["censored"] = getattr(self, name).censored
        if self.phases is not None:
            plain["phases"]["peak"]["censored"] = self.phases.peak.censored
        return plain

    def _repr_html_(self) -> str:
        return str(pages.call("TransitionResult._repr_html_", self))


def transition(
    records: Sequence[Record], *, level: float = 0.05, seed: int = 0, repeats: int = 2000
) -> TransitionResult:
    """Return the scales n_mem and n_gen of a trials, their ratio, and whether they align.

    records: of one plan, in any order, at two or more n; those with an error are left out and
    counted. level: probability that an interval misses. repeats: of the bootstrap.
    Raises InputError for fewer than two sizes or a distance that is not a number, UsageError for
    an argument out of range. Source: arXiv 2411.17807 for the scales; the rest derived above.

    >>> from byheart.lab.sweeps.record import Outcome
    >>> made = [Record(n, i, Outcome(i < 20 * (n > 30), 0.0, 100 / n + i / 20))
    ...     for n in (10, 20, 40, 80) for i in range(20)]
    >>> found = transition(made)
    >>> found.n_mem.interval, found.n_gen.censored
    ((20.0, 40.0), 'at or below 10')
    """
    level = _check.fraction(level, "level")
    repeats = _check.integer(repeats, "repeats", 100)
    trials = Trials.of(records)
    draws = Resampled.of(trials, repeats, np.random.default_rng(_check.integer(seed, "seed", 0)))
    fall = fall_p_value(trials.distances) <= level
    halves, falls = (
        memory_brackets(trials, draws, 0.5),
        quality_brackets(trials, draws, fall, level),
    )
    memory = memory_scale(trials, halves, 0.5, level)
    memory_95 = memory_scale(trials, memory_brackets(trials, draws, 0.95), 0.95, level)
    quality = quality_scale(trials, falls, fall, level)
    quotient = ratio(memory, quality, (halves, falls), level)
    aligned, reason = word(trials, draws, (memory, quality, quotient), fall, level)
    return TransitionResult(
        n_mem=memory,
        n_mem_95=memory_95,
        n_gen=quality,
        ratio=quotient,
        aligned=aligned,
        reason=reason,
        curve=_curve(trials, draws, level),
        extrapolation=_beyond(trials, memory, level),
        level=level,
        seed=seed,
        repeats=repeats,
        errors=sum(trials.errors) + trials.lost_trials,
        warnings=_warnings(trials, level),
        phases=phase_curve(records, level=level, seed=seed, repeats=repeats),
    )


def _beyond(trials: Trials, memory: Scale, level: float) -> Extrapolation | None:
    if memory.bound is None or math.isfinite(memory.bound[1]):
        return None
    positives = trials.shares * trials.counts
    return extrapolate(trials.sizes, positives, trials.counts, level)


def _curve(trials: Trials, draws: Resampled, level: float) -> tuple[CurvePoint, ...]:
    points = []
    for j, n in enumerate(trials.sizes):
        count, hits = len(trials.positives[j]), int(trials.positives[j].sum())
        means = draws.means[:, j]
        points.append(
            CurvePoint(
                n=int(n),
                trials=count,
                errors=trials.errors[j],
                p_positive=hits / count,
                p_interval=wilson(hits, count, level),
                distance=float(trials.means[j]),
                distance_interval=quantiles(means, means, level) if count > 1 else None,
            )
        )
    return tuple(points)


def _warnings(trials: Trials, level: float) -> tuple[str, ...]:
    notes = []
    failed = sum(trials.errors)
    if failed:
        at = _listed(n for n, count in zip(trials.sizes, trials.errors, strict=True) if count)
        notes.append(
            f"{failed:,} of {failed + int(trials.counts.sum()):,} trials ended in an error and are "
            f"left out (n = {at}); if it is no accident which ones fail, the figures are biased"
        )
    if trials.lost:
        notes.append(f"every trial at n = {_listed(trials.lost)} ended in an error: left out")
    few = trials.sizes[trials.counts < FEW]
    if len(few):
        notes.append(f"fewer than {FEW} trials at n = {_listed(few)}: intervals there are rough")
    if fall_p_value(trials.positives) <= level:
        notes.append(
            "P(Delta > 0) falls again towards the largest n, so n_mem is not its only crossing; "
            "is the fresh set much larger than the largest n?"
        )
    notes += _distance_warnings(trials, level)
    return tuple(notes)


def _distance_warnings(trials: Trials, level: float) -> list[str]:
    notes, pairs = [], len(trials.sizes) - 1
    at = peak(trials.means, trials.counts)
    for j in range(pairs):
        left, right = trials.distances[j : j + 2]
        ends = (left, right) if j < at else (-left, -right)
        if pairs * falling_p_value(ends) <= level:
            notes.append(
                f"the distance is not single-peaked: it {'falls' if j < at else 'rises'} from "
                f"n = {number(trials.sizes[j])} to {number(trials.sizes[j + 1])}"
            )
    for n, distance in zip(trials.sizes, trials.distances, strict=True):
        infinite = int(np.isinf(distance).sum())
        if 0 < infinite < len(distance):
            notes.append(
                f"{infinite} of {len(distance)} trials at n = {number(n)} have an infinite "
                f"distance, which makes the mean infinite"
            )
        elif not infinite and len(distance) >= FEW and distance.max() > distance.sum() / 2 > 0:
            notes.append(
                f"the mean distance at n = {number(n)} rests on one trial: the expectation may be "
                f"infinite there"
            )
    return notes


def _listed(sizes: Iterable[float]) -> str:
    return ", ".join(number(n) for n in sizes)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return "inf" if value == math.inf else value
