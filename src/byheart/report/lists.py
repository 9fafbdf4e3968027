"""The lists that one acts on, as CSV: copies.csv, training_rows.csv, closest_pairs.csv.

The columns are the fields of the records. A text that a spreadsheet would run as a formula gets an
apostrophe before it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from byheart.auditing.result import AuditResult, CopyingRow, TrainingRow
from byheart.report.document import printable, without_examples, write_text

COPIES, TRAINING, CLOSEST = "copies.csv", "training_rows.csv", "closest_pairs.csv"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def lists(result: AuditResult) -> dict[str, str]:
    """Return the text of each list of `result` by the name of its file.

    copies.csv has a line for every generated row that copies a training row, training_rows.csv one
    for every training row that comes back or has a twin; closest_pairs.csv is there without a
    held-out set only.
    """
    texts = {
        COPIES: _text(CopyingRow, result.copying_rows),
        TRAINING: _text(TrainingRow, result.training_rows),
    }
    if result.untested is not None:
        texts[CLOSEST] = _text(CopyingRow, result.untested.closest)
    return texts


def write_lists(result: AuditResult, folder: Path, *, examples: bool = True) -> list[Path]:
    """Write the lists to `folder`, each whole or not at all, and return their paths.

    With `examples=False` they hold row numbers and figures, no name. Raises UsageError when the
    folder does not exist or cannot be written.
    """
    kept = result if examples else without_examples(result)
    return [write_text(folder / name, text) for name, text in lists(kept).items()]


def _text(
    record: type[CopyingRow] | type[TrainingRow], rows: Sequence[CopyingRow | TrainingRow]
) -> str:
    names = [f.name for f in fields(record)]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(getattr(row, name)) for name in names] for row in rows)
    return buffer.getvalue()


def _cell(value: object) -> object:
    """Return a cell: missing is empty, true and false are words, no text is a formula.

    >>> _cell("=1+1"), _cell(True), _cell(None), _cell(0.25)
    ("'=1+1", 'true', '', 0.25)
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        text = printable(value)
        return f"'{text}" if text.startswith(_FORMULA) else text
    return "" if value is None else value
