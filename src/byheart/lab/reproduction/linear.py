"""The linear experiment of arXiv 2411.17807, in exact arithmetic and beyond its range.

Isotropic Gaussian data (mean 10, deviation 1, d = 100), linear one-step model with T = 2 and
lambda = 1, training sets from n = 25 up. Beside the paper's figure stand:

* its reference code's arithmetic. There a float32 constant for each set, 1/(√(2 pi) (2 eps²)^(d/2)
  N), which is the same number for every N, is not cancelled, and at d = 100 its rounding outweighs
  everything else: from n = 75 on, the sign of Delta is that of a rounding error.
* the effect of T, of lambda, and of the size N_O of the fresh set, beside the prediction of
  `lab.theory.transition`;
* the model in several steps (`lab.theory.linear_steps`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from byheart.intervals import Interval, number, wilson
from byheart.lab.measures.relative import FRESH_ROWS, relative_distance
from byheart.lab.reproduction.reproduction import Claim, Curve, Laboratory, Reproduction
from byheart.lab.sweeps.record import Outcome
from byheart.lab.theory.gaussians import GaussianLaw
from byheart.lab.theory.solvable_model import LinearOneStep
from byheart.lab.theory.transition import Transition
from byheart.lab.transition.scales import scale_text
from byheart.plotting.table import Table

PAPER = "arXiv 2411.17807"
DIMENSION, MEAN = 100, 10.0
PAPER_SIZES = (25, 50, 75, 100)
SIZES = (25, 50, 75, 100, 104, 125, 150, 200, 250, 300, 350, 400, 500, 600, 800, 1000, 1500, 2000)
EFFECT_SIZES = (125, 150, 200, 250, 300, 400, 500, 600, 800, 1000, 1500)
STEP_SIZES = (150, 300, 600)
LARGE_FRESH = 100_000
REPEATS = {True: (60, 30), False: (300, 100)}  # quick: training sets a size, and of each variant


def reproduce(laboratory: Laboratory, *, quick: bool) -> Reproduction:
    """Run the experiment; quick: 60 training sets a size instead of 300, and fewer variants."""
    repeats, fewer = REPEATS[quick]
    main = laboratory.curve(
        f"The paper's experiment, N_O = {FRESH_ROWS:,}", "linear", _plan(SIZES, repeats)
    )
    large = laboratory.curve(
        f"The same with N_O = {LARGE_FRESH:,}",
        "linear-fresh",
        _plan(SIZES[3:], repeats, fresh_rows=LARGE_FRESH),
    )
    coded = _as_coded(repeats, main)
    steps, steps_claim = _steps(laboratory, fewer, (1, 2, 4, 8) if quick else (1, 2, 4, 8, 16, 32))
    effects = _effects(laboratory, fewer, quick=quick)
    return Reproduction(
        name="linear",
        paper=PAPER,
        settings=(
            f"d = {DIMENSION}, data N({MEAN:g}, I), T = 2, lambda = 1, {repeats} training sets for "
            f"each n; fresh points integrated out, logs in float64"
        ),
        claims=(*_claims(main, large), steps_claim),
        curves=(main, large),
        tables=(coded, effects, steps),
    )


def _plan(sizes: Sequence[int], repeats: int, **changes: Any) -> dict[str, Any]:
    model = {"kind": "linear", "time": 2.0, "noise_scale": 1.0}
    model |= {key: changes[key] for key in ("time", "noise_scale", "steps") if key in changes}
    return {
        "data": {"kind": "gaussian", "dimension": DIMENSION, "mean": MEAN},
        "model": model,
        "sweep": {"n": list(sizes), "repeats": repeats},
        "distance": {
            "definition": "paper",
            "fresh": "exact",
            "fresh_rows": changes.get("fresh_rows", FRESH_ROWS),
        },
    }


def _claims(main: Curve, large: Curve) -> tuple[Claim, ...]:
    found, more = main.result, large.result
    small = [p for p in found.curve if p.n in PAPER_SIZES]
    highest = max(found.curve, key=lambda p: p.p_positive)
    reached = number(more.n_mem_95.estimate) if more.n_mem_95.estimate else "not reached"
    agrees = {"aligned": "yes", "undecided": "partly"}
    return (
        Claim(
            "The linear model passes from memorization to generalization as n grows.",
            f"P(Delta > 0) is {small[0].p_positive:.2f} at n = {small[0].n} and crosses 1/2 at "
            f"n_mem = {scale_text(found.n_mem)}; its largest value is {highest.p_positive:.2f} at "
            f"n = {highest.n:,}, for the fresh set is finite: with N_O = {LARGE_FRESH:,} it "
            f"crosses 0.95 at n = {reached}.",
            "yes" if found.n_mem.estimate else "no",
        ),
        Claim(
            "At d = 100 it happens within the range of its figure, n = 25 to 100 (P = 1 at n = 75 "
            "and 100).",
            "In exact arithmetic P(Delta > 0) there is "
            + ", ".join(f"{p.p_positive:.2f} (n = {p.n})" for p in small)
            + "; the reference code's sign is that of a float32 rounding error (table below).",
            "yes" if small[-1].p_interval[1] >= 0.5 else "no",
        ),
        Claim(
            "The transition occurs where the distance between the generated and the sampling law "
            "begins to decrease: the two scales align.",
            f"n_gen = {scale_text(found.n_gen)} (theory: d + 3 = {DIMENSION + 3}), n_mem/n_gen = "
            f"{scale_text(found.ratio)}: {found.aligned}, within an order of magnitude.",
            agrees.get(found.aligned, "no"),  # type: ignore[arg-type]
        ),
    )


def _as_coded(repeats: int, main: Curve) -> Table:
    """P(Delta > 0) with the reference code's float32 constant beside exact arithmetic."""
    model = LinearOneStep(DIMENSION, 2.0, 1.0)
    exact = {p.n: p for p in main.result.curve}
    rows = []
    for n in PAPER_SIZES:
        hits = 0
        for child in np.random.SeedSequence(0, spawn_key=(n,)).spawn(repeats):
            rng = np.random.default_rng(child)
            x = MEAN + rng.standard_normal((n, DIMENSION))
            hits += sign_as_coded(x, model, rng) > 0
        gap = float32_constant(n) - float32_constant(FRESH_ROWS)
        rows.append(
            (
                str(n),
                f"{float32_constant(n):.7e}",
                f"{gap:+.1e}",
                f"{hits / repeats:.2f}",
                f"{exact[n].p_positive:.2f}",
            )
        )
    return Table(
        "The reference code's arithmetic",
        ("n", "constant of T, float32", "less that of O", "P as coded", "P exact"),
        tuple(rows),
        "The constant is the same for T and O on paper and cancels. What remains of it in float32 "
        "is larger than every other term of Delta once n is near d.",
    )


