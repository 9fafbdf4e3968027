"""A sweep on the terminal: its progress, and a summary of what its store holds."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from byheart.lab.sweeps.plan import Plan
from byheart.lab.sweeps.record import Record
from byheart.progress import Progress, Watcher
from byheart.report.screen import shown


@contextmanager
def progress_bar() -> Iterator[Watcher]:
    """Show trials done, time left and errors on stderr while it is a terminal."""
    if not sys.stderr.isatty():
        yield lambda state: None
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(elapsed_when_finished=True),
        progress.TextColumn("{task.fields[errors]}", style="red"),
    )
    console = Console(stderr=True)
    with progress.Progress(*columns, console=console, speed_estimate_period=600) as bar:
        task = bar.add_task("", total=None, errors="")
        stage = None

        def update(state: Progress) -> None:
            nonlocal stage
            if state.stage != stage:  # trials of an earlier run say nothing about speed
                stage = state.stage
                bar.reset(task, total=state.total, completed=state.done, description=stage)
            errors = f"{state.failed:,} failed" if state.failed else ""
            bar.update(task, completed=state.done, errors=errors)

        yield update


def summary(plan: Plan, records: list[Record], store: Path) -> None:
    """Print what the store holds for each n, and the next command."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    measure = plan.measure
    table = Table(box=None, pad_edge=False)
    name = plan.sweep.parameter
    for heading in (*([name] if name else []), "n", "trials", "P(Delta > 0)", "median distance"):
        table.add_column(heading, justify="right")
    for row in _by_size(records, name):
        share = "" if row["p_positive"] is None else f"{row['p_positive']:.2f}"
        middle = "" if row["distance"] is None else f"{row['distance']:.4g}"
        value = [f"{row[name]:.6g}"] if name else []
        table.add_row(*value, f"{row['n']:,}", f"{row['trials']:,}", share, middle)
    console.print(table)
    console.print(shown(f"Delta > 0: {measure.delta}", "dim"))
    console.print(shown(f"distance: {measure.distance}", "dim"))
    failed = [record for record in records if record.error]
    if failed:
        first = failed[0]
        console.print(
            shown(
                f"{len(failed):,} of {len(records):,} trials failed; the first, n = {first.n}, "
                f"repeat {first.repeat}{f', {name} = {first.value:.6g}' if name else ''}: "
                f"{first.error}",
                "yellow",
            )
        )
    if len(failed) < len(records):
        console.print(shown(f"next: byheart transition {store}"))


def summary_json(plan: Plan, records: list[Record]) -> str:
    """Return the same as JSON."""
    content: dict[str, Any] = {
        "plan": plan.stated(),
        "trials": len(records),
        "errors": sum(record.error is not None for record in records),
        "curve": [
            {**row, "distance": "inf" if row["distance"] == float("inf") else row["distance"]}
            for row in _by_size(records, plan.sweep.parameter)
        ],
    }
    return json.dumps(content, indent=2, allow_nan=False)


def _by_size(records: list[Record], parameter: str | None) -> list[dict[str, Any]]:
    """Return one row for each n, or for each value of the parameter."""
    from statistics import median

    rows = []
    for n, value in sorted({(record.n, record.value) for record in records}):
        outcomes = [r.outcome for r in records if (r.n, r.value) == (n, value) and r.outcome]
        rows.append(
            {
                **({parameter: value} if parameter else {}),
                "n": n,
                "trials": len(outcomes),
                "p_positive": sum(o.positive for o in outcomes) / len(outcomes)
                if outcomes
                else None,
                "distance": median(o.distance for o in outcomes) if outcomes else None,
            }
        )
    return rows
