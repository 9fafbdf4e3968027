"""compare.html, and the same table in a terminal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byheart._version import __version__
from byheart.intervals import Interval
from byheart.report.comparison import Comparison, Entry
from byheart.report.document import timestamp, write_text
from byheart.report.html import environment, figure
from byheart.report.screen import console, shown
from byheart.report.script import POLICY, script
from byheart.report.terminal import STYLES
from byheart.report.wording import controls, interval, p_value, percent
from byheart.report.wording import figure as number

if TYPE_CHECKING:
    import altair

HEADINGS = (
    "Report",
    "Verdict",
    "p-value",
    "Memorized, at least",
    "Named",
    "Copying rows",
    "Membership AUC",
    "Delta",
    "Smallest share seen",
    "Controls",
    "Rows (train, held-out, generated)",
)


def write_html(comparison: Comparison, path: str | Path) -> Path:
    """Write compare.html to `path`, whole or not at all, and return the path."""
    from byheart.plotting import interactive

    drawn = _charts(comparison)
    live = script({name: interactive(chart) for name, chart in drawn})
    entries = comparison.entries
    memorizing = sum(entry.verdict == "memorizes" for entry in entries)
    page = (
        environment()
        .get_template("compare.html")
        .render(
            comparison=comparison,
            memorizing=memorizing,
            sentence=sentence(comparison),
            colour="memorizes" if memorizing else _only(entries),
            rows=rows(comparison),
            headings=HEADINGS,
            corrected=number(comparison.level / len(entries)),
            charts=[figure(name, chart) for name, chart in drawn],
            script=live,
            policy=live.policy if live else POLICY,
            created=timestamp(),
            version=__version__,
        )
    )
    return write_text(Path(path), page)


def sentence(comparison: Comparison) -> str:
    """Return the comparison in one sentence."""
    verdicts = Counter(entry.verdict for entry in comparison.entries)
    said = {
        "memorizes": ("memorizes", "memorize"),
        "generalizes": ("generalizes", "generalize"),
        "inconclusive": ("is inconclusive", "are inconclusive"),
    }
    parts = [
        f"{verdicts[verdict]} {one if verdicts[verdict] == 1 else many}"
        for verdict, (one, many) in said.items()
        if verdicts[verdict]
    ]
    listed = parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
    return f"Of {len(comparison.entries)} audits {listed}."


def rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Return one row of text per report, in the columns of HEADINGS."""
    return [
        (
            entry.name,
            entry.verdict + (f" ({entry.kind})" if entry.kind else ""),
            p_value(entry.p_value),
            _bound(entry),
            number(entry.named),
            number(entry.copying_rows),
            _with_interval(percent(entry.auc), interval(entry.auc_interval, in_percent=True)),
            _with_interval(number(entry.delta), interval(entry.delta_interval)),
            percent(entry.minimum_detectable_rate),
            controls(entry.controls) or "none",
            f"{entry.train_rows:,}, {number(entry.heldout_rows)}, {entry.generated_rows:,}",
        )
        for entry in comparison.entries
    ]


def render(comparison: Comparison, page: Path) -> None:
    """Print the sentence, the table, what is unfair, and where the page is."""
    from rich.table import Table

    screen = console()
    screen.print(shown(sentence(comparison), "bold"))
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in HEADINGS[:-1]:
        grid.add_column(shown(heading), overflow="fold")
    for entry, row in zip(comparison.entries, rows(comparison), strict=True):
        cells = [shown(cell) for cell in row[:-1]]
        cells[1].stylize(STYLES[entry.verdict])
        grid.add_row(*cells)
    screen.print(grid)
    for warning in comparison.warnings:
        screen.print(shown(f"warning: {warning}"))
    screen.print(shown(f"report: {page}"))


def _charts(comparison: Comparison) -> list[tuple[str, altair.LayerChart]]:
    from byheart.plotting import comparison_chart

    entries = comparison.entries
    names = [f"{i + 1} {entry.name[-40:]}" for i, entry in enumerate(entries)]

    charts: list[tuple[str, altair.LayerChart]] = []

    def add(
        name: str, values: list[float | None], ends: list[Interval | None], **words: Any
    ) -> None:
        if any(value is not None for value in values):
            known = [math.nan if value is None else value for value in values]
            charts.append((name, comparison_chart(names, known, ends, **words)))

    add(
        "bound",
        [entry.memorized_share for entry in entries],
        [None] * len(entries),
        title="Memorized, at least",
        subtitle="Share of the training set, a bound from below. Left is good.",
        unit="share of training points",
        percent=True,
    )
    add(
        "auc",
        [entry.auc for entry in entries],
        [entry.auc_interval for entry in entries],
        title="Membership AUC",
        subtitle="Right of the dashed line at 50% (chance) means memorization. On the line is "
        "good.",
        unit="AUC",
        reference=0.5,
        percent=True,
    )
    add(
        "delta",
        [entry.delta for entry in entries],
        [entry.delta_interval for entry in entries],
        title="Relative distance Delta, KL form",
        subtitle="Left of 0 the samples lie nearer to train; whether by more than chance, each "
        "report says. At its middle bandwidth.",
        unit="Delta (nats)",
        reference=0.0,
    )
    return charts


def _bound(entry: Entry) -> str:
    if entry.memorized_lower_bound is None:
        return "–"
    share = f" ({percent(entry.memorized_share)})" if entry.memorized_share is not None else ""
    return f"{entry.memorized_lower_bound:,}{share}"


def _with_interval(value: str, ends: str) -> str:
    return value if ends == "–" else f"{value} [{ends}]"


def _only(entries: Sequence[Entry]) -> str:
    verdicts = {entry.verdict for entry in entries}
    return verdicts.pop() if len(verdicts) == 1 else "inconclusive"
