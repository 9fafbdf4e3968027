"""Estimators of the population spectrum, by what they predict.

    python -m benchmarks.spectrum [--repeats 20] [--seed 7]

First table: 8x8 digits scaled to [0, 1], constant pixels left out. From 600 random rows predict the
held-out log loss of the linear model at n rows and noise floor c; measured is its mean over
20 random splits of all 1,797 digits. Each entry is mean error ± root mean square error, in nats,
over the repeats.

Second table: Gaussian data of a known spectrum; the error against the prediction of that spectrum
at n = twice the rows, c = .01.

raw               the sample eigenvalues
LW linear         Ledoit and Wolf 2004, shrinkage towards a multiple of the identity (scikit-learn)
LW nonlinear      Ledoit and Wolf 2020, the analytical formula
El Karoui         El Karoui 2008: linear programme, largest relative residual of the
                  Marchenko–Pastur equation at 60 complex arguments, on the grid of the kept one
least squares     byheart.lab.theory.spectrum: kappa on the real axis, non-negative least squares
  uncorrected     the same without its finite-size term
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from byheart.lab.theory.forecast import measured_log_loss
from byheart.lab.theory.linear_model import MultiStepLinear
from byheart.lab.theory.spectrum import _match, population_spectrum, sample_eigenvalues

Floats = NDArray[np.float64]
Pair = tuple[Floats, Floats]


def raw(x: Floats) -> Pair:
    values = sample_eigenvalues(x)
    return values, np.ones_like(values)


def linear(x: Floats) -> Pair:
    from sklearn.covariance import ledoit_wolf_shrinkage

    values = sample_eigenvalues(x)
    share = ledoit_wolf_shrinkage(x)
    return (1 - share) * values + share * values.mean(), np.ones_like(values)


def nonlinear(x: Floats) -> Pair:
    """Equations 4.7–4.9 and (for d > n) C.7–C.8: Epanechnikov kernel, bandwidth n^(-1/3)."""
    every = sample_eigenvalues(x)
    samples, dimension = len(x) - 1, len(every)
    values = every[every > 0]
    ratio, width = dimension / samples, samples ** (-1 / 3)
    scale = width * values[None, :]
    u = (values[:, None] - values[None, :]) / scale
    density = (0.75 / math.sqrt(5) * np.maximum(1 - u**2 / 5, 0) / scale).mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        edge = (1 - u**2 / 5) * np.log(np.abs((math.sqrt(5) - u) / (math.sqrt(5) + u)))
    edge[~np.isfinite(edge)] = 0
    hilbert = ((-0.3 * u + 0.75 / math.sqrt(5) * edge) / (math.pi * scale)).mean(axis=1)
    if dimension <= samples:
        below = (math.pi * ratio * values * density) ** 2
        below += (1 - ratio - math.pi * ratio * values * hilbert) ** 2
        return np.append(values / below, every[every == 0]), np.ones_like(every)
    root = math.sqrt(5) * width
    at_zero = 0.3 / width**2 + 0.75 / (math.sqrt(5) * width) * (1 - 0.2 / width**2) * math.log(
        (1 + root) / (1 - root)
    )
    null = 1 / ((dimension - samples) / samples * at_zero * (1 / values).mean())
    seen = 1 / (math.pi**2 * values * (density**2 + hilbert**2))
    weights = np.append(np.ones_like(values), dimension - len(values))
    return np.append(seen, null), weights


def el_karoui(x: Floats) -> Pair:
    values = sample_eigenvalues(x)
    samples, dimension = len(x) - 1, len(values)
    positive = values[values > 0]
    z = np.geomspace(positive.min() / 3, 3 * positive.max(), 60) * np.exp(0.25j * math.pi)
    companion = (1 / (values - z[:, None])).sum(axis=1) / samples
    companion -= (1 - dimension / samples) / z
    lowest = positive.min() * (1 if len(positive) == dimension else 1e-3)
    grid = np.geomspace(lowest, positive.max(), 80)
    inverse = 1 / companion
    terms = grid / (1 + grid * companion[:, None]) / samples / np.abs(inverse)[:, None]
    target = (inverse + z) / np.abs(inverse)
    lines = np.vstack([terms.real, terms.imag])
    aim = np.concatenate([target.real, target.imag])
    slack = -np.ones((len(aim), 1))
    found = linprog(
        np.append(np.zeros(80), 1.0),
        A_ub=np.block([[lines, slack], [-lines, slack]]),
        b_ub=np.concatenate([aim, -aim]),
        A_eq=np.append(np.ones(80), 0.0)[None],
        b_eq=[dimension],
        bounds=(0, None),
        method="highs",
    )
    return grid, found.x[:80]


def uncorrected(x: Floats) -> Pair:
    values = sample_eigenvalues(x)
    positive, samples = values[values > 0], len(x) - 1
    floor = np.geomspace(1e-3 * positive.min(), 10 * positive.max(), 60)
    freedom = (positive / (positive + floor[:, None])).sum(axis=1)
    lowest = positive.min()
    if len(positive) < len(values):
        lowest = 1e-2 * floor[0] / (1 - freedom[0] / samples)
    grid = np.geomspace(lowest, positive.max(), 80)
    return grid, _match(grid, freedom, floor, samples, len(values))


def least_squares(x: Floats) -> Pair:
    found = population_spectrum(x)
    return found.eigenvalues, found.weights


ESTIMATORS: dict[str, Callable[[Floats], Pair]] = {
    "raw": raw,
    "LW linear": linear,
    "LW nonlinear": nonlinear,
    "El Karoui": el_karoui,
    "least squares": least_squares,
    "  uncorrected": uncorrected,
}
SIZES, FLOORS = (300, 900), (0.01, 0.05)


def digits_table(repeats: int, rng: np.random.Generator) -> None:
    from sklearn.datasets import load_digits

    data = np.asarray(load_digits().data) / 16
    data = data[:, data.std(axis=0) > 0]
    settings = [(n, c) for n in SIZES for c in FLOORS]
    measured = np.zeros(len(settings))
    for _ in range(20):
        order = rng.permutation(len(data))
        for j, (n, c) in enumerate(settings):
            measured[j] += measured_log_loss(data[order[:n]], data[order[n:]], [c]).mean() / 20
    print("digits, from 600 rows: predicted - measured, nats")
    print(f"{'':15s}" + "".join(f"   n={n}, c={c:<5}" for n, c in settings))
    print(f"{'measured':15s}" + "".join(f"{m:16.2f}" for m in measured))
    subsets = [data[rng.permutation(len(data))[:600]] for _ in range(repeats)]
    for name, estimate in ESTIMATORS.items():
        errors = [
            [float(model.heldout_log_loss(n, c)) for n, c in settings] - measured
            for model in (MultiStepLinear(*estimate(x)) for x in subsets)
        ]
        show(name, np.array(errors))


def synthetic_table(repeats: int, rng: np.random.Generator) -> None:
    ranks = np.arange(1, 101)
    laws = {"1/i": 1 / ranks, "isotropic": np.ones(100), "1 and 10": np.repeat([1.0, 10.0], 50)}
    settings = [(law, rows) for law in laws for rows in (80, 150, 400)]
    print("\nknown spectra, d = 100: error at twice the rows, c = .01, nats")
    print(f"{'':15s}" + "".join(f"{law + ', ' + str(rows):>16s}" for law, rows in settings))
    samples = {
        (law, rows): [rng.normal(size=(rows, 100)) * np.sqrt(laws[law]) for _ in range(repeats)]
        for law, rows in settings
    }
    for name, estimate in ESTIMATORS.items():
        errors = [
            [
                float(MultiStepLinear(*estimate(x)).heldout_log_loss(2 * rows, 0.01))
                - float(MultiStepLinear(laws[law]).heldout_log_loss(2 * rows, 0.01))
                for x in samples[law, rows]
            ]
            for law, rows in settings
        ]
        show(name, np.array(errors).T)


def show(name: str, errors: Floats) -> None:
    means, roots = errors.mean(axis=0), np.sqrt((errors**2).mean(axis=0))
    cells = "".join(f"{f'{m:+.2f} ± {r:.2f}':>16s}" for m, r in zip(means, roots, strict=True))
    print(f"{name:15s}{cells}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    digits_table(arguments.repeats, rng)
    synthetic_table(arguments.repeats, rng)


if __name__ == "__main__":
    main()
