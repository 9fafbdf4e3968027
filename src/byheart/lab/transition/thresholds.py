"""A sweep over a parameter at one n: where copies vanish, where `generalizes` begins, at what cost.

Let v_1, …, v_K be the values tried, in the order in which they regularise more (`parameter`). The
audit of every run says `copies`, `traces`, `generalizes` or `inconclusive`; the first two are the
kinds of `memorizes`. Two thresholds are read off:

* *no named copies*: the first value at which at least half of the runs name no copy;
* *generalizes*: the first value at which at least half of the runs are found to generalize.

They differ: between them the samples lean on training points that no list can name. What a
threshold costs is the mean distance there minus the mean distance at v_1.

Runs are resampled by the Bayesian bootstrap (Rubin 1981). All values share the splits of the data
and the noise, run by run, so a run has one weight Exp(1) at all values: differences between values
are paired. Half a run for and half a run against join each share, as in `trials`. The threshold of
a resampled curve lies between its first value and the value before; an interval runs from the
level/2 quantile of the lower ends to the 1 − level/2 quantile of the upper ends, in that order of
values, open where it leaves them. A cost's interval is of the paired difference at the value found:
it does not cover the choice of that value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart import _check
from byheart.errors import InputError
from byheart.intervals import Estimate, Interval, wilson
from byheart.lab.sweeps.parameter import Parameter
from byheart.lab.sweeps.record import Outcome, Record
from byheart.lab.transition.result import FEW
from byheart.lab.transition.scales import quantiles
from byheart.plotting.graph import Graph, Series

Array = NDArray[np.float64]

WORDS = ("copies", "traces", "inconclusive", "generalizes")


@dataclass(frozen=True)
class ValuePoint:
    """What was measured at one value of the parameter.

    trials: without those that ended in an error, which are counted in `errors`. The four shares add
    up to 1. distance: mean; its interval is None with a single trial.
    """

    value: float
    trials: int
    errors: int
    copies: Estimate
    traces: Estimate
    inconclusive: Estimate
    generalizes: Estimate
    distance: float
    distance_interval: Interval | None


@dataclass(frozen=True)
class Threshold:
    """The first value, from weak to strong, at which at least half of the runs are as asked for.

    value: None if there is none. between: from the weaker to the stronger end, None where open.
    cost: mean distance at `value` minus that at the weakest value; its interval is None with a
    single run.
    """

    value: float | None
    between: tuple[float | None, float | None]
    cost: float | None
    cost_interval: Interval | None


@dataclass(frozen=True)
class ThresholdsResult:
    """Both thresholds of a parameter, and the curve, from weak to strong."""

    parameter: Parameter
    n: int
    no_copies: Threshold
    generalizes: Threshold
    curve: tuple[ValuePoint, ...]
    level: float
    seed: int
    repeats: int
    errors: int
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the result in JSON's own types, its "kind" first."""
        return {"kind": "thresholds", **asdict(self)}


