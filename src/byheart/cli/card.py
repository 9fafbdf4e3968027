"""`byheart card`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byheart.report.screen import echo


def card(
    report: Annotated[Path, typer.Argument(help="A report.json.")],
) -> None:
    """Print an audit as Markdown for a model card.

    **Example:** `byheart card byheart-report/report.json`
    """
    from byheart.report.card import model_card

    echo(model_card(report))
