"""`byheart reproduce`, and what every experiment of a paper does on a command line."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from byheart.cli.arguments import Json, TrialEngine, Workers, folder
from byheart.report.screen import echo

if TYPE_CHECKING:
    from byheart.lab.reproduction.reproduction import Reproduction

Quick = Annotated[bool, typer.Option("--quick", help="Fewer runs and variants: minutes.")]
Out = Annotated[
    Path | None, typer.Option(help="Folder; by default byheart-NAME, and -quick with --quick.")
]


class Experiment(StrEnum):
    """Experiments of arXiv 2411.17807; NAME is done by byheart.lab.reproduction.NAME."""

    linear = "linear"
    unet = "unet"


def reproduce(
    experiment: Annotated[Experiment, typer.Argument(help="Which experiment.")],
    quick: Quick = False,
    out: Out = None,
    engine: TrialEngine = "local",
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Repeat an experiment of arXiv 2411.17807 and put its claims beside what is measured.

    **Example:** `byheart reproduce linear --quick`

    Started again with the same folder its sweeps go on where they were. `unet` needs the extra
    `neural`.
    """
    from importlib import import_module

    module = import_module(f"byheart.lab.reproduction.{experiment.name}")
    perform(
        module.reproduce,
        experiment.value,
        quick=quick,
        out=out,
        engine=engine,
        workers=workers,
        json=json,
    )


def perform(
    reproduce: Callable[..., Reproduction],
    name: str,
    *,
    quick: bool,
    out: Path | None,
    engine: str = "local",
    workers: int | None = 1,
    json: bool,
) -> None:
    """Call `reproduce(laboratory, quick=...)`, write NAME.json and NAME.html, and tell.

    out: a folder, by default byheart-NAME, and -quick with `quick`.
    """
    from byheart.lab.reproduction.reproduction import Laboratory
    from byheart.lab.sweeps.sweep import engine_named
    from byheart.report.reproduction import render, write_html, write_json
    from byheart.report.sweep import progress_bar

    place = folder(out or Path(f"byheart-{name}{'-quick' if quick else ''}"))
    with progress_bar() as update:
        laboratory = Laboratory(place, engine_named(engine, workers), update)
        result = reproduce(laboratory, quick=quick)
    data = write_json(result, place / f"{name}.json")
    page = write_html(result, place / f"{name}.html")
    if json:
        echo(data.read_text(encoding="utf-8"))
    else:
        render(result, page)
