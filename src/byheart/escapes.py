r"""Text from outside (names, cells, reports) as text that commands nothing.

A terminal obeys control characters and escape sequences, and shows text after a mark of direction
in another order; a spreadsheet computes a cell that begins like a formula.
"""

from __future__ import annotations

import json
import re

# Control characters, separators of lines, marks of direction and annotation, tags, and what stands
# for the bytes of a name that is not UTF-8.
_COMMANDS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_FORMULA = re.compile(r"[=+\-@\t\r\n]")


def visible(line: str) -> str:
    r"""Return `line` with everything that commands or reorders as an escape.

    The escapes are those of JSON: a line of a JSON document keeps its meaning.

    >>> print(visible("a\x1b[2K\n\u202eb"))
    a\u001b[2K\n\u202eb
    """
    return _COMMANDS.sub(lambda sign: json.dumps(sign[0])[1:-1], line)


def visible_lines(text: str) -> str:
    r"""Return `text` with its line breaks kept and each line `visible`.

    >>> print(visible_lines("a\n\tb"))
    a
    \tb
    """
    return "\n".join(visible(line) for line in text.split("\n"))


def csv_cell(text: str) -> str:
    """Return `text` as a cell that no spreadsheet takes for a formula.

    >>> csv_cell("=1+1"), csv_cell("row 3")
    ("'=1+1", 'row 3')
    """
    return f"'{text}" if _FORMULA.match(text) else text
