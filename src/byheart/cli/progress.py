"""The stage of a running command on stderr."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from byheart.progress import Progress, Watcher
from byheart.report.screen import shown

EVERY = 10.0  # seconds between two lines where stderr is no terminal


@contextmanager
def stages(every: float = EVERY) -> Iterator[Watcher]:
    """Show the current stage on stderr: as it is on a terminal, else a line every some seconds."""
    if not sys.stderr.isatty():
        with _lines(every) as say:
            yield say
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as status:
        yield lambda state: status.update(shown(state))


@contextmanager
def _lines(every: float) -> Iterator[Watcher]:
    """Print the stage and its age every `every` seconds, also while nothing is reported."""
    begun, current = time.monotonic(), Progress("starting")
    done = threading.Event()

    def say(state: Progress) -> None:
        nonlocal begun, current
        if state.stage != current.stage:
            begun = time.monotonic()
        current = state

    def tell() -> None:
        while not done.wait(every):
            print(
                f"byheart: {told(current, time.monotonic() - begun)}", file=sys.stderr, flush=True
            )

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield say
    finally:
        done.set()
        teller.join()


def told(state: Progress, seconds: float) -> str:
    """Return a stage with its age, and where pieces are counted, percent and what is left.

    >>> told(Progress("features", 250, 1000), 20.4)
    'features: 250 of 1,000 (25%), 20 s, about 61 s left'
    >>> told(Progress("relabelling"), 12.0)
    'relabelling, 12 s'
    """
    text = str(state)
    if state.total:
        text += f" ({state.done / state.total:.0%})"
    text += f", {seconds:.0f} s"
    if state.total and state.done:
        text += f", about {seconds * (state.total - state.done) / state.done:.0f} s left"
    return text
