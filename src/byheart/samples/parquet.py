"""Parquet files, decoded no further than a bound.

A footer says what it likes. What decoding yields is bounded before and while it happens: the sizes
are those of the pages' own headers, to which the decoder keeps; repeated text stays in
dictionaries, since a page of some bytes can repeat one long text for every row; text in encodings
that have none is decoded a few rows at a time; and columns of lists, structs and maps, which no
audit uses and which can hold any number of values in a few bytes, are not decoded at all.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, BinaryIO

from byheart.errors import InputError
from byheart.files import opened
from byheart.samples.record import MAX_UNPACKED, require_room, require_unique

_BATCH = 65_536  # rows decoded at a time
_DELTA = (6, 7)  # the encodings DELTA_LENGTH_BYTE_ARRAY and DELTA_BYTE_ARRAY
_DEEPEST = 16  # structs within structs of a page's header
_STEP = 2**26  # bytes that a batch of text in delta encodings may decode to


def read_parquet(path: Path, where: str, max_memory: int | None) -> Any:
    """Read a Parquet file as a pyarrow Table; columns of nested types hold nulls of their type.

    Raises InputError for a damaged file and above 4 GiB, UsageError above `max_memory`, before the
    rows are decoded where the file's pages tell, else as soon as they do not fit.
    """
    import pyarrow as pa
    from pyarrow import parquet

    def require(size: int) -> None:
        if size > MAX_UNPACKED:
            raise InputError(
                f"{where}: the table unpacks to {size / 2**30:.1f} GiB, more than the bound "
                f"of {MAX_UNPACKED / 2**30:.0f} GiB; give a file with fewer rows or columns"
            )
        require_room(size, max_memory, where)

    with opened(path, where) as raw:
        schema = parquet.read_schema(raw)
        require_unique(schema.names, where)
        metadata = parquet.read_metadata(raw)
        rows = metadata.num_rows
        flat = [f for f in schema if not pa.types.is_nested(f.type)]
        require(rows * sum(_width(f.type) for f in flat))
        sizes, written_out = _pages(raw, metadata)
        require(sizes)
        batch = max(1, min(_BATCH, _STEP // max([1, *written_out.values()])))
        texts = [f.name for f in schema if _is_text(f.type) and f.name not in written_out]
        with parquet.ParquetFile(raw, metadata=metadata, read_dictionary=texts) as file:
            # pandas writes the row labels of a subset of a frame as a column of this name
            labels = [n for n in schema.names if re.fullmatch("__index_level_[0-9]+__", n)]
            kept = [f.name for f in flat if f.name not in labels]
            parts, size = [], 0
            for part in file.iter_batches(batch, columns=kept, use_threads=False):
                parts.append(part)
                size += part.nbytes
                require(size)
            read = file.schema_arrow
            table = pa.Table.from_batches(parts, pa.schema([read.field(n) for n in kept]))
            for i, field in enumerate(f for f in schema if f.name not in labels):
                if field.name not in kept:
                    table = table.add_column(i, field.name, _unread(rows, field.type))
            return table


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    types = pa.types
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
    )


def _width(kind: Any) -> int:
    """Bytes of a decoded cell, without the text that it may stand for."""
    try:
        return max(1, int(kind.bit_width) // 8)
    except ValueError:  # of no fixed width: a number of its text
        return 4


def _unread(rows: int, kind: Any) -> Any:
    """A column of nulls in place of a nested one, of its type where nulls take no room."""
    import pyarrow as pa

    return pa.nulls(rows, pa.list_(pa.null()) if "fixed_size" in str(kind) else kind)


def _pages(file: BinaryIO, metadata: Any) -> tuple[int, dict[str, int]]:
    """Return the bytes of all pages unpacked, and the largest page of columns in delta encodings.

    Text in these is not decoded to dictionaries: a cell has at most the bytes of such a page.
    """
    total, largest, written_out = 0, dict[str, int](), set[str]()
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            column = metadata.row_group(group).column(number)
            if not metadata.row_group(group).num_rows:
                continue
            name = column.path_in_schema
            start = column.data_page_offset
            if column.has_dictionary_page:
                start = min(start, column.dictionary_page_offset)
            stop = start + column.total_compressed_size
            while start < stop:
                file.seek(start)
                header = _struct(file)
                unpacked, packed = _int(header, 2), _int(header, 3)
                inside = header.get(5, header.get(8, {}))
                if not isinstance(inside, dict):
                    raise ValueError("the header of a page is damaged")
                if _int(inside, 2 if 5 in header else 4) in _DELTA:
                    written_out.add(name)
                largest[name] = max(largest.get(name, 0), unpacked)
                total += unpacked
                start = file.tell() + packed
    return total, {name: largest[name] for name in written_out}


def _int(fields: dict[int, Any], key: int) -> int:
    value = fields.get(key, 0)
    if not isinstance(value, int) or value < 0:
        raise ValueError("the header of a page is damaged")
    return value


def _struct(file: BinaryIO, depth: int = 0) -> dict[int, Any]:
    """Read a struct in Thrift's compact protocol: its numbers and structs by field."""
    fields: dict[int, Any] = {}
    field = 0
    while head := _byte(file):
        field = field + (head >> 4) if head >> 4 else _signed(file)
        fields[field] = _value(file, head & 15, depth)
    return fields


def _value(file: BinaryIO, kind: int, depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError("the header of a page is nested too deep")
    if kind in (1, 2):  # true, false
        return kind == 1
    if kind == 3:
        return _byte(file)
    if kind in (4, 5, 6):
        return _signed(file)
    if kind == 8:
        file.seek(_unsigned(file), 1)
        return None
    if kind == 12:
        return _struct(file, depth + 1)
    raise ValueError("the header of a page is damaged")  # doubles, lists and maps are in none


def _byte(file: BinaryIO) -> int:
    found = file.read(1)
    if not found:
        raise ValueError("the file ends in the header of a page")
    return found[0]


def _unsigned(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = _byte(file)
        value |= (byte & 127) << shift
        if byte < 128:
            return value
    raise ValueError("the header of a page is damaged")


def _signed(file: BinaryIO) -> int:
    value = _unsigned(file)
    return (value >> 1) ^ -(value & 1)
