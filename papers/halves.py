"""The two-network test of Kadkhodaie et al. 2024, and what it does not show.

Linear models of isotropic Gaussian data in 100 dimensions stand beside the exact agreement
(`theory.agreement`), with and without a planted factor (Maillard and Goldt 2026) and with a noise
floor. Then digits, with models that are known to copy (empirical), to lean on their points
(kernel-smoothed), to know two moments only (linear), and a network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from byheart.intervals import Interval
from byheart.lab.diffusion import (
    Denoiser,
    EmpiricalDenoiser,
    EulerSampler,
    GaussianDenoiser,
    HeunSampler,
    KernelSmoothedDenoiser,
    LinearDenoiser,
    Sampler,
    Start,
    VarianceExploding,
)
from byheart.lab.measures.halves import Halves, compare_halves, train_halves
from byheart.lab.reproduction.reproduction import Claim, Laboratory, Reproduction
from byheart.lab.sweeps.engines import Trial
from byheart.lab.sweeps.material import digits
from byheart.lab.sweeps.record import Outcome
from byheart.lab.theory.agreement import factor_overlap, isotropic_agreement, linear_agreement
from byheart.lab.theory.linear_model import MultiStepLinear
from byheart.plotting.graph import Graph, Series
from byheart.plotting.table import Table
from papers.cells import mean_interval, mean_text
from papers.trials import run_trials

Array = NDArray[np.float64]

PAPER = "arXiv 2310.02557v3"
DIMENSION, STRENGTH = 100, 0.5  # of Gaussian data; variance of the planted factor
FLOORS, FLOOR_SIZE = (1e-4, 1.0, 10.0), 100
BANDWIDTH, NOISE_FLOOR = 0.25, 0.01  # of digits' kernels, and of their linear model
HIGH, LEANS = 0.8, 0.75  # agreement that counts as high; share nearer to the own half that leans


@dataclass(frozen=True)
class Setting:
    """repeats: splits of each size; sizes: points of each half, of digits.

    network_sizes, linear_sizes: the same, for the network and for Gaussian data. pairs: of samples
    from the same noise. training_steps: of the network.
    """

    repeats: int
    network_sizes: tuple[int, ...]
    sizes: tuple[int, ...] = (25, 50, 100, 200, 400, 800)
    linear_sizes: tuple[int, ...] = (25, 50, 100, 200, 400, 1000)
    pairs: int = 400
    training_steps: int = 1000


SETTINGS = {True: Setting(4, (50, 200, 800)), False: Setting(12, Setting.sizes)}  # quick


def reproduce(laboratory: Laboratory, *, quick: bool) -> Reproduction:
    """Run the experiment; the network needs the extra `neural`. quick: fewer splits and sizes."""
    return reproduce_in(SETTINGS[quick], laboratory)


def reproduce_in(setting: Setting, laboratory: Laboratory) -> Reproduction:
    """Run the experiment in one setting."""
    repeats = setting.repeats
    plain, factor = (
        _run(laboratory, kind, partial(_linear_trial, setting.pairs), setting.linear_sizes, repeats)
        for kind in (0.0, STRENGTH)
    )
    floor_trial = partial(_floor_trial, setting.pairs)
    floors = {
        floor: _run(laboratory, (0.0, floor), floor_trial, (FLOOR_SIZE,), repeats)[FLOOR_SIZE]
        for floor in FLOORS
    }
    models = {
        name: _run(
            laboratory,
            name,
            partial(_digit_trial, setting),
            setting.network_sizes if name == "network" else setting.sizes,
            repeats,
        )
        for name in (*DENOISERS, "network")
    }
    return Reproduction(
        name="halves",
        paper=PAPER,
        settings=(
            f"two models on disjoint halves of n points, {setting.pairs} pairs of samples from the "
            f"same noise, {repeats} splits; Gaussian data in d = {DIMENSION}, digits 8 x 8; "
            f"network: residual, {setting.training_steps:,} gradient steps"
        ),
        claims=(
            _oracle(plain),
            _bound(plain, factor),
            _recovery(plain, factor),
            _transition(models["network"]),
            _memorization(models),
        ),
        curves=(),
        tables=(_linear_table(plain, factor), _floor_table(floors), _digit_table(models)),
        graphs=_graphs(plain, factor, models),
    )


@dataclass(frozen=True)
class Cell:
    """Figures of the splits of one size; their means, with t intervals of 95%."""

    figures: dict[str, Array]

    def mean(self, name: str) -> float:
        return float(self.figures[name].mean())

    def interval(self, name: str, level: float = 0.05) -> Interval:
        return mean_interval(self.figures[name], level)[1]

    def text(self, name: str) -> str:
        return mean_text(self.figures[name], 3)


Cells = dict[int, Cell]


def _run(
    laboratory: Laboratory,
    material: object,
    task: Callable[..., Outcome],
    sizes: Sequence[int],
    repeats: int,
) -> Cells:
    """Run `repeats` splits of each size; an error of a split is raised."""
    trials = [Trial(n, r) for n in sizes for r in range(repeats)]
    found: dict[int, list[dict[str, float]]] = {n: [] for n in sizes}
    for trial, outcome in run_trials(laboratory, f"halves, {material}", task, material, trials):
        found[trial.n].append({key: float(value) for key, value in outcome.figures.items()})
    return {
        n: Cell({key: np.sort([row[key] for row in rows]) for key in rows[0]})
        for n, rows in found.items()
    }


def _linear_trial(pairs: int, strength: float, trial: Trial) -> Outcome:
    return _floor_trial(pairs, (strength, FLOORS[0]), trial)


def _floor_trial(pairs: int, material: tuple[float, float], trial: Trial) -> Outcome:
    """Two linear models of Gaussian data with a factor, beside the true law's own samples."""
    strength, floor = material
    code = (trial.n, trial.repeat, round(1e4 * strength), round(1e4 * floor))
    data, noise = np.random.SeedSequence(0, spawn_key=code).spawn(2)
    deviations = np.ones(DIMENSION)
    deviations[0] = math.sqrt(1 + strength)
    rng = np.random.default_rng(data)
    halves = deviations * rng.standard_normal((2, trial.n, DIMENSION))
    schedule = VarianceExploding(math.sqrt(floor), 100.0)
    truth = VarianceExploding(math.sqrt(FLOORS[0]), 100.0)
    law = GaussianDenoiser(np.zeros(DIMENSION), np.diag(deviations**2))
    samplers = [
        *(
            HeunSampler(
                LinearDenoiser.fit(half), schedule, 60, "noise_floor", Start(half.mean(axis=0))
            )
            for half in halves
        ),
        HeunSampler(law, truth, 60, "noise_floor"),
    ]
    a, b, true = (s.sample(pairs, np.random.default_rng(noise)) for s in samplers)
    found = compare_halves(a, b, *halves)
    leading = [np.linalg.svd(half - half.mean(axis=0))[2][0, 0] ** 2 for half in halves]
    return _outcome(
        found,
        truth=float(np.mean([_cosine(x, true) for x in (a, b)])),
        factor=float(np.mean(leading)),
    )


