"""How many rows does the linear model need? A forecast from the second moments of the data.

The spectrum of the data (`lab/theory/spectrum.py`) goes into the multi-step linear model
(`lab/theory/linear_model.py`), which gives both divergences and the held-out log loss over n.

*Noise floor.* The best floor c for the rows at hand is the one of the estimated spectrum. Real data
are often not Gaussian in their smallest directions, where that optimum sits. So the floors of a
ladder from it upwards are tested, and the forecast is made at the smallest that passes.

*Honesty test.* From a random half of the rows predict the held-out log loss of the linear model
trained on nine tenths; measure it by ten-fold cross-fitting of all rows; compare.

*Intervals.* From random halves of the rows, drawn without replacement, not from resampling with
replacement: repeated rows change the spectrum itself (El Karoui and Purdom 2018). An estimate from
half of n rows spreads about the one from all with variance s^2 (2/n - 1/n), which is the variance
s^2/n of the estimate from all about the truth (half-sampling, Efron 1982, chapter 8). Prediction
from a half minus measurement on all has that spread too, so one set of halves serves both.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from byheart import _check
from byheart.errors import InputError, UsageError
from byheart.intervals import Estimate, Interval
from byheart.lab.theory.linear_model import MultiStepLinear
from byheart.lab.theory.spectrum import population_spectrum, sample_eigenvalues

Floats = NDArray[np.float64]

MINIMUM_ROWS = 20
_HALVES = 50
_FOLDS = 10
_Z = 1.96  # intervals are 95%
_LADDER = math.sqrt(10)
_SMALLEST = 1e-12  # share of the largest eigenvalue
_FURTHEST = 1e4  # the curve ends at this many times the rows; no more are ever advised


@dataclass(frozen=True)
class Check:
    """One honesty test: held-out log loss in nats of the linear model trained on `rows` rows."""

    noise_floor: float
    rows: int
    predicted: float
    interval: Interval
    measured: float

    @property
    def holds(self) -> bool:
        """Whether the measured loss lies within the prediction's interval."""
        return self.interval[0] <= self.measured <= self.interval[1]


@dataclass(frozen=True)
class CurvePoint:
    """Expected figures at n rows and the forecast's noise floor, in nats.

    `kl` is KL(rho_G || rho_c) and `excess_loss` KL(rho_c || rho_G), with rho_c the data seen
    through the floor; `optimal_noise_floor` is the best one for n rows.
    """

    n: int
    kl: float
    excess_loss: float
    heldout_log_loss: float
    optimal_noise_floor: float


@dataclass(frozen=True)
class AtRisk:
    """A row that is likely to be memorized early: how alone it stands (`lab.measures.isolation`).

    level: the noise level at which it is told from all other rows, in the units of the data.
    """

    row: int
    name: str
    level: float


@dataclass(frozen=True)
class Forecast:
    """What the linear model needs to learn data of this covariance.

    `dimension` counts the directions in use, after constant columns and exact linear relations.
    Noise floors are variances in the squared units of the data; losses and divergences are nats.
    `more_rows` is the factor on the rows that halves the excess loss (None if that is lost in
    rounding errors). `spectrum` holds pairs of a population eigenvalue and its weight. `at_risk`
    are the most isolated rows, the first ones that a model memorizes; `alone` counts the rows that
    stand alone at the forecast's noise floor (None where the rows were not compared).
    """

    rows: int
    dimension: int
    seed: int
    noise_floor: float
    optimal_noise_floor: Estimate
    n_gen: Estimate
    excess_loss: Estimate
    more_rows: Estimate | None
    checks: tuple[Check, ...]
    curve: tuple[CurvePoint, ...]
    spectrum: tuple[tuple[float, float], ...]
    notes: tuple[str, ...]
    at_risk: tuple[AtRisk, ...] = ()
    alone: int | None = None

    @property
    def holds(self) -> bool:
        """Whether the honesty test at the forecast's noise floor holds."""
        return any(c.holds for c in self.checks if c.noise_floor == self.noise_floor)

    def to_dict(self) -> dict[str, Any]:
        """The forecast as numbers, strings, lists and dicts, ready for json.dumps."""
        record = asdict(self)
        record["honest"] = self.holds
        for item, check in zip(record["checks"], self.checks, strict=True):
            item["holds"] = check.holds
        for item in record["at_risk"]:  # rows that outweigh all others together
            item["level"] = "inf" if math.isinf(item["level"]) else item["level"]
        return record


