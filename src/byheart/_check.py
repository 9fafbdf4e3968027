"""Arguments in, validated arguments out, or a one-line error."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from byheart.errors import InputError, UsageError

if TYPE_CHECKING:  # the command line checks its options before anything heavy is loaded
    import numpy as np
    from numpy.typing import NDArray


def matrix(x: Any, role: str) -> NDArray[np.floating[Any]]:
    """Return `x` as a finite, C-contiguous (rows, dimension) array of float32 or float64.

    float32 stays float32, half precision becomes float32, everything else float64.
    Raises InputError for another number of axes, an empty or an object array, and for the first
    value that is not finite (naming its row and column, counted from 0).

    >>> matrix([[1, 2], [3, 4]], "train").dtype
    dtype('float64')
    """
    import numpy as np

    array = np.asarray(x)
    if array.dtype == object or array.dtype.kind not in "fiub":
        raise InputError(
            f"{role}: values of type {array.dtype} are not numbers; pass a numeric array"
        )
    if array.ndim != 2:
        raise InputError(
            f"{role}: expected a (rows, dimension) array, got shape {array.shape}; "
            f"use x.reshape(len(x), -1)"
        )
    if array.shape[0] == 0 or array.shape[1] == 0:
        raise InputError(f"{role}: the set is empty (shape {array.shape}); pass at least one row")
    dtype = np.float32 if array.dtype in (np.float16, np.float32) else np.float64
    array = np.ascontiguousarray(array, dtype=dtype)
    with np.errstate(all="ignore"):  # the sum of both infinities, or of huge values
        total = array.sum(dtype=np.float64)
    if not np.isfinite(total):  # cheap; the exact search only on suspicion
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            row, column = (int(v) for v in bad[0])
            raise InputError(
                f"{role}: row {row}, column {column} is {array[row, column]}; "
                f"remove or fill values that are not finite"
            )
    return array


def float64_matrix(x: Any, role: str) -> NDArray[np.float64]:
    """Return `x` as `matrix` does, but always in float64.

    >>> float64_matrix([[1, 2]], "train").dtype
    dtype('float64')
    """
    return matrix(x, role).astype("float64", copy=False)


def integer(value: Any, name: str, minimum: int, maximum: int | None = None) -> int:
    """Return `value` as an int in [minimum, maximum], or raise UsageError.

    >>> integer(999, "permutations", 19)
    999
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise UsageError(f"{name} must be a whole number, got {value!r}")
    number = int(value)
    if number < minimum or (maximum is not None and number > maximum):
        upper = "" if maximum is None else f" and at most {maximum}"
        raise UsageError(f"{name} must be at least {minimum}{upper}, got {number}")
    return number


def choice(value: Any, name: str, allowed: Sequence[str]) -> str:
    """Return `value` if it is one of the allowed names, or raise UsageError.

    >>> choice("ray", "engine", ("local", "ray"))
    'ray'
    """
    if value not in allowed:
        raise UsageError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
    return str(value)


def fraction(value: Any, name: str) -> float:
    """Return `value` as a float strictly between 0 and 1, or raise UsageError.

    >>> fraction(0.05, "level")
    0.05
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise UsageError(f"{name} must be a number between 0 and 1, got {value!r}")
    number = float(value)
    if not math.isfinite(number) or not 0 < number < 1:
        raise UsageError(f"{name} must lie strictly between 0 and 1, got {value!r}")
    return number


def positive(value: Any, name: str) -> float:
    """Return `value` as a finite float above 0, or raise UsageError.

    >>> positive(2, "noise_level")
    2.0
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise UsageError(f"{name} must be a number above 0, got {value!r}")
    number = float(value)
    if not math.isfinite(number) or number <= 0:
        raise UsageError(f"{name} must be finite and above 0, got {value!r}")
    return number


def memory(value: str | int, name: str = "max_memory") -> int:
    """Return a number of bytes from an int or from text such as "2GiB", "512 MB", "1e9".

    >>> memory("2GiB")
    2147483648
    """
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return integer(value, name, 1)
    text = str(value).strip()
    units = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
    units |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
    unit = text[len(digits) :].strip().lower()
    try:
        number = float(digits) * units[unit]
    except (ValueError, KeyError):
        raise UsageError(f"{name} must look like 2GiB or 500MB, got {value!r}") from None
    if not math.isfinite(number) or number < 1:
        raise UsageError(f"{name} must be a positive size such as 2GiB, got {value!r}")
    return int(number)