def _cosine(a: Array, b: Array) -> float:
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    return float(
        np.mean((a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1))
    )


DENOISERS: dict[str, Callable[[Array], Denoiser]] = {
    "linear": lambda half: LinearDenoiser.fit(half, NOISE_FLOOR),
    "kernel-smoothed": lambda half: KernelSmoothedDenoiser(half, BANDWIDTH),
    "empirical": EmpiricalDenoiser,
}


def _digit_trial(setting: Setting, name: str, trial: Trial) -> Outcome:
    points = digits().reshape(-1, 64)
    seeds = np.random.SeedSequence(1, spawn_key=(trial.n, trial.repeat))
    points = np.random.default_rng(seeds).permutation(points)[: 2 * trial.n]
    network = partial(_network, setting.training_steps)
    fit = network if name == "network" else _flow(DENOISERS[name])
    return _outcome(train_halves(points, fit, pairs=setting.pairs, seed=trial.repeat))


def _flow(denoiser: Callable[[Array], Denoiser]) -> Callable[[Array, int], Sampler]:
    """Return a `fit` for `train_halves`: the probability flow of `denoiser(half)` in 40 steps."""

    def fit(half: Array, seed: int) -> Sampler:
        schedule = VarianceExploding(0.05, 40.0)
        start = Start(half.mean(axis=0))
        return HeunSampler(denoiser(half), schedule, 40, "posterior_mean", start)

    return fit