def thresholds(
    records: Sequence[Record],
    parameter: Parameter,
    *,
    level: float = 0.05,
    seed: int = 0,
    repeats: int = 2000,
) -> ThresholdsResult:
    """Return where copies vanish and where `generalizes` begins over a swept parameter.

    records: of one plan with this parameter, in any order, from audits; those with an error are
    left out and counted. level: probability that an interval misses. repeats: of the bootstrap.
    Raises InputError for fewer than two values with outcomes, records without a value or a verdict,
    or a distance that is not finite; UsageError for an argument out of range. Source: derived
    above.

    >>> from byheart.lab.sweeps.parameter import parameter_of
    >>> kinds = {0.1: "copies", 1.0: "traces", 10.0: ""}
    >>> made = [Record(300, i, Outcome(not kind, 0.0, value,
    ...     {"verdict": "memorizes" if kind else "generalizes", "kind": kind}), value=value)
    ...     for value, kind in kinds.items() for i in range(20)]
    >>> found = thresholds(made, parameter_of("tikhonov", "constant"))
    >>> found.no_copies.value, found.generalizes.value, found.generalizes.between
    (1.0, 10.0, (1.0, 10.0))
    """
    level = _check.fraction(level, "level")
    repeats = _check.integer(repeats, "repeats", 100)
    rng = np.random.default_rng(_check.integer(seed, "seed", 0))
    runs = _Runs.of(records, stronger_is_higher=parameter.stronger == "higher")
    weights = rng.standard_exponential((repeats, runs.distances.shape[1]))
    halves = rng.standard_gamma(0.5, (2, repeats))
    means = np.stack([_weighted(weights, row) for row in runs.distances], axis=1)
    reached = {
        name: _threshold(runs, good, weights, halves, means, level)
        for name, good in (
            ("no_copies", np.where(runs.words == "copies", 0.0, 1.0)),
            ("generalizes", np.where(runs.words == "generalizes", 1.0, 0.0)),
        )
    }
    points = tuple(_point(runs, j, means[:, j], level) for j in range(len(runs.values)))
    return ThresholdsResult(
        parameter=parameter,
        n=records[0].n,
        no_copies=reached["no_copies"],
        generalizes=reached["generalizes"],
        curve=points,
        level=level,
        seed=seed,
        repeats=repeats,
        errors=sum(record.outcome is None for record in records),
        warnings=_warnings(points, runs.lost),
    )


@dataclass(frozen=True)
class _Runs:
    """Runs by value and repeat, values from weak to strong; nan and "" where there is none."""

    values: tuple[float, ...]
    words: NDArray[np.str_]  # (K, R)
    distances: Array  # (K, R)
    errors: tuple[int, ...]
    lost: tuple[float, ...]  # values at which every run ended in an error

    @staticmethod
    def of(records: Sequence[Record], *, stronger_is_higher: bool) -> _Runs:
        tried = {record.value for record in records if record.value is not None}
        if any(record.value is None for record in records):
            raise InputError(
                "records: of a plan without a swept parameter; use transition(records)"
            )
        done = {(r.value or 0.0, r.repeat): r.outcome for r in records if r.outcome}
        values = sorted({value for value, _ in done}, reverse=not stronger_is_higher)
        if len(values) < 2:
            raise InputError(
                "records: thresholds need outcomes at two or more values, there are "
                f"{len(values)}; sweep more values"
            )
        runs = sorted({repeat for _, repeat in done})
        words = np.array([[_word(done.get((v, run))) for run in runs] for v in values])
        distances = np.array(
            [
                [o.distance if (o := done.get((v, run))) else math.nan for run in runs]
                for v in values
            ]
        )
        if not np.isfinite(distances[words != ""]).all():
            raise InputError("records: a distance is not finite")
        errors = tuple(sum(r.value == v and r.outcome is None for r in records) for v in values)
        return _Runs(tuple(values), words, distances, errors, tuple(sorted(tried - set(values))))


def _word(outcome: Outcome | None) -> str:
    if outcome is None:
        return ""
    word = str(outcome.figures.get("kind") or outcome.figures.get("verdict"))
    if word not in WORDS:
        raise InputError(
            f"records: {word!r} is no verdict of an audit; sweep with "
            'distance.definition = "matched"'
        )
    return word


def _weighted(weights: Array, values: Array) -> Array:
    """Return the weighted means, (repeats,), of the runs that there are."""
    there = np.isfinite(values)
    total: Array = weights[:, there] @ values[there] / weights[:, there].sum(axis=1)
    return total


