"""Closed-form predictions of the solvable model, as JSON and as a table of the terminal."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from byheart.lab.theory.solvable_model import Prediction


def prediction_json(predictions: Sequence[Prediction]) -> str:
    """Return a JSON list, one object per n; infinite values are the strings "inf" and "-inf"."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items()}
        if isinstance(value, float) and math.isinf(value):
            return "inf" if value > 0 else "-inf"
        return value

    return json.dumps([plain(asdict(p)) for p in predictions], indent=1, allow_nan=False)


def prediction_table(predictions: Sequence[Prediction]) -> None:
    """Print one line per n, divergences in nats."""
    from rich.console import Console
    from rich.table import Table

    first = predictions[0]
    table = Table(
        title=f"linear one-step model, d = {first.d}, T = {first.time:g}, "
        f"lambda = {first.noise_scale:g}",
        caption=f"E KL is finite from n = {first.scales.interpolation}; second scale n = "
        f"{first.scales.second:.1f}; floor for n → ∞ {first.kl_floor:.4g} nats",
    )
    table.add_column("n", justify="right")
    for name in ("E KL", "lower bound", "trace/d", "log det", "mean offset"):
        table.add_column(name, justify="right")
    table.add_column("regime")
    for p in predictions:
        figures = (
            p.kl,
            p.kl_lower_bound,
            p.trace_per_dimension,
            p.log_determinant,
            p.mean_offset,
        )
        table.add_row(f"{p.n:,}", *(f"{value:.4g}" for value in figures), p.regime)
    Console().print(table)
