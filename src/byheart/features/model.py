"""A model read from files: its map, what the report says of it, and the device it runs on."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart.distances.rows import Rows
from byheart.errors import InputError, UsageError
from byheart.files import opened
from byheart.samples import Encoded
from byheart.samples.encoding import Role

_BLOCK = 2**22  # bytes hashed at a time


def encoded_values(encoded: Encoded) -> dict[Role, Rows]:
    """Return the sets that are there as their encoded rows, each (rows, d)."""
    roles: tuple[Role, ...] = ("train", "heldout", "generated")
    return {role: x for role in roles if (x := getattr(encoded, role)) is not None}


@dataclass(frozen=True)
class FeatureModel:
    """A map from a batch (b, *sample shape) to vectors (b, k).

    `description` goes into the report; its "sha256" is that of the model's files. `versions` are
    those of the libraries that run it. Both are empty for a function. `prepare` turns the encoded
    sets into the rows that batches are made of. `batch` is the number of samples in one call.
    """

    function: Callable[[NDArray[Any]], Any]
    description: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    prepare: Callable[[Encoded], Mapping[Role, Rows | NDArray[Any]]] = encoded_values
    batch: int = 256


def device_index(device: str) -> int | None:
    """Return None for "cpu", the number of the GPU for "cuda" (0) and "cuda:N".

    Raises UsageError for another name.

    >>> device_index("cpu"), device_index("cuda"), device_index("cuda:1")
    (None, 0, 1)
    """
    if device == "cpu":
        return None
    found = re.fullmatch(r"cuda(?::(\d{1,3}))?", device) if isinstance(device, str) else None
    if found is None:
        raise UsageError(f"device must be cpu, cuda or cuda:N, such as cuda:0; got {device!r}")
    return int(found[1] or 0)


def hash_files(files: Iterable[Path], where: str) -> str:
    """Return the SHA-256 of the names, sizes and bytes of files, as a hex string.

    Raises InputError for a file that cannot be read.
    """
    digest = hashlib.sha256()
    for file in files:
        try:
            digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
            with opened(file, f"{where}: {file.name}") as stream:
                while block := stream.read(_BLOCK):
                    digest.update(block)
        except OSError as error:
            raise InputError(f"{where}: {file.name} cannot be read, {error.strerror}") from error
    return digest.hexdigest()


def sample_key(row: NDArray[Any], shape: tuple[int, ...]) -> bytes:
    """Return the SHA-256 of a sample's type, shape and bytes, 32 bytes."""
    digest = hashlib.sha256(f"{row.dtype.str}{shape}".encode())
    digest.update(np.ascontiguousarray(row).data)
    return digest.digest()
