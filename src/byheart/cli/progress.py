"""The stage of a running command on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from byheart.progress import Watcher
from byheart.report.screen import shown


@contextmanager
def stages() -> Iterator[Watcher]:
    """Show the current stage on stderr while it is a terminal; otherwise stay quiet."""
    if not sys.stderr.isatty():
        yield lambda state: None
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as status:
        yield lambda state: status.update(shown(state))
