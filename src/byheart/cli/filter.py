"""`byheart filter`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from byheart.cli.arguments import Json


def filter(
    report: Annotated[Path, typer.Argument(help="A report.json.")],
    generated: Annotated[str, typer.Option(help="The generated set that the report was made of.")],
    out: Annotated[Path, typer.Option(help="New file or folder, in the format of that set.")],
    json: Json = False,
) -> None:
    """Write the generated set without the rows that copy a training row.

    **Example:** `byheart filter byheart-report/report.json --generated samples.npy --out clean.npy`

    Those rows are the lines of copies.csv. The clean set is to be audited anew, on held-out rows
    that were not used yet.
    """
    from json import dumps

    from byheart.report.filtering import filter_generated

    done = filter_generated(report, generated, out)
    if json:
        typer.echo(dumps({**asdict(done), "path": str(done.path)}, indent=2, ensure_ascii=False))
    else:
        for sentence in done.sentences():
            typer.echo(sentence)
