"""`byheart compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byheart.cli.arguments import Json, folder
from byheart.report.screen import echo


def compare(
    reports: Annotated[
        list[Path], typer.Argument(metavar="A.json B.json ...", help="Two report.json or more.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for compare.html.")] = Path("byheart-compare"),
    json: Json = False,
) -> None:
    """Put several audits side by side, and say what makes the comparison unfair.

    **Example:** `byheart compare step-1000/report.json step-2000/report.json`

    For checkpoints, models, or sizes of the training set; sorted as given.
    """
    from byheart.report.comparison import as_json
    from byheart.report.comparison import compare as put_side_by_side
    from byheart.report.comparison_page import render, write_html

    comparison = put_side_by_side(reports)
    page = write_html(comparison, folder(out) / "compare.html")
    if json:
        echo(as_json(comparison))
    else:
        render(comparison, page)
