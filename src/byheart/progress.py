"""How far a long piece of work is: one type for every callback that is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """The stage of a piece of work, and how much of it is done.

    stage: in words, such as "features". done, total: pieces of this stage, with those that an
    earlier run left done; total is None where they are not counted. failed: how many of this run's
    pieces ended in an error.

    >>> print(Progress("reading"), Progress("features", 30, 1000), Progress("n", 3, 9, 1), sep="; ")
    reading; features: 30 of 1,000; n: 3 of 9, 1 failed
    """

    stage: str
    done: int = 0
    total: int | None = None
    failed: int = 0

    def __str__(self) -> str:
        counted = "" if self.total is None else f": {self.done:,} of {self.total:,}"
        return f"{self.stage}{counted}{f', {self.failed:,} failed' if self.failed else ''}"


# Called when a stage begins and after each of its pieces, one call at a time, in the thread that
# started the work or while that thread waits. What it raises ends the work.
Watcher = Callable[[Progress], None]