def _network(steps: int, half: Array, seed: int) -> Sampler:
    from byheart.lab.diffusion.neural import NeuralDenoiser, mlp
    from byheart.lab.diffusion.training import train
    from byheart.threads import one_thread

    with one_thread():  # once more: torch may have been loaded just now
        denoiser = NeuralDenoiser.for_points(mlp(half.shape[1], seed=seed), half)
        for state in train(denoiser, half, epochs=steps, learning_rate=1e-3, seed=seed):
            if state.step >= steps:
                break
    return EulerSampler(denoiser, denoiser.schedule, 50, "posterior_mean", denoiser.start)


def _outcome(found: Halves, **more: float) -> Outcome:
    """Return the figures of one split; positive: no significant lean on the own half."""
    figures: dict[str, float | str] = {
        "agreement": found.agreement.value,
        "chance": found.chance,
        "difference": found.difference.value,
        "own_similarity": found.own_similarity.value,
        "other_similarity": found.other_similarity.value,
        "own_distance": found.own_distance.value,
        "other_distance": found.other_distance.value,
        "nearer_own": found.nearer_own.value,
        **more,
    }
    lean = found.nearer_own.value - 0.5
    size = math.log(abs(lean)) if lean else -math.inf
    return Outcome(found.nearer_own.interval[0] <= 0.5, size, found.difference.value, figures)


def _predicted(n: int) -> float:
    return float(isotropic_agreement((n - 1) / DIMENSION, DIMENSION))


def _oracle(plain: Cells) -> Claim:
    gaps = {n: cell.mean("agreement") - _predicted(n) for n, cell in plain.items()}
    # A mean of cosines is not the cosine of means: a term of order 1/d, below .3/d here.
    level = 0.05 / len(plain)  # all sizes together miss with probability 5%
    fits = {
        n: abs(gap) <= _width(plain[n], "agreement", level) + 0.3 / DIMENSION
        for n, gap in gaps.items()
    }
    worst = max(gaps, key=lambda n: abs(gaps[n]))
    half = ", ".join(
        f"{plain[n].mean('agreement'):.3f} measured and {_predicted(n):.3f} predicted at n/d = "
        f"{n / DIMENSION:g}"
        for n in plain
        if n in (50, 100)
    )
    return Claim(
        "Linear models on isotropic data agree by q = (∫ √x dMP)² (this project's theory).",
        f"{half}; largest gap {gaps[worst]:+.4f} at n = {worst:,}; {sum(fits.values())} of "
        f"{len(fits)} sizes agree within joint intervals and .3/d.",
        "yes" if all(fits.values()) else "partly" if any(fits.values()) else "no",
    )


def _bound(*data: Cells) -> Claim:
    cells = [cell for cells in data for cell in cells.values()]
    # mean(cosine)² against mean agreement, with the error of both
    slack = [
        cell.mean("truth") ** 2 - cell.mean("agreement") - _width(cell, "agreement")
        for cell in cells
    ]
    equal = max(abs(cell.mean("truth") ** 2 - cell.mean("agreement")) for cell in cells)
    return Claim(
        "The squared cosine with the truth is at most the agreement, equal for isotropic data "
        "(this project's theory).",
        f"It is at most the agreement, within its interval, in {sum(s <= 0 for s in slack)} of "
        f"{len(cells)} cells; the two differ by at most {equal:.3f}.",
        "yes" if max(slack) <= 0 else "no",
    )


def _width(cell: Cell, name: str, level: float = 0.05) -> float:
    return cell.interval(name, level)[1] - cell.mean(name)


