"""`byheart sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byheart.cli.arguments import Json, TrialEngine, Workers
from byheart.report.screen import echo


def sweep(
    plan: Annotated[Path, typer.Argument(metavar="PLAN.toml", help="What to train and measure.")],
    store: Annotated[Path, typer.Option(help="SQLite file of the records; made when missing.")],
    engine: TrialEngine = "local",
    workers: Workers = None,
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Run trials again that ended in an error.")
    ] = False,
    json: Json = False,
) -> None:
    """Train a model many times on training sets of growing size, and keep what comes out.

    **Example:** `byheart sweep plan.toml --store linear.sqlite`

    What the store has is not run again: after Ctrl-C, or worse, the same command goes on.
    `byheart transition linear.sqlite` reads the store.
    """
    from byheart.lab.sweeps.plan import Plan
    from byheart.lab.sweeps.sweep import engine_named
    from byheart.lab.sweeps.sweep import sweep as run_sweep
    from byheart.report.sweep import progress_bar, summary, summary_json

    chosen = Plan.load(plan)
    with progress_bar() as update:
        records = run_sweep(
            chosen,
            store,
            engine=engine_named(engine, workers),
            retry_errors=retry_errors,
            progress=update,
        )
    if json:
        echo(summary_json(chosen, records))
    else:
        summary(chosen, records, store)
