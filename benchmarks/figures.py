"""Draw the figures of docs/explanation/solvable-model.md: theory lines through simulated points.

python -m benchmarks.figures [--trials 40] [--out docs/images]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.transition_table import share_positive
from byheart.lab.theory.solvable_model import LinearOneStep
from byheart.lab.theory.transition import Transition
from byheart.plotting import svg, theory_chart


def divergence(trials: int) -> str:
    """Return E KL over n/d at d = 100 for three noise scales, as SVG."""
    lines, points = {}, {}
    for noise_scale in (0.3, 1.0, 3.0):
        model = LinearOneStep(100, 2.0, noise_scale)
        sizes = np.unique(np.round(np.geomspace(105, 3000, 120)).astype(int))
        name = f"lambda = {noise_scale:g}, 1/r = {1 / model.correlation:.2f}"
        values = zip(sizes / 100, model.expected_kl(sizes), strict=True)
        lines[name] = [(float(a), float(b)) for a, b in values]
        points[name] = []
        for n in (115, 150, 200, 300, 600, 1500):
            found = model.simulate(n, trials, seed=n).kl
            points[name].append((n / 100, found.mean, found.standard_error))
    chart = theory_chart(
        lines,
        points,
        x="n/d",
        y="expected divergence, nats",
        title="Expected divergence, d = 100, T = 2",
        subtitle="Lines: closed form. Points: simulation, two standard errors. Lower is better.",
        log_y=True,
    )
    return svg(chart, "divergence")


def transition(trials: int) -> str:
    """Return P(Delta > 0) over n/d for three dimensions, as SVG."""
    lines, points = {}, {}
    for d in (16, 36, 100):
        linear = LinearOneStep(d, 2.0, 1.0)
        model = Transition(d, linear.correlation)
        name = f"d = {d}"
        sizes = np.unique(np.round(np.geomspace(1.15 * d + 2, 12 * d, 40)).astype(int))
        lines[name] = [(n / d, model.probability(int(n), draws=1000)) for n in sizes]
        points[name] = []
        for ratio in (1.5, 2, 3, 4, 8):
            share = share_positive(linear, round(ratio * d), trials, seed=1)
            points[name].append((ratio, share, float(np.sqrt(share * (1 - share) / trials))))
    chart = theory_chart(
        lines,
        points,
        x="n/d",
        y="P(Delta > 0)",
        title="Probability of generalization, T = 2, lambda = 1",
        subtitle="Lines: prediction. Points: simulation, two s.e. High: no memorization.",
    )
    return svg(chart, "transition")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    for name, draw in (("divergence", divergence), ("transition", transition)):
        path = options.out / f"{name}.svg"
        path.write_text(draw(options.trials) + "\n", encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