def float32_constant(rows: int) -> float:
    """Return 1/(√(2 pi) (2 eps²)^(d/2) N) with eps = N^(-1/d), as float32 computes it.

    >>> float32_constant(100), float32_constant(10_000)
    (3.54331748937705e-16, 3.5433121954211294e-16)
    """
    single = np.float32
    eps = single((1 / rows) ** (1 / DIMENSION))
    power = (single(2) * eps**2) ** single(DIMENSION / 2)
    return float(single(1) / (single(math.sqrt(2 * math.pi)) * power * single(rows**2)) * rows)


def sign_as_coded(
    x: np.ndarray[Any, np.dtype[np.float64]], model: LinearOneStep, rng: np.random.Generator
) -> float:
    """Train on x, (n, d), and return the sign of Delta as the reference code computes it.

    Its densities carry √(2 pi) instead of (2 pi)^(d/2), and the transposed factor: the covariance
    of its cross terms is s_gen² theta1ᵀ theta1. Its kernel pairs i ≠ j, of order e^-50 of the
    diagonal, are lost in float32. Its fresh set is integrated out here.
    """
    law, factor = model.fit_with_factor(x, rng)
    transposed = GaussianLaw.from_factor(law.mean, factor.T)
    terms = relative_distance(x, transposed, mean=MEAN)
    units = (DIMENSION - 1) / 2 * math.log(2 * math.pi)
    cross = math.exp(terms.log_cross_train + units) - math.exp(terms.log_cross_fresh + units)
    return float(np.sign(float32_constant(len(x)) - float32_constant(FRESH_ROWS) - 2 * cross))


