"""`byheart transition`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from byheart.cli.arguments import Json, folder

if TYPE_CHECKING:
    from byheart.lab.sweeps.plan import Plan
    from byheart.lab.sweeps.record import Record


def transition(
    store: Annotated[Path, typer.Argument(metavar="STORE.sqlite", help="Records of a sweep.")],
    out: Annotated[Path, typer.Option(help="Folder for transition.html.")] = Path(
        "byheart-transition"
    ),
    records: Annotated[
        Path | None, typer.Option(help="Write the records too: a .csv or .parquet file.")
    ] = None,
    level: Annotated[float, typer.Option(help="Probability that an interval misses.")] = 0.05,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    json: Json = False,
) -> None:
    """Say where a model stops memorizing as its data grow, and whether it gets better there.

    **Example:** `byheart transition linear.sqlite --out linear`

    Reads the store of `byheart sweep`, which need not be finished. If the sweep is over a parameter
    of the model, it says from which value on the verdict is `generalizes`, and at what cost.
    """
    from json import dumps

    from byheart.lab.sweeps.store import Store
    from byheart.lab.transition.result import transition as analyse
    from byheart.report.transition import render, write_html

    with Store.read(store) as kept:
        plan = kept.plan
        made = kept.records()
        if records is not None:
            kept.export(records)
    measure = plan.measure
    if plan.parameter:
        _thresholds(plan, made, store, folder(out), level=level, seed=seed, json=json)
        return
    found = analyse(made, level=level, seed=seed)
    page = write_html(found, folder(out) / "transition.html", source=store.name, measure=measure)
    if json:
        typer.echo(dumps(found.to_dict(), indent=2, allow_nan=False))
    else:
        render(found, page, measure=measure)


def _thresholds(
    plan: Plan,
    records: list[Record],
    store: Path,
    out: Path,
    *,
    level: float,
    seed: int,
    json: bool,
) -> None:
    """Tell where a parameter that was swept makes copies vanish and the verdict `generalizes`."""
    from json import dumps

    from byheart.lab.transition.thresholds import thresholds
    from byheart.report.thresholds import render, write_html

    if plan.parameter is None:
        raise RuntimeError("a sweep over a parameter has one")
    found = thresholds(records, plan.parameter, level=level, seed=seed)
    page = write_html(found, plan, out / "transition.html", source=store.name)
    if json:
        typer.echo(dumps(found.to_dict(), indent=2, allow_nan=False))
    else:
        render(found, plan, page)
