"""`byheart transition`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byheart.cli.arguments import Json, folder
from byheart.report.screen import echo


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
    from byheart.lab.transition.analysis import analyse
    from byheart.report.transition import render, write_html

    with Store.read(store) as kept:
        plan = kept.plan
        made = kept.records()
        if records is not None:
            kept.export(records)
    found = analyse(made, plan, level=level, seed=seed)
    page = write_html(found, plan, folder(out) / "transition.html", source=store.name)
    if json:
        echo(dumps(found.to_dict(), indent=2, allow_nan=False))
    else:
        render(found, plan, page)
