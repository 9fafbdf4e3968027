"""One column of a table in the sets of an audit: what it means, and its numbers or levels.

What a column means is decided on the real rows (train and held-out together), never on one set
alone, and imposed on all sets:

* declared types (Parquet, data frames) hold: numbers, dates, times and durations are numbers (dates
  in days, times and durations in seconds), text and booleans are categories; declared text whose
  cells are all ISO dates is a date;
* undeclared text (CSV) is a date if all its cells are ISO dates; a category if a cell is a number
  with leading zeros (01234); a number if all cells are numbers. If at least half of the cells are
  numbers or dates and others are not, InputError names the first that is not.

Missing cells are nulls, not-a-number, and the texts of `MISSING`. Text is trimmed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from byheart.errors import InputError
from byheart.samples.record import TableSamples, one_line

Meaning = Literal["number", "date", "category", "empty"]

MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "<NA>", "#N/A")

_NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_WHOLE = r"^[+-]?[0-9]+$"
_PADDED = r"^[+-]?0[0-9]"
_STAMP = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?"
_ZONED = _STAMP + r"(Z|[+-][0-9]{2}:?[0-9]{2})$"
_DATE = rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}$|{_STAMP}$|{_ZONED}"
_DAY = 86_400e6  # microseconds
_FEW = 10  # fewer unique cells than this are no evidence of an identifier


@dataclass(frozen=True)
class Text:
    """A column as text: cell i is `levels[codes[i]]`, or missing where the code is -1."""

    codes: NDArray[np.int64]
    levels: Any  # pyarrow string array of the distinct cells

    @property
    def count(self) -> int:
        """Number of cells that are not missing."""
        return int((self.codes >= 0).sum())

    def matches(self, pattern: str) -> NDArray[np.bool_]:
        """Which levels match the regular expression."""
        import pyarrow.compute as pc

        found = pc.match_substring_regex(self.levels, pattern)
        return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)

    def mark(self, levels: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which cells have a marked level."""
        return np.append(levels, False)[self.codes]


