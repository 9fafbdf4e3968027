"""A set of samples without some of its rows, in the format that it has.

Nothing is encoded: values, types, the other arrays of a file, the text of a table's cells, the
bytes of image files stay as they are.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart.errors import InputError, UsageError
from byheart.samples import arrays, images, tables
from byheart.samples.record import one_line
from byheart.samples.source import located

_BYTES = 1 << 24  # of an array that are copied at a time


def write_without(source: str, drop: Collection[int], rows: int, out: Path) -> Path:
    """Write the set at `source`, a path as for `read`, without the rows `drop`, and return `out`.

    rows: how many the set has to have; InputError if it has others, UsageError when `out` exists,
    is of another format, or cannot be written. In a .npz or .safetensors file every array of that
    many rows loses the same ones (labels go with their samples), others stay; a folder keeps its
    images only.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> np.save(folder / "a.npy", np.arange(6).reshape(3, 2))
    >>> np.load(write_without(str(folder / "a.npy"), {1}, 3, folder / "b.npy")).tolist()
    [[0, 1], [4, 5]]
    """
    where = f"generated ({source})"
    path, key = located(source, where)
    if out.exists():
        raise UsageError(f"--out {out}: exists; name a new file or folder")
    wanted = "" if path.is_dir() else path.suffix.lower()
    if out.suffix.lower() != wanted and not path.is_dir():
        raise UsageError(f"--out {out}: the set keeps its format; name a {wanted} file")
    keep = np.ones(rows, dtype=bool)
    keep[list(drop)] = False
    try:
        if path.is_dir():
            _folder(path, keep, out, where)
        elif wanted == ".npy":
            _npy(arrays.read_npy(path, where), keep, out, where)
        elif wanted == ".npz":
            _npz(path, key, keep, out, where)
        elif wanted == ".safetensors":
            _safetensors(path, key, keep, out, where)
        elif wanted == ".parquet":
            _parquet(path, keep, out, where)
        elif wanted in tables.SUFFIXES:
            _text(path, keep, out, where)
        else:
            raise UsageError(f"{where}: unknown kind of file {wanted!r}")
    except OSError as error:
        raise UsageError(f"--out {out}: cannot be written ({error.strerror or error})") from None
    return out


def _require(found: int, keep: NDArray[np.bool_], where: str) -> None:
    if found != len(keep):
        raise InputError(
            f"{where}: {found:,} rows, and the report was made of {len(keep):,}; give that set"
        )


def _npy(array: NDArray[Any], keep: NDArray[np.bool_], out: Path, where: str) -> None:
    _require(len(array), keep, where)
    kept = np.flatnonzero(keep)
    shape = (len(kept), *array.shape[1:])
    made = np.lib.format.open_memmap(out, mode="w+", dtype=array.dtype, shape=shape)
    step = max(1, _BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(kept), step):
        made[start : start + step] = array[kept[start : start + step]]
    made.flush()


def _npz(path: Path, key: str | None, keep: NDArray[np.bool_], out: Path, where: str) -> None:
    name, array = arrays.read_npz(path, key, where)
    _require(len(array), keep, where)
    with np.load(path, allow_pickle=False) as file:
        others = {other: file[other] for other in file.files}
    made: dict[str, Any] = {n: _kept(a, keep) for n, a in {**others, name: array}.items()}
    np.savez_compressed(out, **made)


def _safetensors(
    path: Path, key: str | None, keep: NDArray[np.bool_], out: Path, where: str
) -> None:
    import safetensors

    with safetensors.safe_open(str(path), framework="np") as file:
        names, metadata = list(file.keys()), file.metadata()
        shape = file.get_slice(arrays.choose(names, key, where)).get_shape()
    _require(shape[0] if shape else 0, keep, where)
    # Byte by byte: numpy has no type for some tensors, such as bfloat16.
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    parts, end = [], 0
    for name, tensor in json.loads(content[8:start]).items():
        if name == "__metadata__":
            continue
        first, last = (start + offset for offset in tensor["data_offsets"])
        data, shape = content[first:last], tensor["shape"]
        if shape[:1] == [len(keep)]:
            each = np.frombuffer(data, np.uint8).reshape(len(keep), -1)
            data, shape = each[keep].tobytes(), [int(keep.sum()), *shape[1:]]
        header[name] = {**tensor, "shape": shape, "data_offsets": [end, end + len(data)]}
        parts.append(data)
        end += len(data)
    told = json.dumps(header, ensure_ascii=False).encode()
    told += b" " * (-len(told) % 8)  # the data start at a multiple of 8
    out.write_bytes(b"".join([len(told).to_bytes(8, "little"), told, *parts]))


def _kept(array: NDArray[Any], keep: NDArray[np.bool_]) -> NDArray[Any]:
    return array[keep] if array.shape[:1] == keep.shape else array


def _parquet(path: Path, keep: NDArray[np.bool_], out: Path, where: str) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
        codec = parquet.ParquetFile(path).metadata.row_group(0).column(0).compression
    except pa.ArrowException as error:
        raise InputError(f"{where}: cannot be read as .parquet, {one_line(error)}") from error
    _require(table.num_rows, keep, where)
    compression = "none" if codec == "UNCOMPRESSED" else codec
    parquet.write_table(table.filter(pa.array(keep)), out, compression=compression)


def _text(path: Path, keep: NDArray[np.bool_], out: Path, where: str) -> None:
    header, *records = _records(path.read_bytes())
    _require(len(records), keep, where)
    out.write_bytes(
        header + b"".join(record for record, kept in zip(records, keep, strict=True) if kept)
    )


def _records(text: bytes) -> list[bytes]:
    r"""Return the lines of a CSV with their ends; a line break within quotes ends none.

    Empty lines are no records.

    >>> _records(b'a,b\n1,"x\ny"\n\n2,z')
    [b'a,b\n', b'1,"x\ny"\n', b'2,z']
    """
    records, open_record = [], b""
    for line in text.splitlines(keepends=True):
        open_record += line
        if open_record.count(b'"') % 2 == 0:
            if open_record.strip(b"\r\n"):
                records.append(open_record)
            open_record = b""
    return [*records, open_record] if open_record else records


def _folder(path: Path, keep: NDArray[np.bool_], out: Path, where: str) -> None:
    files = images.image_files(path, where)
    _require(len(files), keep, where)
    out.mkdir(parents=True)
    for file, kept in zip(files, keep, strict=True):
        if kept:
            shutil.copy2(file, out / file.name)
