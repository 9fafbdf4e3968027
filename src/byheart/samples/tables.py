"""Tables: CSV and Parquet files and data frames, as columns that nobody has guessed at.

All columns of a CSV are read as text; what they mean is decided later, on train and held-out
together (see `columns`).
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

from byheart.errors import InputError, UsageError
from byheart.files import opened, regular
from byheart.samples.parquet import read_parquet
from byheart.samples.record import one_line, require_room, require_unique

SUFFIXES = (".csv", ".tsv", ".parquet")
MAX_COLUMNS = 1 << 16

_COLUMN = 10_000  # bytes that a column takes while it is read, however few its cells


def is_frame(source: Any) -> bool:
    """Whether `source` is a frame of pandas or polars, a pyarrow Table or a datasets.Dataset.

    Imports none of them.
    """
    top = type(source).__module__.split(".")[0]
    return (top, type(source).__name__) in {
        ("pandas", "DataFrame"),
        ("polars", "DataFrame"),
        ("pyarrow", "Table"),
        ("datasets", "Dataset"),
    }


def from_memory(frame: Any, where: str) -> Any:
    """Return what `is_frame` knows as a pyarrow Table."""
    import pyarrow as pa

    top = type(frame).__module__.split(".")[0]
    if top == "pyarrow":
        return frame
    if top == "polars":
        return frame.to_arrow()
    if top == "datasets":
        return frame.with_format("arrow")[:]  # follows select and shuffle, unlike frame.data
    require_unique([str(name) for name in frame.columns], where)
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InputError(
            f"{where}: a column mixes types, {one_line(error)}; give each column one type"
        ) from error


def read_file(path: Path, where: str, max_memory: int | None = None) -> Any:
    """Read a .csv, .tsv or .parquet file as a pyarrow Table."""
    import pyarrow as pa

    try:
        if path.suffix.lower() == ".parquet":
            return read_parquet(path, where, max_memory)
        require_room(regular(path, where).st_size, max_memory, where)
        return _read_csv(path, where, max_memory)
    except (InputError, UsageError):
        raise
    except (pa.ArrowException, OverflowError, ValueError, OSError, MemoryError) as error:
        raise InputError(
            f"{where}: cannot be read as {path.suffix.lower()}, {one_line(error)}"
        ) from error


def _read_csv(path: Path, where: str, max_memory: int | None) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    if regular(path, where).st_size == 0:
        raise InputError(f"{where}: the file is empty; give a header line and rows")
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    parse = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    with opened(path, where) as file, csv.open_csv(file, parse_options=parse) as stream:
        names = stream.schema.names
    if len(names) == 1:
        for mark in ";\t|":
            if mark in names[0]:
                raise InputError(
                    f"{where}: the columns seem to be separated by {mark!r}; "
                    f"separate those of a .csv by commas, of a .tsv by tabs"
                )
    if all(is_number(n) for n in names):
        counted = [str(i) for i in range(len(names) + 1)]
        if names not in (counted[:-1], counted[1:]):
            raise InputError(
                f"{where}: the first line holds numbers only; a first line with the names of the "
                f"columns is needed"
            )
    require_unique(names, where)
    convert = csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
    )
    if len(names) > MAX_COLUMNS:
        raise InputError(
            f"{where}: {len(names):,} columns, more than the bound of {MAX_COLUMNS:,}; save a wide "
            f"table of numbers as .npy"
        )
    require_room(_COLUMN * len(names), max_memory, where)
    with opened(path, where) as file:
        table = csv.read_csv(file, parse_options=parse, convert_options=convert)
    require_room(table.nbytes, max_memory, where)
    return table


def checked(table: Any, where: str) -> Any:
    """Return a table with its text as plain strings.

    Raises InputError for a damaged or empty table, and one with two columns of one name.
    """
    import pyarrow as pa

    require_unique(table.column_names, where)
    try:
        table.validate(full=True)  # text that is no UTF-8, for one
    except pa.ArrowException as error:
        raise InputError(f"{where}: the table is damaged, {one_line(error)}") from error
    if table.num_rows == 0 or table.num_columns == 0:
        raise InputError(
            f"{where}: the set is empty ({table.num_rows} rows, {table.num_columns} columns); "
            f"give at least one row"
        )
    for i, field in enumerate(table.schema):
        if pa.types.is_string_view(field.type):  # which few of pyarrow's functions take
            table = table.set_column(i, field.name, table[i].cast(pa.string()))
    return table


def digest(table: Any, where: str) -> str:
    """SHA-256 of a table in memory: of its columns' names and types and its rows as CSV."""
    import pyarrow as pa
    from pyarrow import csv

    def plain(column: Any) -> Any:
        if pa.types.is_dictionary(column.type):
            return column.cast(column.type.value_type)
        if pa.types.is_string_view(column.type):
            return column.cast(pa.string())
        if pa.types.is_nested(column.type) or isinstance(column.type, pa.BaseExtensionType):
            # has no form in CSV
            return pa.array([repr(v) for v in column.to_pylist()], pa.string())
        return column

    sink = io.BytesIO()
    sink.write(repr([(f.name, str(f.type)) for f in table.schema]).encode())
    try:
        csv.write_csv(pa.table({str(i): plain(c) for i, c in enumerate(table.columns)}), sink)
    except pa.ArrowException as error:
        raise InputError(f"{where}: a column has no text form, {one_line(error)}") from error
    return hashlib.sha256(sink.getbuffer()).hexdigest()


def is_number(text: str) -> bool:
    """Return whether Python reads `text` as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