@dataclass(frozen=True)
class Column:
    """One column of one set."""

    samples: TableSamples
    name: str

    @property
    def values(self) -> Any:
        """The raw cells, a pyarrow ChunkedArray."""
        return self.samples.table[self.name]

    @property
    def declared(self) -> Literal["number", "date", "category", "text", "empty"]:
        """What the stored type says; "text" says nothing (CSV)."""
        import pyarrow as pa

        kind, types = self.values.type, pa.types
        inner = kind.value_type if types.is_dictionary(kind) else kind
        binary = types.is_binary(inner) or types.is_large_binary(inner)
        if types.is_boolean(kind) or (inner != kind and not (binary or types.is_nested(inner))):
            return "category"
        if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
            return "number"
        if types.is_time(kind) or types.is_duration(kind):
            return "number"
        if types.is_date(kind) or types.is_timestamp(kind):
            return "date"
        if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
            return "text" if self.samples.dtype == "text" else "category"
        if types.is_null(kind):
            return "empty"
        raise InputError(
            f"{self.samples.where}: column {self.name!r} holds values of type {kind}, neither "
            f"numbers, dates nor categories; leave it out with --ignore {self.name}"
        )

    @cached_property
    def text(self) -> Text:
        """The cells as trimmed text, whatever they are."""
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self.values
        try:
            if not pa.types.is_dictionary(column.type):
                column = pc.cast(column, pa.string()).dictionary_encode()
            # One long text may stand for every row: only the dictionary is ever written out.
            coded = column.combine_chunks()
            cells = pc.utf8_trim_whitespace(pc.cast(coded.dictionary, pa.string()))
        except pa.ArrowException as error:
            raise InputError(
                f"{self.samples.where}: column {self.name!r} has no text form, {one_line(error)}; "
                f"leave it out with --ignore {self.name}"
            ) from error
        missing = pc.is_in(cells, value_set=pa.array(MISSING))
        trimmed = pc.if_else(missing, pa.scalar(None, pa.string()), cells).dictionary_encode()
        place = np.append(np.asarray(pc.fill_null(trimmed.indices, -1), dtype=np.int64), -1)
        codes = place[np.asarray(pc.fill_null(coded.indices.cast(pa.int64()), -1))]
        codes, levels = _as_they_appear(codes, trimmed.dictionary)
        if set(pc.utf8_lower(levels.slice(0, 7)).to_pylist()) <= {"true", "false"}:
            merged = pc.utf8_lower(levels).dictionary_encode()  # True in one file, true in another
            codes = np.append(np.asarray(merged.indices, dtype=np.int64), -1)[codes]
            levels = merged.dictionary
        return Text(codes, levels)

    def numbers(self, means: Meaning) -> NDArray[np.float64]:
        """The cells as float64, NaN where missing; InputError names the first bad cell."""
        import pyarrow as pa
        import pyarrow.compute as pc

        said, column, kind = self.declared, self.values, self.values.type
        if said == "empty":
            return np.full(self.samples.rows, np.nan)
        if said in ("text", "category") and not pa.types.is_boolean(kind):
            return self._parse(means)
        if (said == "date") != (means == "date"):
            raise InputError(
                f"{self.samples.where}: column {self.name!r} is a {said} and in the real data a "
                f"{means}; store it with one type"
            )
        unit = 1.0
        if said == "date" or pa.types.is_time(kind) or pa.types.is_duration(kind):
            column, unit = _ticks(column)
            unit *= 86_400 if said == "date" else 1
        elif pa.types.is_boolean(kind):
            column = pc.cast(column, pa.int8())
        values = np.asarray(pc.cast(column, pa.float64(), safe=False), dtype=np.float64)
        if np.isinf(values).any():
            row = int(np.argmax(np.isinf(values)))
            raise InputError(
                f"{self.samples.where}: row {row}, column {self.name!r} is {values[row]}; "
                f"remove the row or leave the cell empty"
            )
        return values / unit

    def _parse(self, means: Meaning) -> NDArray[np.float64]:
        import pyarrow as pa
        import pyarrow.compute as pc

        text, what = self.text, "an ISO date" if means == "date" else "a number"
        good = text.matches(_DATE if means == "date" else _NUMBER)
        if not good.all():
            self.refuse(~good, f"is not {what} as the column's other cells are")
        if means == "date":
            values = _days(text)
            why = "is not a day of the calendar"
        else:
            values = np.asarray(pc.cast(text.levels, pa.float64()), dtype=np.float64)
            why = "is too large a number"
        if not np.isfinite(values).all():
            self.refuse(~np.isfinite(values), why)
        return np.append(values, np.nan)[text.codes]

    def refuse(self, levels: NDArray[np.bool_], why: str) -> NoReturn:
        """Raise InputError for the first cell with one of the marked levels."""
        row = int(np.argmax(self.text.mark(levels)))
        cell = self.text.levels[int(self.text.codes[row])].as_py()
        raise InputError(
            f"{self.samples.where}: row {row}, column {self.name!r}: {cell[:60]!r} {why}; correct "
            f"it, leave a missing cell empty, or use --ignore {self.name}"
        )


def _as_they_appear(codes: NDArray[np.int64], levels: Any) -> tuple[NDArray[np.int64], Any]:
    """Number the levels in the order of their first cells, without those that no cell has."""
    import pyarrow as pa

    used, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(np.where(used < 0, len(codes), first), kind="stable")
    rank = np.empty(len(used), dtype=np.int64)
    rank[order] = np.arange(len(used))
    rank[used < 0] = -1
    return rank[inverse], levels.take(pa.array(used[order][used[order] >= 0]))