def _recovery(plain: Cells, factor: Cells) -> Claim:
    """Agreement with and without a factor, and how much of the factor is found."""
    same = all(
        abs(plain[n].mean("agreement") - factor[n].mean("agreement"))
        <= math.hypot(_width(plain[n], "agreement"), _width(factor[n], "agreement")) + 1 / DIMENSION
        for n in plain
    )
    threshold = 1 / STRENGTH**2
    below = [n for n in factor if (n - 1) / DIMENSION <= threshold]
    n, last = below[-1], max(factor)
    lost = factor[n].mean("factor") < 0.5
    return Claim(
        "Two models converge while the data's principal factor is not recovered, which happens "
        "later, in a sharp transition (Maillard and Goldt 2026, arXiv 2605.21402v1).",
        f"A factor of strength {STRENGTH:g} changes the agreement by at most "
        f"{max(abs(plain[k].mean('agreement') - factor[k].mean('agreement')) for k in plain):.3f}. "
        f"At n = {n:,} the models agree by {factor[n].text('agreement')}, and of the factor "
        f"{factor[n].text('factor')} is found (predicted for d → ∞: "
        f"{float(factor_overlap(STRENGTH, (n - 1) / DIMENSION)):.2f}); at n = {last:,} "
        f"{factor[last].text('factor')} "
        f"({float(factor_overlap(STRENGTH, (last - 1) / DIMENSION)):.2f}).",
        "yes" if same and lost and factor[n].mean("agreement") >= HIGH else "partly",
    )


def _transition(network: Cells) -> Claim:
    """Agreement against the similarity to the own half, at the two ends."""
    small, large = network[min(network)], network[max(network)]
    rises = small.interval("agreement")[1] < large.interval("agreement")[0]
    crosses = small.mean("agreement") < small.mean("own_similarity") and large.mean(
        "agreement"
    ) > large.mean("own_similarity")
    falls = small.interval("nearer_own")[0] > large.interval("nearer_own")[1]
    words = "; ".join(
        f"at n = {n:,} agreement {cell.text('agreement')}, similarity to the nearest own training "
        f"point {cell.text('own_similarity')}, nearer to the own half in "
        f"{cell.text('nearer_own')} of samples"
        for n, cell in ((min(network), small), (max(network), large))
    )
    return Claim(
        "With few points each network reproduces its own; with many the two make nearly the same "
        "samples, which differ from the training points.",
        f"Network on digits: {words}.",
        "yes" if rises and crosses and falls else "partly" if rises and falls else "no",
    )


def _memorization(models: dict[str, Cells]) -> Claim:
    """Whether some model both agrees and leans on its own half."""
    found = [
        (name, n, cell)
        for name, cells in models.items()
        for n, cell in cells.items()
        if cell.interval("agreement")[0] >= HIGH and cell.interval("nearer_own")[0] >= LEANS
    ]
    name, n, cell = max(found, key=lambda f: f[2].mean("agreement"), default=("", 0, None))
    most = max(models["empirical"])
    copier = models["empirical"][most]
    copies = f"two exact copiers agree by {copier.text('agreement')} at n = {most:,}"
    strongest = (
        f"{len(found)} cells with an agreement of {HIGH:g} or more are nearer to their own half in "
        f"{LEANS:g} of samples or more"
    )
    if cell:
        strongest += (
            f", such as the {name} model at n = {n:,}: agreement {cell.text('agreement')}, nearer "
            f"to the own half in {cell.text('nearer_own')}"
        )
    return Claim(
        "Models that agree do not lean on their training points (how the test is often read).",
        f"On digits {strongest}; {copies}.",
        "no" if found else "yes",
    )


def _linear_table(plain: Cells, factor: Cells) -> Table:
    law = MultiStepLinear(np.ones(1), np.array([float(DIMENSION)]))
    rows = tuple(
        (
            f"{n:,}",
            cell.text("agreement"),
            f"{_predicted(n):.3f}",
            f"{cell.mean('truth') ** 2:.3f}",
            f"{float(law.expected_kl(n, FLOORS[0])):.3g}",
            factor[n].text("agreement"),
            factor[n].text("factor"),
            f"{float(factor_overlap(STRENGTH, (n - 1) / DIMENSION)):.3f}",
        )
        for n, cell in plain.items()
    )
    return Table(
        f"Linear models, Gaussian data, d = {DIMENSION}",
        (
            "n of each half",
            "agreement",
            "predicted",
            "squared cosine with the truth",
            "E KL to the truth, nats",
            f"agreement, factor of {STRENGTH:g}",
            "of the factor found",
            "predicted",
        ),
        rows,
        f"Noise floor {FLOORS[0]:g}, means over splits with 95% intervals. E KL: the exact theory "
        "of the forecast. Of the factor found: the squared cosine of the leading axis with it; "
        f"predicted for d → ∞, where nothing is found up to n/d = {1 / STRENGTH**2:g}.",
    )


