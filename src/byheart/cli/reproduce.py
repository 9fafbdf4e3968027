"""`byheart reproduce`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from byheart.cli.arguments import Json, TrialEngine, Workers, folder


class Experiment(StrEnum):
    """Experiments of arXiv 2411.17807; NAME is done by byheart.lab.reproduction.NAME."""

    linear = "linear"
    unet = "unet"


def reproduce(
    experiment: Annotated[Experiment, typer.Argument(help="Which experiment.")],
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer runs and variants: minutes.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder; by default byheart-EXPERIMENT, and -quick with --quick."),
    ] = None,
    engine: TrialEngine = "process",
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Repeat an experiment of arXiv 2411.17807 and put its claims beside what is measured.

    **Example:** `byheart reproduce linear --quick`

    Started again with the same folder it goes on where it was. `unet` needs the extra `neural`.
    """
    from importlib import import_module

    from byheart.lab.reproduction.reproduction import Laboratory
    from byheart.lab.sweeps.sweep import engine_named
    from byheart.report.reproduction import render, write_html, write_json
    from byheart.report.sweep import progress_bar

    default = f"byheart-{experiment.value}{'-quick' if quick else ''}"
    place = folder(out or Path(default))
    with progress_bar() as update:
        laboratory = Laboratory(place, engine_named(engine, workers), update)
        module = import_module(f"byheart.lab.reproduction.{experiment.name}")
        result = module.reproduce(laboratory, quick=quick)
    data = write_json(result, place / f"{experiment.value}.json")
    page = write_html(result, place / f"{experiment.value}.html")
    if json:
        typer.echo(data.read_text(encoding="utf-8"), nl=False)
    else:
        render(result, page)