def graphs(result: ThresholdsResult, what: str, distance: str) -> tuple[Graph, Graph]:
    """Return the shares of runs by verdict, and the distance, over the parameter.

    what: the model, for the titles. distance: what it is, for its axis.
    """
    points = sorted(result.curve, key=lambda point: point.value)
    x = tuple(point.value for point in points)
    shares = {word: [getattr(point, word) for point in points] for word in WORDS}
    axis, log = result.parameter.axis, x[0] > 0
    more = "right" if result.parameter.stronger == "higher" else "left"
    ends = [point.distance_interval for point in points]
    intervals = tuple(end for end in ends if end is not None)
    return (
        Graph(
            f"{what}: what audits say",
            f"Further {more} regularises more. Copies and traces are memorization; only "
            "generalizes clears a model.",
            axis,
            f"share of runs, n = {result.n}",
            tuple(
                Series(
                    word,
                    x,
                    tuple(share.value for share in found),
                    tuple(share.interval for share in found),
                )
                for word, found in shares.items()
            ),
            log_x=log,
        ),
        Graph(
            f"{what}: what it costs",
            f"Lower is better; 0 is the law of the data. Further {more} regularises more.",
            axis,
            distance,
            (
                Series(
                    "distance",
                    x,
                    tuple(point.distance for point in points),
                    intervals if len(intervals) == len(points) else None,
                ),
            ),
            log_x=log,
            log_y=all(point.distance > 0 for point in points),
        ),
    )


def _threshold(
    runs: _Runs, good: Array, weights: Array, halves: Array, means: Array, level: float
) -> Threshold:
    """Return the first value at which at least half of the runs are good, (K, R)."""
    there = runs.words != ""
    shares = np.array([row[at].mean() for row, at in zip(good, there, strict=True)])
    resampled = np.stack(
        [
            (weights[:, at] @ row[at] + halves[0])
            / (weights[:, at].sum(axis=1) + halves.sum(axis=0))
            for row, at in zip(good, there, strict=True)
        ],
        axis=1,
    )
    after = np.concatenate([resampled >= 0.5, np.ones((len(resampled), 1), dtype=bool)], axis=1)
    first = after.argmax(axis=1).astype(np.float64)  # K: nowhere
    low, high = quantiles(first - 1, first, level)
    ends: list[float | None] = [None, *runs.values, None]
    between = (ends[int(low) + 1], ends[int(high) + 1])
    if not (shares >= 0.5).any():
        return Threshold(None, between, None, None)
    at = int((shares >= 0.5).argmax())
    gaps = runs.distances[at] - runs.distances[0]
    paired = np.isfinite(gaps)
    if not paired.any():
        return Threshold(runs.values[at], between, None, None)
    draws = _weighted(weights, gaps)
    interval = quantiles(draws, draws, level) if paired.sum() > 1 else None
    return Threshold(runs.values[at], between, float(gaps[paired].mean()), interval)


def _point(runs: _Runs, j: int, means: Array, level: float) -> ValuePoint:
    words = runs.words[j][runs.words[j] != ""]
    counts = {word: int((words == word).sum()) for word in WORDS}
    shares = {
        word: Estimate(hits / len(words), wilson(hits, len(words), level))
        for word, hits in counts.items()
    }
    distances = runs.distances[j][np.isfinite(runs.distances[j])]
    return ValuePoint(
        value=float(runs.values[j]),
        trials=len(words),
        errors=runs.errors[j],
        **shares,
        distance=float(distances.mean()),
        distance_interval=quantiles(means, means, level) if len(words) > 1 else None,
    )


def _warnings(points: tuple[ValuePoint, ...], lost: tuple[float, ...]) -> tuple[str, ...]:
    notes = []
    failed = [f"{p.value:g}" for p in points if p.errors]
    if failed:
        notes.append(f"trials at {', '.join(failed)} ended in an error and are left out")
    if lost:
        at = ", ".join(f"{value:g}" for value in lost)
        notes.append(f"every trial at {at} ended in an error: left out")
    few = [f"{p.value:g}" for p in points if p.trials < FEW]
    if few:
        notes.append(f"fewer than {FEW} trials at {', '.join(few)}: intervals there are rough")
    return tuple(notes)
