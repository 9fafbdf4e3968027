"""The screen: what byheart prints goes through `shown` or `echo`, and so commands no terminal."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from byheart.escapes import visible, visible_lines

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


def console() -> Console:
    """Return stdout for results: lines stay whole, and no escape is written under NO_COLOR.

    Nothing is styled when stdout is not a terminal; a file has no width, so tables are not cut.
    """
    from rich.console import Console

    plain = bool(os.environ.get("NO_COLOR"))  # empty means unset: no-color.org
    screen = Console(highlight=False, soft_wrap=True, color_system=None if plain else "auto")
    if not screen.is_terminal:
        screen.width = 240
    return screen


def shown(line: object, style: str = "") -> Text:
    """Return one line for `console()`, without markup."""
    from rich.text import Text

    return Text(visible(str(line)), style=style)


def echo(text: str) -> None:
    """Print lines, or a JSON document, of which nothing commands the terminal."""
    print(visible_lines(text.removesuffix("\n")))
