"""Are isolated points memorized first? After Merger and Goldt, arXiv 2606.14390v1.

The paper's claim: local data coverage and the size of the training set decide which points are
memorized, those of low coverage first. Here isolation (`lab.measures.isolation`), computed from the
training points before any training, is put beside what models of digits then do: an associative
memory, for which isolation is derived; kernel densities; and in the full run networks whose
training stops early.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from byheart.intervals import student_half_width
from byheart.lab.measures.coverage_score import (
    THIRDS,
    Area,
    CoverageScore,
    coverage_score,
)
from byheart.lab.measures.isolation import isolation
from byheart.lab.reproduction.reproduction import Claim, Laboratory, Reproduction
from byheart.lab.sweeps.material import prepare
from byheart.lab.sweeps.models import draw_samples
from byheart.lab.sweeps.plan import Plan
from byheart.plotting.graph import Graph, Series
from byheart.plotting.table import Table
from byheart.progress import Progress
from byheart.threads import one_thread
from papers.phases import draw_digits
from papers.retrieval import Array, held_alone, retrieve

PAPER = "arXiv 2606.14390v1"
TRAINING_ROWS, HELDOUT, SAMPLES = 400, 400, 2000
MEMORY_SIZES, MEMORY_LEVELS = (100, 400, 900), (0.4, 0.5, 0.6, 0.7)
STEPS = 30
REPEATS = {True: 4, False: 8}  # quick
NETWORKS = ((100, 300), (100, 1000))  # training points, gradient steps
NETWORK_REPEATS = 4

Sampler = Callable[[Array, np.random.SeedSequence], Array]


def reproduce(laboratory: Laboratory, *, quick: bool) -> Reproduction:
    """Run the experiment; the full run needs the extra `neural`. quick: no networks.

    Raises MissingExtraError in the full run without it.
    """
    repeats, n = REPEATS[quick], TRAINING_ROWS
    models: dict[str, tuple[int, int, Sampler]] = {
        f"memory, s = 0.6, n = {n}": (n, repeats, _memory(0.6)),
        f"kernel density, bandwidth 0.2, n = {n}": (n, repeats, _kernel(0.2)),
        f"kernel density, bandwidth 0.3, n = {n}": (n, repeats, _kernel(0.3)),
    }
    if not quick:
        for rows, steps in NETWORKS:
            name = f"network, {steps:,} steps, n = {rows}"
            models[name] = (rows, NETWORK_REPEATS, _network(steps))
    scores: dict[str, list[CoverageScore]] = {}
    with one_thread():
        held = {(n, s): _held(n, s) for n in MEMORY_SIZES for s in MEMORY_LEVELS}
        for name, (rows, count, sampler) in models.items():
            scores[name] = []
            for i in range(count):
                laboratory.progress(Progress(name, i, count))
                scores[name].append(_scored(rows, i, sampler))
    return Reproduction(
        name="isolation",
        paper=PAPER,
        settings=(
            f"8 x 8 digits, {HELDOUT} held-out points, {SAMPLES:,} samples a model; {repeats} "
            "training sets of each model"
            + ("; no networks" if quick else f", {NETWORK_REPEATS} of each network")
        ),
        claims=(
            _foretold(held),
            *(_first(name, runs) for name, runs in scores.items()),
            _named(scores),
        ),
        curves=(),
        tables=(_held_table(held), _areas(scores), _thirds(scores)),
        graphs=(_graph(scores),),
    )


def _memory(noise_level: float) -> Sampler:
    def draw(points: Array, seeds: np.random.SeedSequence) -> Array:
        return retrieve(points, noise_level, STEPS, SAMPLES, np.random.default_rng(seeds))

    return draw


def _kernel(bandwidth: float) -> Sampler:
    return _sampled({"kind": "kernel-smoothed", "bandwidth": bandwidth})


def _network(steps: int) -> Sampler:
    return _sampled({"kind": "mlp", "training_steps": steps, "learning_rate": 1e-3})


def _sampled(model: dict[str, Any]) -> Sampler:
    def draw(points: Array, seeds: np.random.SeedSequence) -> Array:
        plan = Plan.parse(
            {"data": {"kind": "digits"}, "model": model, "sweep": {"n": [2], "repeats": 1}}
        )
        return draw_samples(plan.model, prepare(plan), points, SAMPLES, seeds)

    return draw


def _scored(n: int, repeat: int, sampler: Sampler) -> CoverageScore:
    data, model = np.random.SeedSequence(0, spawn_key=(n, repeat)).spawn(2)
    rows = draw_digits(n + HELDOUT, np.random.default_rng(data))
    return coverage_score(rows[:n], rows[n:], sampler(rows[:n], model), seed=repeat)


def _held(n: int, noise_level: float) -> tuple[Area, int, int]:
    """The area of isolation for the points held alone, how many they are, how many foretold."""
    rows = draw_digits(n, np.random.default_rng(np.random.SeedSequence(0, spawn_key=(n, 0))))
    held, found = held_alone(rows, noise_level), isolation(rows)
    area = Area.of(found.levels[held], found.levels[~held])
    return area, int(held.sum()), found.above(noise_level)


def _foretold(held: dict[tuple[int, float], tuple[Area, int, int]]) -> Claim:
    values = [area.value for area, _, _ in held.values() if area.value is not None]
    counts = np.array([(found, told) for _, found, told in held.values()])
    # Counts within a tenth of the points are called right.
    sizes = np.array([n for n, _ in held])
    worst = float((np.abs(counts[:, 0] - counts[:, 1]) / sizes).max())
    right = min(values) >= 0.9 and worst <= 0.1
    return Claim(
        "Local density and n alone foretell which points an exact model holds as memories of their "
        "own.",
        f"Over {len(held)} memories of digits (n = {min(MEMORY_SIZES)} to {max(MEMORY_SIZES)}, "
        f"s = {min(MEMORY_LEVELS):g} to {max(MEMORY_LEVELS):g}): area of isolation for the points "
        f"held alone {min(values):.3f} to {max(values):.3f}; number foretold less number held at "
        f"most {worst:.1%} of n.",
        "yes" if right else "partly" if min(values) > 0.5 else "no",
    )


def _first(name: str, runs: Sequence[CoverageScore]) -> Claim:
    """Whether the membership attack's area is larger among isolated points than crowded ones."""
    differences = np.array(
        [
            run.thirds[2].value - run.thirds[0].value
            for run in runs
            if run.thirds[0].value is not None and run.thirds[2].value is not None
        ]
    )
    mean, half = _mean(differences)
    crowded, isolated = (_mean(_known(runs, i))[0] for i in (0, 2))
    return Claim(
        f"Isolated points are memorized before crowded ones ({name}).",
        f"Membership area {isolated:.3f} in the isolated third and {crowded:.3f} in the crowded "
        f"one (1/2 is chance): difference {mean:+.3f} ± {half:.3f}.",
        "yes" if mean - half > 0 else "no" if mean + half < 0 else "partly",
    )


