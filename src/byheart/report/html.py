"""What byheart's pages share: the templates with autoescape, and a chart as a figure in the page.

The drawings are inline SVG whose colours are the page's own variables, so one drawing serves light,
dark and paper. Everything from the data goes through jinja's autoescape; only SVG drawn here is
marked as safe.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byheart.report import wording
from byheart.report.document import printable

if TYPE_CHECKING:
    import altair
    import jinja2

TEMPLATES = Path(__file__).with_name("templates")


def environment() -> jinja2.Environment:
    """Return the templates, with autoescape, strict names and the filters of `wording`."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "percent": wording.percent,
        "figure": wording.figure,
        "p_value": wording.p_value,
        "interval": wording.interval,
        "printable": printable,
        "sentence": wording.sentence_of,
        "statistic": wording.statistic_label,
    }
    return made


def figure(name: str, chart: altair.LayerChart | altair.VConcatChart) -> dict[str, Any]:
    """Return a chart's words for HTML, which wraps and scales, and its drawing without them."""
    import altair
    from markupsafe import Markup

    from byheart import plotting

    title, description = chart.title, chart.description
    bare = chart.copy(deep=False)
    bare.title = altair.Undefined
    drawing = plotting.svg(bare, name)
    drawing = re.sub(r' (?:role|aria-[a-z]+)="[^"]*"', "", drawing)
    for colour, value in plotting.COLOURS.items():
        drawing = drawing.replace(f'"{value}"', f'"var(--chart-{colour})"')
    return {
        "name": name,
        "title": title.text,
        "subtitle": " ".join(title.subtitle),
        "description": description,
        "svg": Markup(drawing),  # drawn above from numbers; no text of the data is in it
    }
