"""Memory that was freed but not given back."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def give_back() -> None:
    """Return freed memory to the system.

    The C library of Linux keeps what threads have freed, for each thread apart, and after some
    hundred arrays of some MiB holds several times what is in use. Elsewhere this does nothing.
    """
    with suppress(AttributeError, OSError, TypeError):  # another system or library
        ctypes.CDLL(None).malloc_trim(0)
