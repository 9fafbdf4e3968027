"""Regularised scores (arXiv 2501.15785) on digits, audited: what each stops, and at what cost.

One training set size, one parameter at a time: Tikhonov's constant, the threshold of empirical
Bayes, the bandwidth of a kernel density (stopping in diffusion time, our addition), and in the full
run the gradient steps and the width of a network. Beside the audits' verdicts stand what the
formulas of `diffusion.regularised` predict: the rate of collapse without regularisation, the radius
of Tikhonov's blobs, the collapsed share of empirical Bayes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtr

from byheart.distances.neighbours import two_way
from byheart.intervals import Interval
from byheart.lab.diffusion import EmpiricalDenoiser, HeunSampler, Start, VarianceExploding
from byheart.lab.reproduction.reproduction import Claim, Laboratory, Reproduction
from byheart.lab.sweeps.material import Material, prepare
from byheart.lab.sweeps.models import draw_samples
from byheart.lab.sweeps.parameter import parameter_of
from byheart.lab.sweeps.plan import Plan
from byheart.lab.sweeps.record import Record
from byheart.lab.transition.thresholds import ThresholdsResult, graphs, thresholds
from byheart.plotting.table import Table
from byheart.threads import one_thread
from papers.cells import share_text

Array = NDArray[np.float64]

PAPER = "arXiv 2501.15785"
SIZE, SAMPLES = 300, 400
REPEATS = {True: 5, False: 20}  # quick: runs at a value
NETWORK_REPEATS = 10
SCORES: dict[str, tuple[str, tuple[float, ...]]] = {  # kind of model -> parameter, values
    "tikhonov": ("constant", (0.001, 0.004, 0.016, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 1.0)),
    "empirical-bayes": ("log_threshold", (-60.0, -50.0, -45.0, -40, -36, -34, -32, -30, -28, -26)),
    "kernel-smoothed": ("bandwidth", (0.03, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)),
}
MLP = {"kind": "mlp", "learning_rate": 1e-3}
NETWORKS: dict[str, tuple[dict[str, Any], tuple[float, ...]]] = {  # parameter -> model, values
    "training_steps": (MLP, (25, 50, 100, 200, 400, 800, 1600)),
    "width": ({**MLP, "training_steps": 800}, (16, 32, 64, 128, 256)),
}
RATE_SAMPLES, RATE_LEVELS = 200, (0.2, 0.1, 0.05, 0.025)  # of the collapse, in units of spacing
COLLAPSED = 0.1  # of the spacing: nearer to a training point is collapsed


def reproduce(laboratory: Laboratory, *, quick: bool) -> Reproduction:
    """Run the experiment; the full run needs the extra `neural`. quick: no networks."""
    found, records = {}, {}
    for kind, (name, values) in SCORES.items():
        records[kind] = laboratory.run(kind, _plan({"kind": kind}, name, values, REPEATS[quick]))
        found[kind] = thresholds(records[kind], parameter_of(kind, name))
    for name, (model, values) in {} if quick else NETWORKS.items():
        key = f"mlp, {name}"
        sections = _plan(model, name, values, NETWORK_REPEATS)
        records[key] = laboratory.run(f"mlp-{name}", sections)
        found[key] = thresholds(records[key], parameter_of("mlp", name))
    with one_thread():
        rate = _rate()
        blobs = _distances("tikhonov")
        collapse = _distances("empirical-bayes")
    runs = f"{REPEATS[quick]} runs a value"
    return Reproduction(
        name="regularization",
        paper=PAPER,
        settings=(
            f"digits, n = {SIZE}, {SAMPLES} samples a model, audited against 400 held-out digits, "
            + (runs if quick else f"{runs}, {NETWORK_REPEATS} of networks")
        ),
        claims=(
            _rate_claim(rate),
            _blob_claim(found["tikhonov"], blobs),
            _bayes_claim(found["empirical-bayes"], collapse),
            _avoids(found, ("tikhonov", "empirical-bayes", "kernel-smoothed")),
            *([] if quick else [_networks(found)]),
        ),
        curves=(),
        tables=(
            _overview(found),
            _blob_table(blobs),
            _bayes_table(collapse),
            *(_audits(key, found[key], records[key]) for key in found),
        ),
        graphs=tuple(g for key, r in found.items() for g in graphs(r, key, "energy distance")),
    )


def _plan(
    model: dict[str, Any], name: str, values: Sequence[float], repeats: int
) -> dict[str, Any]:
    return {
        "data": {"kind": "digits"},
        "model": model,
        "sweep": {
            "n": [SIZE],
            "parameter": name,
            "values": list(values),
            "repeats": repeats,
            "samples": SAMPLES,
        },
    }


def _training(material: Material) -> tuple[Array, np.random.SeedSequence]:
    """Return the training set of the sweeps' first run, and the seeds of its model."""
    seeds = np.random.SeedSequence(material.plan.sweep.seed, spawn_key=(SIZE, 0))
    data, model, _ = seeds.spawn(3)
    train, _ = material.split(SIZE, np.random.default_rng(data))
    return train.reshape(SIZE, -1), model