def _floor_table(floors: dict[float, Cell]) -> Table:
    law = MultiStepLinear(np.ones(1), np.array([float(DIMENSION)]))
    rows = tuple(
        (
            f"{floor:g}",
            cell.text("agreement"),
            f"{linear_agreement([1.0], FLOOR_SIZE, floor, [DIMENSION]).agreement:.3f}",
            f"{float(law.expected_kl(FLOOR_SIZE, floor)):.3g}",
            f"{float(law.expected_reverse_kl(FLOOR_SIZE, floor)):.3g}",
        )
        for floor, cell in floors.items()
    )
    return Table(
        f"A noise floor makes models agree, n = {FLOOR_SIZE}",
        (
            "noise floor",
            "agreement",
            "predicted",
            "E KL(model, truth), nats",
            "E KL(truth, model), nats",
        ),
        rows,
        "A variance added to every direction: both models return ever more of the common noise.",
    )


def _digit_table(models: dict[str, Cells]) -> Table:
    rows = tuple(
        (
            name,
            f"{n:,}",
            cell.text("agreement"),
            f"{cell.mean('difference'):.3f}",
            f"{cell.mean('own_similarity'):.3f}",
            f"{cell.mean('other_similarity'):.3f}",
            f"{cell.mean('own_distance'):.2f}",
            f"{cell.mean('other_distance'):.2f}",
            cell.text("nearer_own"),
        )
        for name, cells in models.items()
        for n, cell in cells.items()
    )
    return Table(
        "Digits",
        (
            "model",
            "n of each half",
            "agreement",
            "difference",
            "similarity, own half",
            "other half",
            "distance, own half",
            "other half",
            "nearer to the own half",
        ),
        rows,
        "Difference: 0 is equal, 1 is chance. Similarity: largest cosine with a training point. "
        "Distance: 1 is where a fresh digit lies. Nearer to the own half: 1/2 without a trace.",
    )


def _series(name: str, cells: Cells, figure: str) -> Series:
    return Series(
        name,
        tuple(float(n) for n in cells),
        tuple(cell.mean(figure) for cell in cells.values()),
        tuple(cell.interval(figure) for cell in cells.values()),
    )


def _graphs(plain: Cells, factor: Cells, models: dict[str, Cells]) -> tuple[Graph, ...]:
    sizes = tuple(float(n) for n in plain)
    half = "points of each half, n"
    network = models["network"]
    return (
        Graph(
            "Agreement is not recovery",
            "Linear models agree on the noise long before they find the data's one factor.",
            half,
            "agreement, or share found",
            (
                Series("agreement, predicted", sizes, tuple(_predicted(n) for n in plain)),
                _series("agreement, measured", plain, "agreement"),
                _series("of the factor found", factor, "factor"),
            ),
            log_x=True,
        ),
        Graph(
            "Two networks on halves of the digits",
            "They generalize where they agree more than they resemble their own training points.",
            half,
            "cosine",
            (
                _series("agreement", network, "agreement"),
                _series("nearest of the own half", network, "own_similarity"),
                _series("nearest of the other half", network, "other_similarity"),
            ),
            log_x=True,
        ),
        Graph(
            "Agreement of two models, digits",
            "Copiers agree too: the empirical model returns training points at every n.",
            half,
            "agreement",
            tuple(_series(name, cells, "agreement") for name, cells in models.items()),
            log_x=True,
        ),
        Graph(
            "Lean on the own half, digits",
            "1/2 is no trace, 1 is memorization: what agreement does not tell.",
            half,
            "share nearer to the own half",
            tuple(_series(name, cells, "nearer_own") for name, cells in models.items()),
            log_x=True,
        ),
    )
