"""From what the user gives to a set of samples, and its fingerprint."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart.errors import InputError, UsageError
from byheart.files import opened, regular
from byheart.samples import arrays, batches, images, tables
from byheart.samples.record import ArraySamples, Samples, TableSamples

_ARRAYS = (".npy", ".npz", ".safetensors")
_KNOWN = "a .npy, .npz, .safetensors, .csv, .tsv or .parquet file, or a folder of images"
_BLOCK = 2**22  # bytes hashed at a time


def read(
    source: Any,
    role: str,
    *,
    image_size: int | tuple[int, int] | None = None,
    max_memory: int | None = None,
) -> Samples:
    """Read one set of samples; rows are samples.

    `source` is a path (.npy, .npz, .safetensors, .csv, .tsv, .parquet, or a folder of png, jpg or
    webp images; FILE::KEY for one array of several), a numpy array, torch tensor, nested list,
    pandas or polars DataFrame, pyarrow Table, datasets.Dataset or one of its columns, or an
    iterator of batches. `image_size` (pixels, one number or height and width) resizes the images
    of a folder. A .npy file is memory-mapped; UsageError is raised when what has to be unpacked
    takes more than `max_memory` bytes. Raises InputError, in one line, for anything that cannot be
    used as it is; nothing is ever unpickled.

    >>> samples = read([[0.5, 1.0], [0.25, 2.0], [0.0, 3.0]], "train")
    >>> samples.kind, samples.rows, samples.dtype, samples.row_name(2)
    ('vectors', 3, 'float64', 'row 2')
    """
    size = _size(image_size)
    if not isinstance(source, str | os.PathLike):
        return _from_memory(source, role, size, max_memory)
    given = os.fspath(source)
    where = f"{role} ({given})"
    path, key = located(given, where)
    if path.is_dir():
        values, names, notes = images.read_folder(path, where, size, max_memory)
        return ArraySamples(
            role=role,
            path=given,
            sha256=fingerprint(source),
            dtype=str(values.dtype),
            names=names,
            warnings=notes,
            values=values,
        )
    suffix = path.suffix.lower()
    if suffix not in (*_ARRAYS, *tables.SUFFIXES):
        advice = (
            "nothing is ever unpickled; " if suffix in (".pkl", ".pickle", ".pt", ".pth") else ""
        )
        raise InputError(f"{where}: unknown kind of file {suffix!r}; {advice}give {_KNOWN}")
    if key is not None and suffix not in (".npz", ".safetensors"):
        raise InputError(f"{where}: FILE::KEY is for .npz and .safetensors; give {path}")
    digest = fingerprint(source)
    if suffix in tables.SUFFIXES:
        table = tables.read_file(path, where, max_memory)
        return _table(table, role, given, digest, "typed" if suffix == ".parquet" else "text", size)
    if suffix == ".npy":
        array = arrays.read_npy(path, where)
    elif suffix == ".npz":
        key, array = arrays.read_npz(path, key, where, max_memory)
    else:
        key, array = arrays.read_safetensors(path, key, where, max_memory)
    return _array(array, role, given, digest, key, size)


def fingerprint(source: Any) -> str:
    """SHA-256 of a source, as a hex string.

    Of a file: of its bytes. Of a folder of images: of the sorted names and bytes. Of an array: of
    dtype, shape and bytes. Of a table in memory: of the columns' names and types and the rows.
    Raises InputError when the source is missing or unreadable.

    >>> fingerprint([[1.0, 2.0]]) == fingerprint(np.array([[1.0, 2.0]]))
    True
    """
    if isinstance(source, str | os.PathLike):
        given = os.fspath(source)
        path, _ = located(given, given)
        digest = hashlib.sha256()
        if path.is_dir():
            for file in images.image_files(path, given):
                digest.update(os.fsencode(file.name) + f"\0{file.stat().st_size}\0".encode())
                _hash_file(file, digest, f"{given}: {file.name}")
        else:
            _hash_file(path, digest, given)
        return digest.hexdigest()
    if tables.is_frame(source):
        return tables.digest(tables.from_memory(source, "table"), "table")
    array = arrays.from_memory(source, "array")
    arrays.as_samples(array, "array")
    return _hash_array(array)


def _from_memory(
    source: Any, role: str, size: tuple[int, int] | None, max_memory: int | None
) -> Samples:
    if tables.is_frame(source):
        table = tables.from_memory(source, role)
        return _table(table, role, None, tables.digest(table, role), "typed", size)
    _refuse_sources(source, role)
    whole = batches.joined(source, role, max_memory)
    array = arrays.from_memory(whole, role)
    arrays.as_samples(array, role)  # refuses what has no bytes to hash, such as objects
    samples = _array(array, role, None, _hash_array(array), None, size)
    return samples if whole is source else replace(samples, made=True)


def _refuse_sources(source: Any, role: str) -> None:
    """Refuse what is asked for samples, with the call that asks."""
    if isinstance(source, Iterator):
        return
    kind = type(source).__name__
    if any(base.__module__.startswith("torch.utils.data") for base in type(source).__mro__):
        # Whether it yields labels too is not known before it runs: both calls.
        advice = (
            "iter(loader), with labels (batch[0] for batch in loader)"
            if hasattr(source, "batch_size")
            else "torch.stack(list(dataset)), with labels torch.stack([x for x, *_ in dataset])"
        )
        raise InputError(f"{role}: a torch {kind}; pass its samples alone: {advice}")
    if callable(source):
        raise InputError(f"{role}: {kind} is called, not read; pass what it returns")


def _array(
    array: NDArray[Any],
    role: str,
    path: str | None,
    digest: str,
    key: str | None,
    size: tuple[int, int] | None,
) -> ArraySamples:
    where = role if path is None else f"{role} ({path})"
    values = arrays.as_samples(array, where)
    if size is not None and values.shape[1:3] != size:
        raise InputError(
            f"{where}: image_size resizes folders of images only, and this is an array of shape "
            f"{array.shape}; resize it to {size[0]} × {size[1]} pixels first"
        )
    return ArraySamples(
        role=role, path=path, sha256=digest, dtype=str(array.dtype), key=key, values=values
    )


def _table(
    table: Any, role: str, path: str | None, digest: str, dtype: str, size: tuple[int, int] | None
) -> TableSamples:
    where = role if path is None else f"{role} ({path})"
    if size is not None:
        raise InputError(f"{where}: image_size is for images, and this is a table; leave it out")
    table = tables.checked(table, where)
    return TableSamples(role=role, path=path, sha256=digest, dtype=dtype, table=table)


def _size(image_size: Any) -> tuple[int, int] | None:
    if image_size is None:
        return None
    pair = (image_size, image_size) if isinstance(image_size, int) else image_size
    try:
        height, width = pair
        valid = all(isinstance(v, int) and not isinstance(v, bool) and v >= 1 for v in pair)
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise UsageError(
            f"image_size must be a number of pixels or (height, width), such as 64 or (48, 64); "
            f"got {image_size!r}"
        )
    return height, width


def located(given: str, where: str) -> tuple[Path, str | None]:
    """Return the path and the key of FILE::KEY; InputError when there is no such file or folder."""
    path, key = Path(given), None
    if given and not _exists(path, where) and "::" in given:
        file, _, key = given.rpartition("::")
        path = Path(file)
    if not given or not _exists(path, where):
        raise InputError(f"{where}: no such file or folder; give {_KNOWN}")
    if not path.is_dir():
        regular(path, where)
    return path, key


def _exists(path: Path, where: str) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError) as error:  # a name that is too long, or has a NUL
        why = error.strerror if isinstance(error, OSError) else "no name of a file"
        raise InputError(f"{where}: cannot be read, {why}; give {_KNOWN}") from None


def _hash_file(path: Path, digest: Any, where: str) -> None:
    with opened(path, where) as file:
        try:
            while block := file.read(_BLOCK):
                digest.update(block)
        except OSError as error:
            raise InputError(f"{where}: {path.name} cannot be read, {error.strerror}") from error


def _hash_array(array: NDArray[Any]) -> str:
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    for block in _blocks(array):
        digest.update(np.ascontiguousarray(block).data)
    return digest.hexdigest()


def _blocks(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    step = max(1, _BLOCK * len(array) // max(array.nbytes, 1))
    for start in range(0, len(array), step):
        yield array[start : start + step]
