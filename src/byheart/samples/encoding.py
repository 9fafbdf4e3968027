"""Three sets of samples made comparable: finite rows of one length and one type.

Vectors and images keep their values as stored; nothing is rescaled. Tables are encoded by a
transform fitted on train and held-out together: fitted on train alone it would see the labels, and
the audit's exchangeability would be lost. It depends on the set of real rows only, neither on
their order nor on which of them are held out, and identical rows get identical bits.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from byheart.distances.rows import Array, Cast, Rows, held, row_blocks
from byheart.errors import InputError, UsageError
from byheart.samples.columns import Column, identifier, meaning
from byheart.samples.record import ArraySamples, SampleKind, Samples, TableSamples
from byheart.samples.scaling import Block, Span, categories, numbers

Role = Literal["train", "heldout", "generated"]
_SMALL = 1 << 24  # bytes up to which cast rows are kept in memory


@dataclass(frozen=True)
class Encoded:
    """The three sets as finite, C-contiguous (rows, d) matrices of one type.

    Rows that are stored as they are needed stay where they are, be it in memory or in a mapped
    file; others are cast as they are read, a small set at once.
    `sample_shape` is the shape of one stored sample: (d,), (height, width) or (height, width,
    channels). `columns` are the table's columns in use, in the order of the training set; `spans`
    say where those that vary stand among the d encoded ones, in the order of their names.
    """

    train: Rows
    heldout: Rows | None
    generated: Rows
    kind: SampleKind
    sample_shape: tuple[int, ...]
    columns: tuple[str, ...]
    warnings: tuple[str, ...]
    spans: tuple[Span, ...]
    _samples: Mapping[str, Samples] = field(repr=False, compare=False)

    def display_rows(self, role: Role, indices: Sequence[int] | NDArray[Any]) -> NDArray[Any]:
        """The stored rows for a gallery: values, or for a table an object array of its cells.

        Raises UsageError if there is no set of this role.
        """
        samples = self._samples.get(role)
        if samples is None:
            raise UsageError(f"there is no {role} set; the sets are {', '.join(self._samples)}")
        return samples.shown(np.asarray(indices, dtype=np.int64), self.columns)


def encode(
    train: Samples, heldout: Samples | None, generated: Samples, *, ignore: Sequence[str] = ()
) -> Encoded:
    """Make three sets comparable; see the module for how tables are encoded.

    `ignore` names columns of a table to leave out. Raises InputError for sets of different kinds,
    shapes or columns, the same data in two roles, values that are not finite, and columns that
    cannot be encoded; UsageError for an unknown name in `ignore`.

    >>> from byheart.samples import read
    >>> real, fake = read([[0.0, 1.0], [2.0, 3.0]], "train"), read([[0.5, 0.5]], "generated")
    >>> encode(real, None, fake).generated
    array([[0.5, 0.5]])
    """
    sets = {"train": train, "heldout": heldout, "generated": generated}
    given: Mapping[str, Samples] = {role: s for role, s in sets.items() if s is not None}
    _distinct(list(given.values()))
    for samples in given.values():
        if samples.kind != train.kind:
            raise InputError(
                f"{samples.where}: holds {_named(samples.kind)}, and {train.where} "
                f"{_named(train.kind)}; give sets of one kind"
            )
    notes = [w for s in given.values() for w in s.warnings]
    arrays, tables = _by_kind(given, ignore)
    shape: tuple[int, ...]
    rows: Mapping[str, Rows]
    spans: tuple[Span, ...] = ()
    if tables:
        rows, columns, spans = _table_rows(tables, tuple(ignore), notes)
        shape = (rows["train"].shape[1],)
    else:
        given, columns = _same_mode(arrays, notes), ()
        shape = _one_shape(given)
        rows = _numeric(given, notes)
    return Encoded(
        rows["train"],
        rows.get("heldout"),
        rows["generated"],
        train.kind,
        shape,
        columns,
        tuple(notes),
        spans,
        given,
    )


def encode_alone(samples: Samples, *, ignore: Sequence[str] = ()) -> tuple[Array, tuple[str, ...]]:
    """Return one set as (rows, d) finite numbers, and warnings; encoded as `encode` does.

    The scale of a table's columns is that of this set. Raises the errors of `encode`.

    >>> from byheart.samples import read
    >>> encode_alone(read([[0, 1], [2, 3]], "data"))[0]
    array([[0., 1.],
           [2., 3.]])
    """
    notes = list(samples.warnings)
    arrays, tables = _by_kind({"train": samples}, ignore)
    rows = _table_rows(tables, tuple(ignore), notes)[0] if tables else _numeric(arrays, notes)
    return np.asarray(rows["train"]), tuple(notes)


def _by_kind(
    given: Mapping[str, Samples], ignore: Sequence[str]
) -> tuple[dict[str, ArraySamples], dict[str, TableSamples]]:
    """Return sets of one kind as what they are; one of the two is empty."""
    arrays = {role: s for role, s in given.items() if isinstance(s, ArraySamples)}
    if arrays and ignore:
        found = "this is an array" if len(arrays) == 1 else "these are arrays"
        raise UsageError(f"ignore is for the columns of a table, and {found}; leave it out")
    return arrays, {role: s for role, s in given.items() if isinstance(s, TableSamples)}


def _distinct(given: list[Samples]) -> None:
    for i, first in enumerate(given):
        for second in given[i + 1 :]:
            if (first.sha256, first.key) == (second.sha256, second.key):
                raise InputError(
                    f"{second.where}: the same data as {first.where}; "
                    f"each role needs a set of its own"
                )


def _named(kind: SampleKind) -> str:
    return "a table" if kind == "table" else kind


def _one_shape(given: Mapping[str, ArraySamples]) -> tuple[int, ...]:
    """Return the shape of a row; InputError if it is not that of all sets."""
    train = given["train"]
    shape = train.values.shape[1:]
    for samples in given.values():
        if samples.values.shape[1:] != shape:
            found = " × ".join(map(str, samples.values.shape[1:]))
            wanted = " × ".join(map(str, shape))
            advice = "; resize folders of images with --image-size" * (train.kind == "images")
            raise InputError(
                f"{samples.where}: a row has shape {found}, and one of {train.where} {wanted}"
                f"{advice or '; give rows of one length'}"
            )
    return shape


def _same_mode(given: dict[str, ArraySamples], notes: list[str]) -> dict[str, ArraySamples]:
    """Grey folders beside colour ones become RGB: savers of images often write grey as RGB."""
    colour = [s for s in given.values() if s.values.shape[3:] == (3,)]
    if not colour:
        return given
    result = {}
    for role, samples in given.items():
        values = samples.values
        if samples.names is not None and values.ndim == 3:
            notes.append(f"{samples.where}: grey images, and {colour[0].where} has colour; to RGB")
            samples = replace(
                samples, values=np.broadcast_to(values[..., None], (*values.shape, 3))
            )
        result[role] = samples
    return result


def _numeric(given: Mapping[str, ArraySamples], notes: list[str]) -> dict[str, Rows]:
    """Flatten and cast: float32 if that holds every stored value, else float64.

    Floats of different precision are all rounded to the lowest one: otherwise a copy would not be
    equal to its original, and the set with the coarser values would look different.
    """
    types = [s.values.dtype.newbyteorder("=") for s in given.values()]
    floats = {t for t in types if t.kind == "f"}
    lowest = min(floats, key=lambda t: t.itemsize) if len(floats) > 1 else None
    if lowest is not None and not all(_fits(s, lowest) for s in given.values()):
        lowest = None
    if lowest is not None:
        notes.append(f"the sets are stored with different precision; all were rounded to {lowest}")
    wide = any(
        s.values.dtype.itemsize > (2 if s.values.dtype.kind in "iub" else 4)
        for s in given.values()
        if lowest is None or s.values.dtype.kind != "f"
    )
    dtype = np.float64 if wide else np.float32
    rows: dict[str, Rows] = {}
    for role, samples in given.items():
        values = np.asarray(samples.values)
        through = lowest if values.dtype.kind == "f" and values.dtype != lowest else None
        if values.dtype == dtype and values.flags.c_contiguous and through is None:
            rows[role] = values.reshape(len(values), -1)
        else:
            rows[role] = held(Cast(values, dtype, through), _SMALL)
        if values.dtype.kind == "f":
            _finite(rows[role], samples)
    return rows


def _fits(samples: ArraySamples, dtype: np.dtype[Any]) -> bool:
    if samples.values.dtype.kind != "f" or samples.values.dtype.itemsize <= dtype.itemsize:
        return True
    rows, limit = Cast(samples.values, samples.values.dtype), np.finfo(dtype).max
    with np.errstate(all="ignore"):
        return all((np.abs(rows[block]) <= limit).all() for block in row_blocks(*rows.shape))


def _finite(rows: Rows, samples: ArraySamples) -> None:
    for block in row_blocks(*rows.shape):
        values = rows[block]
        with np.errstate(all="ignore"):
            if np.isfinite(values.sum(dtype=np.float64)):  # the exact search only on suspicion
                continue
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            i, column = block.start + int(bad[0, 0]), int(bad[0, 1])
            place = tuple(int(v) for v in np.unravel_index(column, samples.values.shape[1:]))
            at = f"column {column}" if samples.kind == "vectors" else f"pixel {place}"
            raise InputError(
                f"{samples.where}: {samples.row_name(i)}, {at} is {rows[i][column]}; "
                f"remove or fill values that are not finite"
            )


def _table_rows(
    given: Mapping[str, TableSamples], ignore: tuple[str, ...], notes: list[str]
) -> tuple[dict[str, Array], tuple[str, ...], tuple[Span, ...]]:
    names = _columns(given, ignore)
    blocks: list[Block] = []
    for name in sorted(names):  # the order of the columns, too, is that of neither set
        columns = {role: Column(samples, name) for role, samples in given.items()}
        real = [c for role, c in columns.items() if role != "generated"]
        means = meaning(real)
        if identifier(real, means):
            quantity = "" if means == "category" else ", or write a quantity with decimals (7.0)"
            raise InputError(
                f"{real[0].samples.where}: column {name!r} differs in every row, as an identifier "
                f"does; name rows by it with --id {name}, or leave it out with --ignore "
                f"{name}{quantity}"
            )
        if means == "empty":
            block = None
        elif means == "category":
            block = categories(columns, notes)
        else:
            block = numbers(columns, means, notes)
        if block is None:
            notes.append(f"column {name!r} is constant in the real data and was left out")
        else:
            blocks.append(block)
    width = max(1, sum(block.width for block in blocks))  # all constant: one column of zeros
    rows: dict[str, Array] = {role: np.zeros((s.rows, width)) for role, s in given.items()}
    spans: list[Span] = []
    for block in blocks:
        span = Span(sum(s.width for s in spans), block.width, not block.numbers)
        for role, out in rows.items():
            block.write(role, out[:, span.start : span.start + span.width])
        spans.append(span)
    return rows, tuple(names), tuple(spans)


def _columns(given: Mapping[str, TableSamples], ignore: tuple[str, ...]) -> list[str]:
    known = {n for s in given.values() for n in s.table.column_names}
    for name in ignore:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1) or sorted(known)[:1]
            raise UsageError(f"ignore: there is no column {name!r}; did you mean {near[0]!r}?")
    kept = {role: [n for n in s.table.column_names if n not in ignore] for role, s in given.items()}
    names = kept["train"]
    if not names:
        raise InputError(f"{given['train'].where}: every column is ignored; keep at least one")
    for role, found in kept.items():
        here, there = given[role].where, given["train"].where
        missing = list(dict.fromkeys(names).keys() - found)
        extra = list(dict.fromkeys(found).keys() - names)
        if missing or extra:
            first = (
                f"lacks column {missing[0]!r} of" if missing else f"has column {extra[0]!r}, not in"
            )
            more = len(missing) + len(extra) - 1
            others = f" ({more} more columns differ)" if more else ""
            raise InputError(
                f"{here}: {first} {there}{others}; give the same columns, "
                f"or use --ignore {(missing or extra)[0]}"
            )
    return names