def _ticks(column: Any) -> tuple[Any, float]:
    """Dates, times or durations as whole numbers, and how many of them are a second."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind, types = column.type, pa.types
    if types.is_date32(kind):
        return pc.cast(column, pa.int32()), 1 / 86_400
    if types.is_date64(kind):
        return pc.cast(column, pa.int64()), 1e3
    if kind.unit == "ns":  # to microseconds, as text; others are not cast: it could overflow
        zone = kind.tz if types.is_timestamp(kind) else None
        wanted = (
            pa.timestamp("us", zone)
            if types.is_timestamp(kind)
            else pa.time64("us")
            if types.is_time(kind)
            else pa.duration("us")
        )
        column = pc.cast(column, wanted, safe=False)
    whole = pa.int32() if types.is_time32(kind) else pa.int64()
    return pc.cast(column, whole), {"s": 1.0, "ms": 1e3}.get(kind.unit, 1e6)


def meaning(real: Sequence[Column]) -> Meaning:
    """Decide what a column means from the real sets; InputError if they contradict each other."""
    says = [(c, d) for c in real if (d := c.declared) != "empty"]
    firm: dict[Meaning, Column] = {d: c for c, d in says if d in ("number", "date")}
    for means, source in firm.items():
        for column, said in says:
            if said not in (means, "text"):
                raise InputError(
                    f"{column.samples.where}: column {column.name!r} is a {said} and in "
                    f"{source.samples.where} a {means}; store it with one type"
                )
        return means
    cells = sum(c.text.count for c, _ in says)
    if cells == 0:
        return "empty"
    dates = sum(int(c.text.mark(c.text.matches(_DATE)).sum()) for c, _ in says)
    if dates == cells:
        return "date"
    if any(d == "category" or c.text.matches(_PADDED).any() for c, d in says):
        return "category"
    numbers = sum(int(c.text.mark(c.text.matches(_NUMBER)).sum()) for c, _ in says)
    if numbers == cells:
        return "number"
    for count, pattern, what in ((numbers, _NUMBER, "a number"), (dates, _DATE, "an ISO date")):
        if 2 * count >= cells:
            for column, _ in says:
                bad = ~column.text.matches(pattern)
                if bad.any():
                    column.refuse(bad, f"is not {what}, as most cells of the column are")
    return "category"


def identifier(real: Sequence[Column], means: Meaning) -> bool:
    """Whether all cells of a category, or of a column of whole numbers, differ in each real set.

    In each, not in all together: row numbers often start anew in each file.
    """
    import pyarrow as pa

    if means not in ("number", "category"):
        return False
    if any(pa.types.is_floating(c.values.type) for c in real):
        return False
    if max(c.text.count for c in real) < _FEW:
        return False
    if any(c.text.count > len(c.text.levels) for c in real):
        return False
    return means == "category" or all(c.text.matches(_WHOLE).all() for c in real)


def _days(text: Text) -> NDArray[np.float64]:
    """Days since 1970 of each level (UTC where it has a zone); NaN for no day of the calendar."""
    import pyarrow as pa
    import pyarrow.compute as pc

    # pyarrow refuses what is finer than its microseconds: cut off
    levels = pc.replace_substring_regex(text.levels, r"(\.[0-9]{6})[0-9]+", r"\1")
    zoned = text.matches(_ZONED)
    values = np.full(len(levels), np.nan)

    def parse(which: NDArray[Any], zone: str | None) -> None:
        part = levels.take(pa.array(which))
        stamps = pc.cast(pc.cast(part, pa.timestamp("us", zone)), pa.int64())
        values[which] = np.asarray(stamps, dtype=np.float64) / _DAY

    for which, zone in ((np.flatnonzero(~zoned), None), (np.flatnonzero(zoned), "UTC")):
        try:
            parse(which, zone)
        except pa.ArrowInvalid:  # one of them is no day: find which
            for i in which:
                try:
                    parse(np.array([i]), zone)
                except pa.ArrowInvalid:
                    continue
    return values
