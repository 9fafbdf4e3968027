"""Exit statuses of a command line: every error is one line on stderr and a number."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress

import typer

from byheart.errors import ByheartError
from byheart.escapes import visible

# What a machine may refuse whatever byheart does: room, permission, a name, a file, a thread.
_REFUSALS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO),
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO, errno.ENODEV),
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EBUSY, errno.ESTALE),
}


def exit_status(
    call: Callable[[], int | None], debug: bool = False, *, program: str = "byheart"
) -> int:
    """Run a command and return its exit status; with `debug` errors keep their traceback.

    call: a click command in its mode without exits of its own. program: as the user has called it.

    >>> exit_status(lambda: None), exit_status(lambda: 1)
    (0, 1)
    """
    for stream in (sys.stdout, sys.stderr):  # an encoding that lacks a sign of ours ends nothing
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            if not (debug or sys.warnoptions):
                warnings.simplefilter("ignore")  # what a user has to know stands in the report
            status = int(call() or 0)
        sys.stdout.flush()  # here, where a full disk can still be told
        return _complain(program, "interrupted", 130) if status == 130 else status
    except (typer.Abort, KeyboardInterrupt):  # which of these it is depends on typer's version
        return _complain(program, "interrupted", 130)
    except BrokenPipeError:  # the reader of our output has gone: nothing is wrong here
        _drop_output()
        return 0
    except Exception as error:
        if debug:
            raise
        if isinstance(error, ByheartError):
            return _complain(program, str(error), 2)
        if hasattr(error, "format_message"):  # a usage error of click, which typer may bundle
            return _complain(program, f"{error.format_message()} ({program} COMMAND --help)", 2)
        refusal = _refusal(error)
        if refusal:
            _drop_output()
            return _complain(program, refusal, 2)
        message = f"internal error: {type(error).__name__}: {error} (--debug shows where)"
        return _complain(program, message, 3)


def _refusal(error: Exception) -> str | None:
    """Return what the machine has refused and what to do; None for a defect of ours."""
    if isinstance(error, MemoryError):
        return "not enough memory; lower --max-memory, give fewer rows, or raise the limit (ulimit)"
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return "the system starts no more threads; raise the limit (ulimit -u, ulimit -v)"
    if not isinstance(error, OSError) or error.errno not in _REFUSALS:
        return None
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    return f"{where}{error.strerror}; free or name another place, and start again"


def _drop_output() -> None:
    """Throw away what stdout still holds, which would fail once more at the end of the process."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        return
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(program: str, message: str, status: int) -> int:
    with suppress(OSError):  # stderr may be full or closed too
        typer.echo(f"{program}: " + visible(" ".join(message.split())), err=True)
    return status
