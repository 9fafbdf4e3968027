"""The audit's outcome in a few lines of a terminal."""

from __future__ import annotations

from pathlib import Path

from byheart.auditing.result import AuditResult

STYLES = {"memorizes": "bold red", "generalizes": "bold green", "inconclusive": "bold yellow"}


def render(result: AuditResult, page: Path, title: str | None = None) -> None:
    """Print verdict, figures and where the report is; plain when stdout is not a terminal."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    headline = Text()
    if title:
        headline.append(f"{title}: ")
    headline.append(result.verdict, style=STYLES[result.verdict])
    if result.kind:
        headline.append(f" ({result.kind})")
    console.print(headline)
    console.print(Text(f"  {result.reason}"))
    for line in figures(result):
        console.print(Text(f"  {line}"))
    for warning in result.warnings:
        console.print(Text(f"  note: {warning}", style="dim"))
    console.print(Text(f"  report: {page}"))


def figures(result: AuditResult) -> list[str]:
    """Return the lines of figures, without the verdict and the reason."""
    lines = []
    if result.p_value is not None:
        lines.append(f"p-value of the whole family: {result.p_value:.3g} (level {result.level:g})")
    if result.copies is not None:
        train = result.inputs["train"]
        rows = f" of {train.rows:,}" if train else ""
        lines.append(
            f"memorized training points: at least {result.copies.memorized_lower_bound:,}{rows} "
            f"(confidence {1 - result.level:.0%}), {len(result.copies.flagged_train):,} named"
        )
    if result.membership is not None:
        low, high = result.membership.auc_interval
        lines.append(f"membership AUC: {result.membership.auc:.3f} [{low:.3f}, {high:.3f}]")
    if result.controls is not None and result.verdict != "memorizes":
        rate = result.controls.minimum_detectable_rate
        seen = "none" if rate is None else f"{rate:.2%} of the training set"
        lines.append(f"smallest share of copies it would have found: {seen}")
    return lines