def _effects(laboratory: Laboratory, repeats: int, *, quick: bool) -> Table:
    """n_mem measured and predicted over T and lambda."""
    settings = [(0.5, 1.0), (1.0, 1.0), (2.0, 1.0), (2.0, 0.25), (2.0, 4.0)]
    if not quick:
        settings += [(4.0, 1.0), (2.0, 0.5), (2.0, 2.0)]
    rows = []
    for time, scale in settings:
        plan = _plan(EFFECT_SIZES, repeats, time=time, noise_scale=scale)
        found = laboratory.curve("", f"linear-T{time:g}-lambda{scale:g}", plan).result
        correlation = LinearOneStep(DIMENSION, time, scale).correlation
        predicted = Transition(DIMENSION, correlation).memorization_scale()
        last = found.curve[-1]
        rows.append(
            (
                f"{time:g}",
                f"{scale:g}",
                f"{correlation:.3f}",
                scale_text(found.n_mem),
                number(predicted),
                f"{last.distance:.3g}",
            )
        )
    return Table(
        "The effect of the diffusion time and the noise scale",
        ("T", "lambda", "r", "n_mem", "n_mem predicted", f"E KL at n = {EFFECT_SIZES[-1]:,}, nats"),
        tuple(rows),
        "Both act through r = 1/(1 + lambda (1 − e^(−2T))) alone. Predicted: theory.transition.",
    )


@dataclass(frozen=True)
class _Cell:
    """The training runs of one number of steps at one n: quality, and how many had Delta > 0."""

    quality: float
    error: float
    hits: int
    trials: int

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> _Cell:
        values = [outcome.distance for outcome in outcomes]
        error = float(np.std(values, ddof=1) / math.sqrt(len(values)))
        hits = sum(outcome.positive for outcome in outcomes)
        return cls(float(np.mean(values)), error, hits, len(values))

    @property
    def share(self) -> float:
        return self.hits / self.trials

    @property
    def interval(self) -> Interval:
        return wilson(self.hits, self.trials)


def _steps(laboratory: Laboratory, repeats: int, steps: Sequence[int]) -> tuple[Table, Claim]:
    """Quality and memorization over the number of steps."""
    cells = {}
    for count in steps:
        plan = _plan(STEP_SIZES, repeats, steps=count)
        records = laboratory.run(f"linear-steps{count}", plan)
        for n in STEP_SIZES:
            cells[count, n] = _Cell.of([r.outcome for r in records if r.n == n and r.outcome])
    rows = []
    for count in steps:
        row = [str(count)]
        for n in STEP_SIZES:
            cell = cells[count, n]
            low, high = cell.interval
            row += [
                f"{cell.quality:.2f} ± {cell.error:.2f}",
                f"{cell.share:.2f} [{low:.2f}, {high:.2f}]",
            ]
        rows.append(tuple(row))
    best = {n: min((cells[count, n].quality, count) for count in steps)[1] for n in STEP_SIZES}
    one = {n: cells[steps[0], n] for n in STEP_SIZES}
    better = all(
        cells[best[n], n].quality + 2 * math.hypot(cells[best[n], n].error, one[n].error)
        < one[n].quality
        for n in STEP_SIZES
    )
    largest = max(abs(cell.share - one[n].share) for (_, n), cell in cells.items())
    overlap = all(
        cell.interval[0] <= one[n].interval[1] and one[n].interval[0] <= cell.interval[1]
        for (_, n), cell in cells.items()
    )
    headings = ["steps"]
    for n in STEP_SIZES:
        headings += [f"E KL, n = {n}", f"P(Delta > 0), n = {n}"]
    table = Table(
        "The effect of the number of steps",
        tuple(headings),
        tuple(rows),
        "Each step has its own linear denoiser, fitted to one noisy version of each training "
        "point. E KL with its standard error, P with Wilson's 95% interval.",
    )
    optimum = ", ".join(f"{best[n]} at n = {n}" for n in STEP_SIZES)
    still_falls = all(best[n] == steps[-1] for n in STEP_SIZES)
    claim = Claim(
        "More sampling steps improve quality but not memorization, and there is an optimal number.",
        f"E KL is least at {optimum}, of {steps[0]} to {steps[-1]} steps tried; P(Delta > 0) "
        f"changes by at most {largest:.2f} between them. "
        + (
            "E KL still falls at the largest number tried: no optimum in this range."
            if still_falls
            else "The optimum lies inside the range tried."
        ),
        "no" if not (better and overlap) else "partly" if still_falls else "yes",
    )
    return table, claim
