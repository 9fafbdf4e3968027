"""`byheart audit`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byheart.auditing.settings import options
from byheart.cli.arguments import Json, folder, with_settings
from byheart.cli.progress import stages
from byheart.report.screen import echo

if TYPE_CHECKING:
    from byheart.auditing.result import AuditResult


class FailOn(StrEnum):
    """Outcomes that can make the command exit with 1."""

    copies = "copies"
    traces = "traces"
    memorizes = "memorizes"
    inconclusive = "inconclusive"
    verbatim = "verbatim"
    unverified = "unverified"


@with_settings(options())
def audit(
    train: Annotated[str, typer.Option(help="Samples the model was trained on.")],
    generated: Annotated[str, typer.Option(help="Samples that the model generated.")],
    heldout: Annotated[
        str | None, typer.Option(help="Samples of the same origin that the model never saw.")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for report.json, report.html and the lists as CSV.")
    ] = Path("byheart-report"),
    fail_on: Annotated[
        list[FailOn] | None,
        typer.Option(help="Exit with 1 on this outcome; unverified: without a held-out set."),
    ] = None,
    examples: Annotated[
        bool, typer.Option(help="Show real values and file names in the report.")
    ] = True,
    json: Json = False,
    **given: Any,
) -> None:
    """Audit generated samples against training and held-out ones.

    **Example:** `byheart audit --train train.npy --heldout heldout.npy --generated samples.npy`

    A set of samples is a .npy, .npz, .csv, .parquet or .safetensors file (FILE::KEY when it holds
    several arrays) or a folder of images.
    """
    import byheart
    from byheart.plotting.style import require_renderer
    from byheart.report.document import without_examples

    require_renderer()  # a limit in its way is told before the work
    place = folder(out)
    with stages() as say:
        result = byheart.audit(train, heldout, generated, progress=say, **given)
        page = write(result, place, examples=examples)
    if json:
        echo((place / "report.json").read_text(encoding="utf-8"))
    else:
        tell(result if examples else without_examples(result), page)
    conditions = {*(fail_on or ())}
    if result.inputs["heldout"] is None:
        _warn_of_an_empty_gate(conditions - {"inconclusive", "unverified", "verbatim"})
    if conditions & result.outcomes():
        raise typer.Exit(1)


def _warn_of_an_empty_gate(conditions: set[FailOn]) -> None:
    for condition in sorted(conditions):
        typer.echo(
            f"byheart: warning: --fail-on {condition} cannot fail without a held-out set: nothing "
            "was tested; add --fail-on unverified, or pass --heldout",
            err=True,
        )


def write(result: AuditResult, place: Path, *, examples: bool) -> Path:
    """Write report.json, report.html and the lists as CSV, and return the page."""
    from byheart.report.document import write_json
    from byheart.report.lists import write_lists
    from byheart.report.page import write_html

    write_json(result, place / "report.json", examples=examples)
    write_lists(result, place, examples=examples)
    return write_html(result, place / "report.html", examples=examples)


def tell(result: AuditResult, page: Path, title: str | None = None) -> None:
    """Print the outcome."""
    from byheart.report.terminal import render

    render(result, page, title)
