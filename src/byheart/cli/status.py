"""Exit statuses of a command line: every error is one line on stderr and a number."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import typer

from byheart.errors import ByheartError


def exit_status(
    call: Callable[[], int | None], debug: bool = False, *, program: str = "byheart"
) -> int:
    """Run a command and return its exit status; with `debug` errors keep their traceback.

    call: a click command in its mode without exits of its own. program: as the user has called it.

    >>> exit_status(lambda: None), exit_status(lambda: 1)
    (0, 1)
    """
    try:
        status = int(call() or 0)
        return _complain(program, "interrupted", 130) if status == 130 else status
    except (typer.Abort, KeyboardInterrupt):  # which of these it is depends on typer's version
        return _complain(program, "interrupted", 130)
    except BrokenPipeError:  # the reader of our output has gone: nothing is wrong here
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            raise
        if isinstance(error, ByheartError):
            return _complain(program, str(error), 2)
        if hasattr(error, "format_message"):  # a usage error of click, which typer may bundle
            return _complain(program, f"{error.format_message()} ({program} COMMAND --help)", 2)
        message = f"internal error: {type(error).__name__}: {error} (--debug shows where)"
        return _complain(program, message, 3)


def _complain(program: str, message: str, status: int) -> int:
    typer.echo(f"{program}: " + " ".join(message.split()), err=True)
    return status