def _rate() -> tuple[float, Interval, float]:
    """Return the median of d log |x - x*| / d log s, its middle 90%, and the collapsed share."""
    kind, (name, values) = next(iter(SCORES.items()))
    material = prepare(Plan.parse(_plan({"kind": kind}, name, values, 1)))
    points, _ = _training(material)
    first = 16 * math.sqrt(float(np.sum(material.deviations**2)))
    levels = [level * material.spacing for level in RATE_LEVELS]
    ends = []
    for level in levels:
        schedule = VarianceExploding(level, first)
        steps = round(40 * math.log(first / level))  # the same ratio of levels in every step
        start = Start(mean=points.mean(axis=0))
        model = EmpiricalDenoiser(points)
        sampler = HeunSampler(model, schedule, steps, finish="noise_floor", start=start)
        ends.append(sampler.sample(RATE_SAMPLES, np.random.default_rng(0)))
    limits = points[two_way(ends[-1], points, 1).forward.indices[:, 0]]
    gaps = np.linalg.norm(np.array(ends) - limits, axis=2)
    rates = np.log(gaps[0] / gaps[-1]) / math.log(levels[0] / levels[-1])
    low, high = np.quantile(rates, [0.05, 0.95])
    near = gaps[-1] < 1.5 * math.sqrt(points.shape[1]) * levels[-1]
    return float(np.median(rates)), (float(low), float(high)), float(near.mean())


def _distances(kind: str) -> dict[float, Array]:
    """Return, for each value, the distances of samples of the first run from its training set.

    In units of the spacing for empirical Bayes, of sqrt(c d) for Tikhonov.
    """
    name, values = SCORES[kind]
    plan = Plan.parse(_plan({"kind": kind}, name, values, 1))
    material = prepare(plan)
    points, seeds = _training(material)
    found = {}
    for value in values:
        copy = np.random.SeedSequence(seeds.entropy, spawn_key=seeds.spawn_key)
        drawn = draw_samples(plan.at(value).model, material, points, SAMPLES, copy)
        unit = material.spacing
        if kind == "tikhonov":
            unit = math.sqrt(value * material.dimension)
        found[value] = two_way(drawn, points, 1).forward.distances[:, 0] / unit
    return found


def _rate_claim(rate: tuple[float, Interval, float]) -> Claim:
    middle, (low, high), near = rate
    agrees: Literal["yes", "partly", "no"] = "yes" if abs(middle - 1) < 0.05 else "no"
    return Claim(
        "Without regularisation every path ends at a training point or on a Voronoi face, and its "
        "distance from the end is O(sigma).",
        f"d log |x - x*| / d log sigma = {middle:.3f} (middle 90% of {RATE_SAMPLES} paths: "
        f"{low:.3f} to {high:.3f}) below sigma = {RATE_LEVELS[0]:g} of the spacing; {near:.1%} end "
        "within 1.5 sqrt(d) sigma of a training point.",
        "partly" if agrees == "yes" and near < 0.95 else agrees,
    )


