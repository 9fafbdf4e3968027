"""A forecast of how many rows a linear model needs, as lines of text."""

from __future__ import annotations

import math

from byheart.intervals import Estimate
from byheart.lab.theory.forecast import Forecast

_NAMED = 8  # rows at risk in the text


def describe(made: Forecast) -> list[str]:
    """Return the forecast in a few lines of text."""
    spread = math.sqrt(made.noise_floor)
    lines = [
        f"{made.rows:,} rows in {made.dimension:,} directions; noise floor {made.noise_floor:.3g} "
        f"(standard deviation {spread:.3g}); best by second moments alone "
        f"{_text(made.optimal_noise_floor)}",
        f"n_gen, where the linear model begins to generalize: {_text(made.n_gen)} rows",
        f"with {made.rows:,} rows its excess loss over a perfect fit at that floor is about "
        f"{_text(made.excess_loss)} nats",
    ]
    if made.more_rows is not None:
        need = _round(made.more_rows.value * made.rows)
        lines.append(
            f"for half of that it needs about {_text(made.more_rows)} times the rows: {need:,}"
        )
    shown = made.checks if len(made.checks) < 3 else (made.checks[0], made.checks[-1])
    for check in shown:
        low, high = check.interval
        outcome = "holds" if check.holds else "FAILS, the prediction is off by more than that"
        lines.append(
            f"honesty test at noise floor {check.noise_floor:.3g}: held-out log loss with "
            f"{check.rows:,} rows predicted from half of the data "
            f"{check.predicted:.2f} [{low:.2f}, {high:.2f}], measured {check.measured:.2f}: "
            f"{outcome}"
        )
    if made.at_risk:
        lines.append(
            f"most at risk of being memorized, the most isolated first: "
            f"{', '.join(risk.name for risk in made.at_risk[:_NAMED])}; {made.alone:,} of "
            f"{made.rows:,} rows stand alone at that floor"
        )
    lines += [f"note: {note}" for note in made.notes]
    lines.append("This is a floor from second moments, not a promise for a neural network.")
    return lines


def _round(value: float) -> int:
    """Two significant digits."""
    return int(float(f"{value:.2g}"))


def _text(estimate: Estimate) -> str:
    low, high = estimate.interval
    return f"{estimate.value:.3g} [{low:.3g}, {high:.3g}]"
