"""Samples that come in batches: what a sampler yields, joined to one set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart.errors import InputError
from byheart.samples import arrays, tables
from byheart.samples.record import MAX_UNPACKED, require_room


def joined(source: Any, where: str, max_memory: int | None = None) -> Any:
    """Return the batches of an iterator as one array; anything else as it is.

    A batch is an array, a tensor or a nested list of shape (rows, …); all have one type and one
    shape of row. Raises InputError for anything else and beyond 4 GiB, so that an endless iterator
    ends, and UsageError when the batches and the array take more than `max_memory` bytes.

    >>> joined(iter([[[1, 2], [3, 4]], [[5, 6]]]), "generated").shape
    (3, 2)
    """
    if not isinstance(source, Iterator):
        return source
    batches: list[NDArray[Any]] = []
    size = 0
    for number, batch in enumerate(source):
        batches.append(_batch(batch, f"{where}, batch {number}"))
        first, last = batches[0], batches[-1]
        if (first.dtype, first.shape[1:]) != (last.dtype, last.shape[1:]):
            raise InputError(
                f"{where}: batch {number} has rows of {last.dtype} {last.shape[1:]}, batch 0 of "
                f"{first.dtype} {first.shape[1:]}; yield rows of one type and shape"
            )
        size += last.nbytes
        require_room(2 * size, max_memory, where)
        if size > MAX_UNPACKED:
            raise InputError(
                f"{where}: the batches take more than {MAX_UNPACKED / 2**30:.0f} GiB after "
                f"{number + 1:,} of them; end the iterator, or save the set as .npy"
            )
    if not batches:
        raise InputError(f"{where}: the iterator yields no batch, or was used up before")
    return np.concatenate(batches)


def _batch(batch: Any, where: str) -> NDArray[Any]:
    if tables.is_frame(batch):
        raise InputError(f"{where}: a data frame; concatenate the frames, pass one")
    # A list of tensors is what a DataLoader makes of (sample, label): only the first are samples.
    if isinstance(batch, dict) or (
        isinstance(batch, list | tuple) and any(arrays.is_tensor(part) for part in batch)
    ):
        raise InputError(
            f"{where}: a {type(batch).__name__} of parts; yield the samples alone, such as "
            "(batch[0] for batch in loader)"
        )
    array = arrays.from_memory(batch, where)
    if array.ndim < 2:
        raise InputError(
            f"{where}: shape {array.shape} has no rows of values; yield batches (rows, …), or pass "
            "a list of samples"
        )
    return array
