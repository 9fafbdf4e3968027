"""tau_gen and tau_mem over training time (Bonnaire et al. 2025; Favero et al. 2025), on digits.

A residual network learns n digits at a fixed batch size and learning rate; `training_time` watches
it at steps evenly spaced in their logs, against the same number of held-out digits for every n.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from byheart.lab.measures.training_time import (
    Onset,
    PowerLaw,
    TrainingTimes,
    checkpoints,
    log_steps,
    power_law,
    watch,
)
from byheart.lab.reproduction.reproduction import Claim, Laboratory, Reproduction
from byheart.lab.sweeps.engines import Trial
from byheart.lab.sweeps.material import digits
from byheart.lab.sweeps.record import Outcome
from byheart.plotting.graph import Graph, Series
from byheart.plotting.table import Table
from papers.trials import run_trials

PAPER = "arXiv 2505.17638v2 and 2505.16959v1"
TIMES = ("tau_gen", "tau_mem", "copies")


@dataclass(frozen=True)
class Setting:
    """sizes: n; repeats: networks for each; last: step at which training ends; looks: on the way.

    heldout, samples: numbers of points in every look.
    """

    sizes: tuple[int, ...]
    repeats: int
    last: int
    looks: int
    heldout: int
    samples: int
    batch_size: int = 50
    learning_rate: float = 1e-3
    width: int = 256


SETTINGS = {  # quick
    True: Setting((50, 100, 200, 400), 4, 1500, 16, 700, 300),
    False: Setting((50, 100, 200, 400, 800), 6, 15_000, 24, 700, 400),
}


def reproduce(laboratory: Laboratory, *, quick: bool) -> Reproduction:
    """Run the experiment; needs the extra `neural`. quick: fewer, shorter runs."""
    return reproduce_in(SETTINGS[quick], laboratory)


def reproduce_in(setting: Setting, laboratory: Laboratory) -> Reproduction:
    """Run the experiment in one setting."""
    runs = _runs(laboratory, setting)
    laws = {name: _law(runs, name) for name in TIMES}
    return Reproduction(
        name="training-time",
        paper=PAPER,
        settings=(
            f"digits 8 x 8, a residual network of width {setting.width}, batch "
            f"{setting.batch_size}, Adam at {setting.learning_rate:g}, {setting.last:,} steps, "
            f"{setting.repeats} networks for each n; about {setting.looks} looks of "
            f"{setting.samples} samples against {setting.heldout} held-out digits"
        ),
        claims=(
            _proportional(
                "The time at which memorization sets in grows in proportion to n.",
                "first significant lean on the training points",
                laws["tau_mem"],
            ),
            _proportional(
                "The same of copies, in the papers' sense of memorization.",
                "first copies named or reproduced beyond chance",
                laws["copies"],
            ),
            _constant(laws["tau_gen"], laws["tau_mem"]),
            _window(runs, setting),
        ),
        curves=(),
        tables=(_times(runs, setting), _laws(laws)),
        graphs=_graphs(runs, setting),
    )


def _runs(laboratory: Laboratory, setting: Setting) -> list[TrainingTimes]:
    trials = [Trial(n, r) for r in range(setting.repeats) for n in setting.sizes]
    done = run_trials(laboratory, "training time", _trial, setting, trials)
    return [_parse(str(outcome.figures["run"])) for _, outcome in done]


def _trial(setting: Setting, trial: Trial) -> Outcome:
    """Train and watch one network; positive: no lean on the training points was ever found."""
    from byheart.lab.diffusion.neural import NeuralDenoiser, mlp
    from byheart.threads import one_thread

    seeds = np.random.SeedSequence(0, spawn_key=(trial.n, trial.repeat))
    points = np.random.default_rng(seeds).permutation(digits().reshape(-1, 64))
    train, heldout = points[: trial.n], points[trial.n : trial.n + setting.heldout]
    seed = int(seeds.generate_state(1)[0])
    with one_thread():  # once more: torch may have been loaded just now
        network = mlp(train.shape[1], width=setting.width, seed=seed)
        run = watch(
            train,
            heldout,
            checkpoints(
                NeuralDenoiser.for_points(network, train),
                train,
                log_steps(4, setting.last, setting.looks),
                batch_size=setting.batch_size,
                learning_rate=setting.learning_rate,
                seed=seed,
            ),
            looks=setting.looks,
            samples=setting.samples,
            seed=trial.repeat,
        )
    lean = run.auc[-1] - 0.5
    size = math.log(abs(lean)) if lean else -math.inf
    figures = {"run": json.dumps(asdict(run))}
    return Outcome(math.isinf(run.tau_mem.by), size, min(run.quality), figures)


def _parse(text: str) -> TrainingTimes:
    values = json.loads(text)
    for name, value in values.items():
        if isinstance(value, dict):
            values[name] = Onset(**value)
        elif isinstance(value, list):
            values[name] = tuple(value)
    return TrainingTimes(**values)


def _law(runs: Sequence[TrainingTimes], name: str) -> PowerLaw:
    return power_law([run.n for run in runs], [getattr(run, name) for run in runs])


def _law_text(law: PowerLaw) -> str:
    if law.exponent is None:
        return f"no exponent: seen in {law.seen} of {law.runs} runs, at fewer than two sizes"
    low, high = law.interval
    return f"n^{law.exponent:.2f} [{low:.2f}, {high:.2f}], seen in {law.seen} of {law.runs} runs"


def _proportional(statement: str, what: str, law: PowerLaw) -> Claim:
    low, high = law.interval
    return Claim(
        statement,
        f"{what[0].upper()}{what[1:]}: {_law_text(law)}.",
        "no" if low <= 0 else "yes" if low <= 1 <= high else "partly",
    )


def _constant(gen: PowerLaw, mem: PowerLaw) -> Claim:
    low, high = gen.interval
    slower = gen.exponent is not None and mem.exponent is not None and gen.exponent < mem.exponent
    return Claim(
        "The time at which samples become good does not depend on n.",
        f"First quality as good as the best of the run within noise: {_law_text(gen)}.",
        "yes" if low <= 0 <= high and math.isfinite(high) else "partly" if slower else "no",
    )


def _window(runs: Sequence[TrainingTimes], setting: Setting) -> Claim:
    largest = [run for run in runs if run.n == setting.sizes[-1]]
    before = {
        name: sum(run.tau_gen.by <= getattr(run, name).after for run in largest)
        for name in ("tau_mem", "copies")
    }
    word = {name: f"{count} of {len(largest)}" for name, count in before.items()}
    return Claim(
        "Samples become good before memorization sets in, so that there is a time to stop.",
        f"At n = {setting.sizes[-1]:,} the best quality was reached before the first significant "
        f"lean in {word['tau_mem']} runs, before the first copies in {word['copies']}.",
        "yes"
        if before["tau_mem"] == len(largest)
        else "partly"
        if 2 * before["copies"] > len(largest)
        else "no",
    )


def _step(value: float) -> str:
    return "never" if math.isinf(value) else f"{value:,.0f}"


def _times(runs: Sequence[TrainingTimes], setting: Setting) -> Table:
    rows = []
    for n in setting.sizes:
        of_size = [run for run in runs if run.n == n]
        cells = []
        for name in TIMES:
            onsets = sorted((getattr(run, name) for run in of_size), key=lambda o: o.by)
            low, high = min(o.after for o in onsets), onsets[-1].by
            cells.append(f"{_step(_median(onsets))} [{_step(low)}, {_step(high)}]")
        rows.append(
            (
                f"{n:,}",
                *cells,
                f"{np.mean([min(run.quality) for run in of_size]):.4f}",
                f"{np.mean([run.quality[-1] for run in of_size]):.4f}",
                f"{np.mean([run.auc[-1] for run in of_size]):.3f}",
                f"{np.mean([run.ratio[-1] for run in of_size]):.3f}",
            )
        )
    return Table(
        "Times in gradient steps: median over networks [earliest, latest]",
        (
            "n",
            "tau_gen",
            "tau_mem",
            "copies",
            "best quality",
            "last quality",
            "last AUC",
            "last share of copies by ratio",
        ),
        tuple(rows),
        f"never: not within {setting.last:,} steps. Quality: energy distance to held-out digits. "
        "By ratio: nearest training point at less than a third of the distance of the second.",
    )


def _median(onsets: Sequence[Onset]) -> float:
    """Return the upper median of the steps by which it was seen; inf when fewer than half were."""
    return sorted(onset.by for onset in onsets)[len(onsets) // 2]


def _laws(laws: dict[str, PowerLaw]) -> Table:
    rows = []
    for name, law in laws.items():
        low, high = law.interval
        known = law.exponent is not None
        rows.append(
            (
                name,
                f"{law.exponent:.2f}" if known else "",
                f"[{low:.2f}, {high:.2f}]" if known else "",
                f"{law.factor:.3g}" if known else "",
                f"{law.scatter:.2f}" if known else "",
                f"{law.seen} of {law.runs}",
            )
        )
    return Table(
        "Power laws, factor n^exponent",
        ("time", "exponent", "95% interval", "factor, steps", "scatter of log", "runs seen"),
        tuple(rows),
        "Likelihood of interval-censored times; a time not seen counts as later than the run.",
    )


def _graphs(runs: Sequence[TrainingTimes], setting: Setting) -> tuple[Graph, ...]:
    shown = setting.sizes[:: max(1, -(-len(setting.sizes) // 4))]
    times = tuple(s for s in (_time_series(runs, setting, name) for name in TIMES) if s.x)
    scales = Graph(
        "Times of training",
        "Above tau_mem samples lean on training points; tau_gen is when they are good.",
        "training points, n",
        "gradient steps",
        times,
        log_x=True,
        log_y=True,
    )
    return (
        *((scales,) if times else ()),  # none was seen in half of the runs of any size
        Graph(
            "Memorization over training time",
            "1/2 is no trace of the training points, 1 tells all of them from held-out ones.",
            "gradient steps",
            "membership AUC, mean over networks",
            tuple(_curve(runs, n, lambda run: run.auc) for n in shown),
            log_x=True,
        ),
        Graph(
            "Quality over training time",
            "0 is the law of the held-out digits; lower is better.",
            "gradient steps",
            "energy distance, mean over networks",
            tuple(_curve(runs, n, lambda run: run.quality) for n in shown),
            log_x=True,
            log_y=True,
        ),
    )


def _time_series(runs: Sequence[TrainingTimes], setting: Setting, name: str) -> Series:
    """Medians of the sizes at which more than half of the runs had it, from earliest to latest."""
    x, y, ends = [], [], []
    for n in setting.sizes:
        onsets = [getattr(run, name) for run in runs if run.n == n]
        middle = _median(onsets)
        if math.isinf(middle):
            continue
        latest = max(o.by if math.isfinite(o.by) else o.after for o in onsets)
        x.append(float(n))
        y.append(middle)
        ends.append((max(1.0, min(o.after for o in onsets)), latest))
    return Series(name, tuple(x), tuple(y), tuple(ends))


def _curve(
    runs: Sequence[TrainingTimes], n: int, figure: Callable[[TrainingTimes], tuple[float, ...]]
) -> Series:
    of_size = [run for run in runs if run.n == n]
    values = np.mean([figure(run) for run in of_size], axis=0)
    return Series(
        f"n = {n:,}", tuple(float(s) for s in of_size[0].steps), tuple(float(v) for v in values)
    )
