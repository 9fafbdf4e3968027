"""`byheart verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from byheart.auditing.settings import options
from byheart.cli.arguments import Json, with_settings
from byheart.cli.progress import stages
from byheart.escapes import visible
from byheart.report.screen import echo


@with_settings([name for name, option in options().items() if option.repeat != "report"])
def verify(
    report: Annotated[Path, typer.Argument(help="A report.json.")],
    json: Json = False,
    **given: Any,
) -> None:
    """Hash the inputs of a report again, repeat the audit, compare.

    **Example:** `byheart verify byheart-report/report.json`

    What names code or files, such as --features, is never taken from the report: repeat it.
    """
    from json import dumps

    from byheart.report.verification import verify as check

    with stages() as say:
        differences = check(report, progress=say, **given)
    if json:
        found = {"report": str(report), "same": not differences, "differences": differences}
        echo(dumps(found, indent=2, ensure_ascii=False))
    elif differences:
        for difference in differences:
            echo(visible(difference))
    else:
        echo(f"{visible(str(report))}: the inputs are unchanged and the audit comes out the same")
    if differences:
        raise typer.Exit(1)