def _named(scores: dict[str, list[CoverageScore]]) -> Claim:
    """Whether the points that audits name are the isolated ones."""
    parts, above, below = [], 0, 0
    for name, runs in scores.items():
        areas = [run.named.value for run in runs if run.named.value is not None]
        if len(areas) < 2:
            parts.append(f"{name}: too few audits name some points and not all")
            continue
        mean, half = _mean(np.array(areas))
        above += mean - half > 0.5
        below += mean + half < 0.5
        parts.append(f"{name}: {mean:.3f} ± {half:.3f}")
    return Claim(
        "The points that an audit names, by their distance to the nearest sample, are the isolated "
        "ones.",
        f"Area of isolation for them (1/2 is chance): {'; '.join(parts)}.",
        "yes" if above == len(scores) else "partly" if above > below else "no",
    )


def _known(runs: Sequence[CoverageScore], third: int) -> Array:
    """The membership areas of one third of the points, of the runs that have one."""
    values = [run.thirds[third].value for run in runs]
    return np.array([value for value in values if value is not None])


def _mean(values: Array) -> tuple[float, float]:
    """Return the mean over runs and the half-width of its 95% interval by Student's t."""
    return float(values.mean()) if len(values) else math.nan, student_half_width(values)


def _held_table(held: dict[tuple[int, float], tuple[Area, int, int]]) -> Table:
    return Table(
        "Points that an associative memory of digits holds alone",
        ("n", "noise level s", "held alone", "foretold", "area of isolation"),
        tuple(
            (f"{n:,}", f"{s:g}", f"{found:,}", f"{told:,}", _area_text(area))
            for (n, s), (area, found, told) in held.items()
        ),
        "Held: energy descent from the point ends within a third of its nearest distance. "
        "Foretold: isolation above s. Areas with 95% intervals.",
    )


def _areas(scores: dict[str, list[CoverageScore]]) -> Table:
    rows = []
    for name, runs in scores.items():
        for i, run in enumerate(runs):
            rows.append(
                (
                    name,
                    f"{i}",
                    run.kind or run.verdict,
                    f"{run.named.points:,}",
                    _area_text(run.named),
                    f"{run.reproduced.points:,}",
                    _area_text(run.reproduced),
                )
            )
    return Table(
        "Area of isolation for the points that each audit finds",
        ("model", "training set", "audit", "named", "area", "reproduced", "area"),
        tuple(rows),
        "1/2 is chance. Named points are biased towards crowded regions, reproduced ones towards "
        "isolated ones, whatever the model.",
    )


def _thirds(scores: dict[str, list[CoverageScore]]) -> Table:
    rows = []
    for name, runs in scores.items():
        cells = []
        for i in range(3):
            cells.append("{:.3f} ± {:.3f}".format(*_mean(_known(runs, i))))
        rows.append((name, *cells))
    return Table(
        "Membership area by isolation",
        ("model", *THIRDS),
        tuple(rows),
        "Within each third of training and held-out points by isolation; 1/2 is chance. Means over "
        "training sets with 95% intervals.",
    )


def _graph(scores: dict[str, list[CoverageScore]]) -> Graph:
    """The membership area by third, of the first model and of the last ones, four in all."""
    series = []
    for name, runs in list(scores.items())[:1] + list(scores.items())[1:][-3:]:
        found = [_mean(_known(runs, i)) for i in range(3)]
        ends = tuple((mean - half, mean + half) for mean, half in found)
        if not all(math.isfinite(mean) for mean, _ in found):
            continue  # a third without held-out points
        series.append(
            Series(
                name,
                (1.0, 2.0, 3.0),
                tuple(mean for mean, _ in found),
                ends if all(math.isfinite(half) for _, half in found) else None,
            )
        )
    return Graph(
        "Membership area by isolation",
        "Higher is memorization, 1/2 is chance; a rise to the right: isolated points first.",
        "third of the points: 1 crowded, 2 middle, 3 isolated",
        "membership area",
        tuple(series),
    )


def _area_text(area: Area) -> str:
    if area.value is None or area.interval is None:
        return "–"
    return "{:.3f} [{:.3f}, {:.3f}]".format(area.value, *area.interval)