def forecast(x: Any, *, seed: int = 0, noise_floor: float | None = None) -> Forecast:
    """Forecast from data x, shape (rows, d); whole numbers are fine, and d may exceed the rows.

    noise_floor: c, a variance in the squared units of the data; None chooses it (see the module).
    Raises InputError for fewer than 20 rows, values that are not finite, or constant data, and
    UsageError for a noise_floor that is not above 0, or lost in rounding. Derived in
    docs/explanation/forecast.md.

    >>> rng = np.random.default_rng(0)
    >>> made = forecast(rng.normal(size=(400, 10)) / np.arange(1, 11))
    >>> made.dimension, made.holds, bool(made.excess_loss.value < 1)
    (10, True, True)
    """
    seed = _check.integer(seed, "seed", 0)
    given = None if noise_floor is None else _check.positive(noise_floor, "noise_floor")
    data, notes = _prepare(x)
    rows, dimension = data.shape
    half_seeds, fold_seeds = np.random.SeedSequence(seed).spawn(2)
    found = population_spectrum(data)
    model = MultiStepLinear(found.eigenvalues, found.weights)
    top = float(model.eigenvalues.max())
    if given is not None and given < _SMALLEST * top:
        raise UsageError(
            f"noise_floor {given:g} is lost in rounding beside a variance of {top:.3g}; "
            f"use at least {_SMALLEST * top:.1g}"
        )
    halves = _halves(data, np.random.default_rng(half_seeds))
    best = float(model.optimal_noise_floor(rows))
    optimum = _estimate(best, [float(h.optimal_noise_floor(rows)) for h in halves])
    steps = 1 + max(0, math.floor(math.log(top / best, _LADDER)))
    ladder = np.array([given]) if given is not None else best * _LADDER ** np.arange(1.0 * steps)
    checks = _checks(data, halves, ladder, np.random.default_rng(fold_seeds))
    held = [c.noise_floor for c in checks if c.holds]
    floor = held[0] if held else float(ladder[-1])
    checks = tuple(c for c in checks if c.noise_floor <= floor)
    notes += _remarks(checks, given is not None, rows, found.visible)
    excess = [float(m.excess_loss(rows, floor)) for m in (model, *halves)]
    factors = [_more_rows(m, rows, floor) for m in (model, *halves)]
    known = [f for f in factors if f is not None]
    return Forecast(
        rows=rows,
        dimension=dimension,
        seed=seed,
        noise_floor=floor,
        optimal_noise_floor=optimum,
        n_gen=_estimate(float(model.n_gen(floor)), [float(h.n_gen(floor)) for h in halves]),
        excess_loss=_estimate(excess[0], excess[1:]),
        more_rows=_estimate(known[0], known[1:]) if len(known) == len(factors) else None,
        checks=checks,
        curve=_curve(model, rows, floor),
        spectrum=tuple(zip(model.eigenvalues.tolist(), model.weights.tolist(), strict=True)),
        notes=tuple(notes),
    )


def measured_log_loss(train: Floats, heldout: Floats, noise_floor: ArrayLike) -> Floats:
    """-log N(x; xbar, Sigma_hat + c I) of each held-out row, in nats.

    train: (n, d). heldout: (m, d). noise_floor: (k,) variances. Returns (k, m).

    >>> measured_log_loss(np.array([[-1.0], [1.0]]), np.array([[0.0]]), [1.0]).round(3)
    array([[1.468]])
    """
    floors = np.atleast_1d(np.asarray(noise_floor, dtype=np.float64))
    mean, dimension = train.mean(axis=0), train.shape[1]
    _, singular, axes = np.linalg.svd(train - mean, full_matrices=False)
    values = singular**2 / (len(train) - 1)
    offset = heldout - mean
    squares = (offset @ axes.T) ** 2
    outside = np.zeros(len(heldout))
    if len(values) < dimension:
        outside = np.maximum((offset**2).sum(axis=1) - squares.sum(axis=1), 0.0)
    unseen = dimension - len(values)
    losses = [
        squares @ (1 / (values + c))
        + outside / c
        + np.log(values + c).sum()
        + unseen * math.log(c)
        + dimension * math.log(2 * math.pi)
        for c in floors
    ]
    return 0.5 * np.array(losses)


