"""Arrays of samples: in memory, and in .npy, .npz and .safetensors files.

Shapes: (rows, d) are vectors, (rows, height, width) grey images. Four axes are images whose
channels are 1, 3 or 4: on the last axis if that has 1, 3 or 4 entries, else on the second. They
are returned with channels last, a single channel without its axis.
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart.errors import InputError, UsageError
from byheart.files import opened, regular
from byheart.samples.record import MAX_UNPACKED, one_line, require_room

_CHANNELS = (1, 3, 4)


def is_tensor(source: Any) -> bool:
    """Whether `source` is a torch tensor, found out without importing torch."""
    return type(source).__module__.split(".")[0] == "torch" and hasattr(source, "detach")


def from_memory(source: Any, where: str) -> NDArray[Any]:
    """Return a numpy array, torch tensor (of any device) or nested list as an array, uncopied.

    bfloat16 tensors become float32. Raises InputError for masked, ragged and sparse input.

    >>> from_memory([[1, 2], [3, 4]], "train").shape
    (2, 2)
    """
    if isinstance(source, np.ma.MaskedArray) and np.ma.is_masked(source):
        raise InputError(f"{where}: the array has masked values; fill or remove them")
    try:
        if is_tensor(source):
            tensor = source.detach().to("cpu")
            source = (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
        return np.asarray(source)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(
            f"{where}: not an array of equally long rows of numbers ({one_line(error)})"
        ) from error


def as_samples(array: NDArray[Any], where: str) -> NDArray[Any]:
    """Return a numeric array of vectors or images with its channels last.

    >>> as_samples(np.zeros((5, 3, 8, 6)), "train").shape
    (5, 8, 6, 3)
    """
    if array.dtype.kind not in "fiub":
        advice = "nothing is ever unpickled; " if array.dtype == object else ""
        raise InputError(
            f"{where}: values of type {array.dtype} are not numbers; "
            f"{advice}pass a numeric array, or a table for mixed columns"
        )
    if array.ndim not in (2, 3, 4):
        raise InputError(
            f"{where}: shape {array.shape} is neither (rows, d) nor images; "
            f"use x.reshape(len(x), -1)"
            if array.ndim > 1
            else f"{where}: shape {array.shape} has no rows of values; use x.reshape(-1, 1)"
        )
    if array.size == 0:
        raise InputError(f"{where}: the set is empty (shape {array.shape}); pass at least one row")
    if array.ndim == 4:
        if array.shape[3] not in _CHANNELS:
            if array.shape[1] not in _CHANNELS:
                raise InputError(
                    f"{where}: shape {array.shape} has 1, 3 or 4 channels neither on its last nor "
                    f"on its second axis; use x.reshape(len(x), -1) to audit plain vectors"
                )
            array = np.moveaxis(array, 1, 3)
        if array.shape[3] == 1:
            array = array[..., 0]
    return array


def read_npy(path: Path, where: str) -> NDArray[Any]:
    """Memory-map a .npy file; raises InputError for object arrays and damaged files."""
    regular(path, where)
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # a damaged header meets all kinds of parsers
        raise InputError(
            f"{where}: cannot be read as .npy, {one_line(error)}; "
            f"nothing is ever unpickled: save a numeric array with numpy.save"
        ) from error


def read_npz(
    path: Path, key: str | None, where: str, max_memory: int | None = None
) -> tuple[str, NDArray[Any]]:
    """Read one array of a .npz file; returns its key and the array.

    The declared size is checked before anything is unpacked: above 4 GiB InputError is raised.
    """
    try:
        with opened(path, where) as file, zipfile.ZipFile(file) as archive:
            members = {n.removesuffix(".npy"): n for n in archive.namelist() if n.endswith(".npy")}
            key = choose(list(members), key, where)
            info = archive.getinfo(members[key])
            if info.file_size > MAX_UNPACKED:
                raise InputError(
                    f"{where}: array {key!r} unpacks to {info.file_size / 2**30:.1f} GiB, more "
                    f"than the bound of {MAX_UNPACKED / 2**30:.0f} GiB; save it as .npy, which is "
                    f"memory-mapped and has no bound"
                )
            require_room(info.file_size, max_memory, where)
            with archive.open(info) as stream:
                version = np.lib.format.read_magic(stream)
                if version == (1, 0):
                    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
                else:
                    shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
                declared = int(np.prod([1, *shape], dtype=object)) * dtype.itemsize
                # numpy allocates what the inner header declares, before it reads any of it
                if not dtype.hasobject and declared > info.file_size:
                    raise InputError(
                        f"{where}: array {key!r} declares {declared} bytes and holds fewer; "
                        f"the file is damaged"
                    )
            with archive.open(info) as stream:
                return key, np.lib.format.read_array(stream, allow_pickle=False)
    except (InputError, UsageError):
        raise
    except Exception as error:
        raise InputError(
            f"{where}: cannot be read as .npz, {one_line(error)}; "
            f"nothing is ever unpickled: save numeric arrays with numpy.savez"
        ) from error


def read_safetensors(
    path: Path, key: str | None, where: str, max_memory: int | None = None
) -> tuple[str, NDArray[Any]]:
    """Read one tensor of a .safetensors file; returns its key and the array (bfloat16 as f32)."""
    import safetensors

    try:
        regular(path, where)
        with safetensors.safe_open(os.fspath(path), framework="np") as file:
            key = choose(list(file.keys()), key, where)
            view = file.get_slice(key)
            width = int("".join(filter(str.isdigit, view.get_dtype())) or 8)  # bits of a value
            values = int(np.prod([1, *view.get_shape()], dtype=object))
            require_room(values * width // 8, max_memory, where)
            if view.get_dtype() != "BF16":
                return key, file.get_tensor(key)
            shape = view.get_shape()
        stored: Any = safetensors.deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
        bits = np.frombuffer(dict(stored)[key]["data"], dtype="<u2").astype(np.uint32) << 16
        return key, bits.view(np.float32).reshape(shape)
    except (InputError, UsageError):
        raise
    except Exception as error:
        raise InputError(f"{where}: cannot be read as .safetensors, {one_line(error)}") from error


def choose(keys: list[str], key: str | None, where: str) -> str:
    """Return `key`, or the only one there is; InputError lists the keys otherwise."""
    shown = ", ".join(keys[:10]) + (", …" if len(keys) > 10 else "")
    if not keys:
        raise InputError(f"{where}: the file holds no array")
    if key is None:
        if len(keys) > 1:
            raise InputError(
                f"{where}: the file holds {len(keys)} arrays ({shown}); name one as FILE::{keys[0]}"
            )
        return keys[0]
    if key not in keys:
        raise InputError(f"{where}: the file holds no array {key!r}; it has {shown}")
    return key
