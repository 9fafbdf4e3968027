"""Exit statuses: whatever a program raises becomes a number and at most one line on stderr."""

from __future__ import annotations

import os
import sys

import typer

from byheart.errors import ByheartError


def exit_status(app: typer.Typer, arguments: list[str], debug: bool = False) -> int:
    """Run a program and return its exit status; with `debug` errors keep their traceback."""
    name = app.info.name or "byheart"
    try:
        command = typer.main.get_command(app)
        status = int(command(arguments or ["--help"], name, standalone_mode=False) or 0)
        return _complain("interrupted", 130) if status == 130 else status
    except (typer.Abort, KeyboardInterrupt):  # which of these it is depends on typer's version
        return _complain("interrupted", 130)
    except BrokenPipeError:  # the reader of our output has gone: nothing is wrong here
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            raise
        if isinstance(error, ByheartError):
            return _complain(str(error), 2)
        if hasattr(error, "format_message"):  # a usage error of click, which typer may bundle
            return _complain(f"{error.format_message()} ({name} COMMAND --help)", 2)
        message = f"internal error: {type(error).__name__}: {error} (--debug shows where)"
        return _complain(message, 3)


def _complain(message: str, status: int) -> int:
    typer.echo("byheart: " + " ".join(message.split()), err=True)
    return status
