"""Files: an input is opened here, so that only regular ones are; an output is replaced whole."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from byheart.errors import InputError, UsageError

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_MOST = 2**28  # bytes of a document that is read as a whole


def regular(path: Path, where: str) -> os.stat_result:
    """Return what the system says of the file at `path`.

    Raises InputError for one that is not there or cannot be reached, and for what is no file: a
    folder, or a pipe or device, which would block or never end.
    """
    try:
        found = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = error.strerror if isinstance(error, OSError) else "no name of a file"
        raise InputError(f"{where}: cannot be read, {why}; give a file") from None
    kind = _KINDS.get(stat.S_IFMT(found.st_mode))
    if kind is not None:
        raise InputError(f"{where}: is {kind}, not a file; save its content as a file first")
    return found


def opened(path: Path, where: str) -> BinaryIO:
    """Open the regular file at `path` to be read; raises InputError for anything else.

    >>> opened(Path("/dev"), "train")
    Traceback (most recent call last):
    byheart.errors.InputError: train: is a folder, not a file; save its content as a file first
    """
    regular(path, where)  # before it is opened: that alone may wait, or wind a tape
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"{where}: cannot be read, {error.strerror}") from None


def content(path: Path, where: str, most: int = _MOST) -> bytes:
    """Return the bytes of a document; InputError for what `opened` refuses, and above `most`."""
    with opened(path, where) as file:
        try:
            size = os.fstat(file.fileno()).st_size  # asked for more, Python takes that memory
            found = file.read(min(most, size + 2**16) + 1)
        except OSError as error:
            raise InputError(f"{where}: cannot be read, {error.strerror}") from None
    if len(found) > most:
        raise InputError(f"{where}: is larger than {most:,} bytes, as none should be")
    return found


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the name of a file beside `path` that takes its place at the end, whole or not at all.

    Raises UsageError when the folder does not exist or cannot be written.
    """
    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        with suppress(OSError):
            temporary.unlink()