def _prepare(x: Any) -> tuple[Floats, list[str]]:
    """Finite float64 rows without constant columns and exact linear relations, and notes."""
    data = np.asarray(_check.matrix(x, "data"), dtype=np.float64)
    if len(data) < MINIMUM_ROWS:
        raise InputError(
            f"data: {len(data)} rows are too few for a forecast; give at least {MINIMUM_ROWS}"
        )
    notes = []
    varying = data.max(axis=0) > data.min(axis=0)
    if not varying.any():
        raise InputError("data: every column is constant; give data that vary")
    if not varying.all():
        count = int((~varying).sum())
        notes.append(f"{count} constant column{'s were' if count > 1 else ' was'} left out")
        data = data[:, varying]
    with np.errstate(all="ignore"):  # what overflows is refused with the spectrum
        data = data - data.mean(axis=0)
    rows, dimension = data.shape
    if rows > dimension:
        rank = int((sample_eigenvalues(data) > 0).sum())
        if rank < dimension:
            _, _, axes = np.linalg.svd(data, full_matrices=False)
            data = data @ axes[:rank].T
            notes.append(
                f"{dimension - rank} exact linear relations between the columns were left out"
            )
    return data, notes


def _halves(data: Floats, rng: np.random.Generator) -> list[MultiStepLinear]:
    count = len(data) // 2
    found = [population_spectrum(data[rng.permutation(len(data))[:count]]) for _ in range(_HALVES)]
    return [MultiStepLinear(f.eigenvalues, f.weights) for f in found]


def _checks(
    data: Floats, halves: list[MultiStepLinear], floors: Floats, rng: np.random.Generator
) -> tuple[Check, ...]:
    parts = np.array_split(rng.permutation(len(data)), _FOLDS)
    losses = []
    for part in parts:
        rest = np.ones(len(data), dtype=bool)
        rest[part] = False
        losses.append(measured_log_loss(data[rest], data[part], floors))
    measured = np.concatenate(losses, axis=1).mean(axis=1)
    rows = len(data) - len(data) // _FOLDS
    predictions = np.array([h.heldout_log_loss(rows, floors) for h in halves])
    width = _Z * predictions.std(axis=0, ddof=1)
    return tuple(
        Check(float(c), rows, float(p), (float(p - w), float(p + w)), float(m))
        for c, p, w, m in zip(floors, predictions[0], width, measured, strict=True)
    )


def _remarks(checks: tuple[Check, ...], given: bool, rows: int, visible: float) -> list[str]:
    notes, floor = [], checks[-1].noise_floor
    if visible > 0:
        notes.append(
            f"there are no more rows than directions: eigenvalues below {visible:.3g} cannot be "
            f"told apart, and the curve beyond {rows:,} rows is an extrapolation"
        )
    if not checks[-1].holds:
        remedy = "try a larger --noise-floor" if given else "do not rely on this forecast"
        notes.append(f"the honesty test failed: these data are not as the model needs; {remedy}")
    elif len(checks) > 1:
        notes.append(
            f"below a noise floor of {floor:.3g} the prediction fails its test: the data are not "
            f"Gaussian at that scale, and the forecast is made at the smallest floor that passes"
        )
    return notes


def _more_rows(model: MultiStepLinear, rows: int, floor: float) -> float | None:
    """The factor on the rows at which the excess loss is half of what it is."""
    target = float(model.excess_loss(rows, floor)) / 2
    if target <= 0:
        return None
    factors = np.geomspace(1, _FURTHEST, 400)
    losses = model.excess_loss(factors * rows, floor)
    if not (losses <= target).any():  # an excess of the size of rounding errors
        return None
    first = int(np.argmax(losses <= target))
    low, high = factors[first - 1], factors[first]
    above, below = math.log(losses[first - 1]), math.log(max(float(losses[first]), 1e-300))
    share = (above - math.log(target)) / (above - below)
    return float(low * (high / low) ** share)


def _curve(model: MultiStepLinear, rows: int, floor: float) -> tuple[CurvePoint, ...]:
    grid = np.unique(np.append(np.geomspace(2, 100 * rows, 40).round(), rows))
    columns = (
        model.expected_kl(grid, floor, floor),
        model.excess_loss(grid, floor),
        model.heldout_log_loss(grid, floor),
        model.optimal_noise_floor(grid),
    )
    return tuple(
        CurvePoint(int(n), *(float(v) for v in values))
        for n, *values in zip(grid, *columns, strict=True)
    )


def _estimate(value: float, draws: list[float]) -> Estimate:
    """Value and interval, on a logarithmic scale while all are positive."""
    known = np.array(draws)
    if value > 0 and (known > 0).all():
        width = _Z * float(np.log(known).std(ddof=1))
        return Estimate(value, (value * math.exp(-width), value * math.exp(width)))
    width = _Z * float(known.std(ddof=1))
    return Estimate(value, (value - width, value + width))