def _blob_claim(found: ThresholdsResult, blobs: dict[float, Array]) -> Claim:
    ratios = [float(np.median(gaps)) for gaps in blobs.values()]
    clean = found.no_copies.value
    point = next((p for p in found.curve if p.value == clean), None)
    right = max(abs(ratio - 1) for ratio in ratios) < 0.1
    traces = point is not None and point.traces.value >= 0.5
    if point is None:
        said = "named copies do not vanish at any c tried"
    else:
        low, high = point.traces.interval
        said = (
            f"named copies vanish at c = {clean:g} [{_between(found.no_copies.between)}], where "
            f"{point.traces.value:.0%} [{low:.0%}, {high:.0%}] of runs leave traces"
        )
    return Claim(
        "Tikhonov leaves blobs of radius about sqrt(c d) around training points: named copies "
        "vanish while traces remain.",
        f"The median distance of samples from the training set is {min(ratios):.3f} to "
        f"{max(ratios):.3f} sqrt(c d) over c = {min(blobs):g} to {max(blobs):g}; {said}.",
        "yes" if right and traces else ("partly" if right or traces else "no"),
    )


def _bayes_claim(found: ThresholdsResult, collapse: dict[float, Array]) -> Claim:
    gap, at = max(
        (abs(float((gaps < COLLAPSED).mean()) - _predicted(value)), value)
        for value, gaps in collapse.items()
    )
    copies = [p.value for p in found.curve if p.copies.value >= 0.5]
    last = f"up to log tau = {max(copies):g}" if copies else "at no threshold"
    return Claim(
        "Empirical Bayes with threshold tau collapses a share P(chi²_d <= 2 log(1/tau)) of "
        "samples, so that tau has to scale as e^(-d/2).",
        f"The collapsed share of samples on {SIZE} digits differs from the formula for one point "
        f"by at most {gap:.3f} (at log tau = {at:g}; d/2 = 32; 2 standard errors of a share are at "
        f"most {1 / math.sqrt(SAMPLES):.3f}); most runs name copies {last}.",
        "yes" if gap < 0.1 else ("partly" if gap < 0.25 else "no"),
    )


def _avoids(found: dict[str, ThresholdsResult], kinds: Sequence[str]) -> Claim:
    parts = []
    cleared = 0
    for kind in kinds:
        result = found[kind]
        clear = result.generalizes
        cleared += clear.value is not None
        best = max(result.curve, key=lambda point: point.generalizes.value)
        parts.append(
            f"{kind}: {_reached(result, 'generalizes')}"
            if clear.value is not None
            else f"{kind}: at no value do half of the runs generalize (at most "
            f"{best.generalizes.value:.0%}, at {best.value:g}), copies vanish "
            f"{_reached(result, 'no_copies')}"
        )
    words: dict[int, Literal["yes", "partly", "no"]] = {0: "no", len(kinds): "yes"}
    return Claim(
        "Regularising the score of the training set avoids memorization.",
        "; ".join(parts) + ".",
        words.get(cleared, "partly"),
    )


def _networks(found: dict[str, ThresholdsResult]) -> Claim:
    results = {key: result for key, result in found.items() if key.startswith("mlp")}
    clean = [r.no_copies.value is not None for r in results.values()]
    clear = [r.generalizes.value is not None for r in results.values()]
    return Claim(
        "Networks regularise by stopping the training early and by a small width.",
        "; ".join(
            f"{key}: copies vanish {_reached(result, 'no_copies')}, generalizes "
            f"{_reached(result, 'generalizes')}"
            for key, result in results.items()
        )
        + ".",
        "yes" if all(clear) else ("partly" if any(clear) or any(clean) else "no"),
    )


