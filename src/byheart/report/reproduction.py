"""A reproduction on the terminal, as JSON and as one self-contained page."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from byheart._version import __version__
from byheart.lab.reproduction.reproduction import Reproduction
from byheart.report.document import timestamp, write_text
from byheart.report.html import environment, figure
from byheart.report.screen import shown
from byheart.report.script import POLICY, script

STYLES = {"yes": "bold green", "partly": "bold yellow", "no": "bold red"}
WORDS = {"yes": "agrees", "partly": "agrees in part", "no": "does not agree"}
COLOURS = {"yes": "generalizes", "partly": "inconclusive", "no": "memorizes"}


def write_json(result: Reproduction, path: Path) -> Path:
    """Write all figures to `path` and return it."""
    return write_text(path, json.dumps(result.to_dict(), indent=2, allow_nan=False) + "\n")


def write_html(result: Reproduction, path: Path) -> Path:
    """Write the page to `path`, whole or not at all, and return the path."""
    from byheart import plotting

    charts = [
        (
            curve,
            figure(f"{result.name}-{i}", plotting.transition_chart(curve.result)),
        )
        for i, curve in enumerate(result.curves)
    ]
    drawn = {
        f"{result.name}-graph-{i}": plotting.graph_chart(g) for i, g in enumerate(result.graphs)
    }
    graphs = [figure(name, chart) for name, chart in drawn.items()]
    live = script({name: plotting.interactive(chart) for name, chart in drawn.items()})
    page = (
        environment()
        .get_template("reproduction.html")
        .render(
            result=result,
            words=WORDS,
            colours=COLOURS,
            charts=charts,
            graphs=graphs,
            policy=live.policy if live else POLICY,
            script=live,
            created=timestamp(),
            version=__version__,
        )
    )
    return write_text(path, page)


def render(result: Reproduction, page: Path) -> None:
    """Print the claims with what was measured, the tables, and where the page is."""
    from rich.console import Console
    from rich.table import Table

    # A file has no width: tables keep their rows whole there.
    width = None if sys.stdout.isatty() else 200
    console = Console(highlight=False, soft_wrap=True, width=width)
    console.print(shown(f"{result.paper}, {result.name}: {result.settings}"))
    for claim in result.claims:
        console.print()
        console.print(shown(WORDS[claim.agrees], STYLES[claim.agrees]))
        console.print(shown(f"  claim:    {claim.statement}"))
        console.print(shown(f"  measured: {claim.measured}"))
    for table in result.tables:
        console.print()
        console.print(shown(table.title, "bold"))
        grid = Table(box=None, pad_edge=False)
        for heading in table.headings:
            grid.add_column(shown(heading))
        for row in table.rows:
            grid.add_row(*map(shown, row))
        console.print(grid)
        if table.note:
            console.print(shown(table.note, "dim"))
    console.print()
    console.print(shown(f"report: {page}"))
