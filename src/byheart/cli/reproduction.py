"""One experiment of a paper on the command line: run, written to its folder, printed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from byheart.lab.reproduction.reproduction import Reproduction


def perform(
    reproduce: Callable[..., Reproduction],
    name: str,
    *,
    quick: bool,
    out: Path | None,
    engine: str = "serial",
    workers: int | None = None,
    json: bool,
) -> None:
    """Call `reproduce(laboratory, quick=...)`, write NAME.json and NAME.html, and tell.

    out: a folder, by default byheart-NAME, and -quick with `quick`.
    """
    from byheart.cli import _folder
    from byheart.lab.reproduction.reproduction import Laboratory
    from byheart.lab.sweeps.sweep import engine_named
    from byheart.report.reproduction import render, write_html, write_json
    from byheart.report.sweep import progress_bar

    folder = _folder(out or Path(f"byheart-{name}{'-quick' if quick else ''}"))
    with progress_bar() as update:
        laboratory = Laboratory(folder, engine_named(engine, workers), update)
        result = reproduce(laboratory, quick=quick)
    data = write_json(result, folder / f"{name}.json")
    page = write_html(result, folder / f"{name}.html")
    if json:
        typer.echo(data.read_text(encoding="utf-8"), nl=False)
    else:
        render(result, page)