def _reached(result: ThresholdsResult, name: str) -> str:
    """Return a threshold in words, with its interval and its cost."""
    threshold = getattr(result, name)
    if threshold.value is None:
        return "at no value tried"
    said = f"at {threshold.value:g} [{_between(threshold.between)}]"
    if threshold.value == result.curve[0].value:
        return f"{said}, the weakest value tried"
    return f"{said}, which costs {_cost(threshold.cost, threshold.cost_interval)}"


def _cost(cost: float | None, interval: Interval | None) -> str:
    if cost is None:
        return "–"
    return f"{cost:+.3f}" + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "")


def _between(ends: tuple[float | None, float | None]) -> str:
    weak, strong = ("open" if end is None else f"{end:g}" for end in ends)
    return f"{weak} to {strong}"


def _predicted(log_threshold: float) -> float:
    return float(chdtr(64, -2 * log_threshold))


def _overview(found: dict[str, ThresholdsResult]) -> Table:
    rows = []
    for key, result in found.items():
        cells = []
        for threshold in (result.no_copies, result.generalizes):
            value = "not reached" if threshold.value is None else f"{threshold.value:g}"
            cells += [
                f"{value} [{_between(threshold.between)}]",
                _cost(threshold.cost, threshold.cost_interval),
            ]
        rows.append((key, result.parameter.name, *cells))
    return Table(
        "Both thresholds of each parameter, and what they cost",
        ("model", "parameter", "no named copies", "cost", "generalizes", "cost"),
        tuple(rows),
        "The first value, from weak to strong, at which at least half of the runs name no copies, "
        "or are found to generalize; in brackets the interval, from weak to strong. Cost: the "
        "energy distance there minus that at the weakest value, on the same data.",
    )


def _blob_table(blobs: dict[float, Array]) -> Table:
    return Table(
        "Tikhonov: distances of samples from the training set, in units of sqrt(c d)",
        ("c", "5%", "median", "95%"),
        tuple(
            (f"{value:g}", *(f"{q:.3f}" for q in np.quantile(gaps, [0.05, 0.5, 0.95])))
            for value, gaps in blobs.items()
        ),
    )


def _bayes_table(collapse: dict[float, Array]) -> Table:
    rows = []
    for value, gaps in collapse.items():
        hits = int((gaps < COLLAPSED).sum())
        share = share_text(hits, len(gaps), ".3f")
        rows.append((f"{value:g}", share, f"{_predicted(value):.3f}", f"{np.median(gaps):.3g}"))
    return Table(
        "Empirical Bayes: share of samples that collapse",
        ("log tau", "collapsed", "formula, n = 1", "median distance"),
        tuple(rows),
        f"Collapsed: nearer to a training point than {COLLAPSED:g} of the spacing between "
        "neighbours; distances in units of it.",
    )


def _audits(key: str, result: ThresholdsResult, records: Sequence[Record]) -> Table:
    rows = []
    for point in result.curve:
        outcomes = [r.outcome for r in records if r.value == point.value and r.outcome]
        bound = np.mean([float(o.figures["memorized_lower_bound"]) for o in outcomes])
        auc = np.mean([float(o.figures["membership_auc"]) for o in outcomes])
        shares = (point.copies, point.traces, point.inconclusive, point.generalizes)
        ends = point.distance_interval
        interval = f" [{ends[0]:.4f}, {ends[1]:.4f}]" if ends else ""
        rows.append(
            (
                f"{point.value:g}",
                *(f"{round(share.value * point.trials)}" for share in shares),
                f"{bound:.0f}",
                f"{auc:.3f}",
                f"{point.distance:.4f}{interval}",
            )
        )
    name = result.parameter.name
    headings = ("copies", "traces", "inconclusive", "generalizes", "memorized, at least", "AUC")
    return Table(
        f"{key}: audits, from weak to strong",
        (name, *headings, "energy distance"),
        tuple(rows),
        "Numbers of runs by verdict and kind; means over runs.",
    )
