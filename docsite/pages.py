"""All generated pages: path below docs/ -> Markdown."""

from __future__ import annotations

from docsite import command_line, plan_files, python_api, report_json


def generated() -> dict[str, str]:
    """Return every generated page.

    >>> sorted(generated())[0]
    'reference/command-line.md'
    """
    return {
        "reference/command-line.md": command_line.page(),
        "reference/plan-files.md": plan_files.page(),
        "reference/report-json.md": report_json.page(),
        **python_api.pages(),
    }
