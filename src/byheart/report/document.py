"""report.json: an audit's result out to a file, and a report back in.

An audit's result becomes a `Report` (the result under a header, see `schema`) by `to_report`, a
file by `write_json`, and a `Report` again by `read_json`. A figure that has no value is null; NaN
and infinity never reach the file.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from byheart._version import __version__
from byheart.auditing.judgement import judge
from byheart.auditing.result import AuditResult, CopyingRow, TrainingRow, Untested
from byheart.errors import InputError, UsageError
from byheart.files import content, replacing
from byheart.report.schema import KEYS, REPORT, SCHEMA_VERSION, UPGRADES, Report

WITHHELD = "(withheld)"


def to_report(result: AuditResult, folder: Path | None = None, *, examples: bool = True) -> Report:
    """Return `result` as a report whose paths are relative to `folder` (None: as they were given).

    With `examples=False` names of rows, files and columns are left out.
    """
    if not examples:
        result = without_examples(result)
    plain = _plain(result)
    del plain["evidence"]
    if folder is not None:
        for entry in plain["inputs"].values():
            if entry and entry["path"] is not None:
                entry["path"] = _relative(entry["path"], folder)
    header: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "byheart_version": __version__,
        "created": timestamp(),
        "judgements": _plain(judge(result)),
    }
    return REPORT.validate_python({**plain, **header})


def to_plain(report: Report) -> dict[str, Any]:
    """Return `report` in JSON's own types, its keys in the order of the file."""
    plain = {key: _plain(getattr(report, key)) for key in KEYS}
    for name in ("approximation", "untested"):
        if plain[name] is None:  # left out of an exact audit, and of one with a held-out set
            del plain[name]
    return plain


def without_examples(result: AuditResult) -> AuditResult:
    """Return `result` without values and names of the data, for `--no-examples`.

    Columns, groups, rows' names and the rows shown go; what stands in quotes in the reason and the
    warnings becomes "(withheld)", and so does every column's name in the warnings. The paths of
    the three sets stay, and row numbers.
    """
    evidence, copies, untested = result.evidence, result.copies, result.untested
    controls = result.controls
    named = {
        key: result.parameters[key]
        for key in ("columns", "ignore", "groups", "id")
        if result.parameters.get(key)
    }
    names = [*(evidence.columns if evidence else ()), *_names(list(named.values()))]
    return dataclasses.replace(
        result,
        reason=_redacted(result.reason, ()),
        warnings=tuple(_redacted(text, names) for text in result.warnings),
        parameters={**result.parameters, **dict.fromkeys(named, WITHHELD), "examples": False},
        copies=copies
        and dataclasses.replace(
            copies,
            pairs=tuple(
                dataclasses.replace(pair, train_name=None, generated_name=None)
                for pair in copies.pairs
            ),
            rows=_unnamed(copies.rows),
            training_rows=_nameless(copies.training_rows),
        ),
        controls=controls
        and dataclasses.replace(
            controls,
            comparability=dataclasses.replace(
                controls.comparability,
                cause=controls.comparability.cause
                and _redacted(controls.comparability.cause, names),
            ),
        ),
        untested=untested
        and Untested(
            _unnamed(untested.rows),
            _unnamed(untested.closest),
            _nameless(untested.training_rows),
        ),
        evidence=evidence
        and dataclasses.replace(evidence, columns=(), train_matches=(), heldout_matches=()),
    )


def _unnamed(rows: tuple[CopyingRow, ...]) -> tuple[CopyingRow, ...]:
    return tuple(dataclasses.replace(r, train_name=None, generated_name=None) for r in rows)


def _nameless(rows: tuple[TrainingRow, ...]) -> tuple[TrainingRow, ...]:
    return tuple(dataclasses.replace(row, train_name=None) for row in rows)


def _names(value: Any) -> list[str]:
    if isinstance(value, (list, tuple)):
        return [name for item in value for name in _names(item)]
    return [value] if isinstance(value, str) else []


def _redacted(text: str, names: Sequence[str]) -> str:
    known = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True) if name)
    if known:
        text = re.sub(rf"(?<!\w)(?:{known})(?!\w)", WITHHELD, text)
    return re.sub(r"(?<!\w)'[^']*'(?!\w)|\"[^\"]*\"", WITHHELD, text)


def write_json(result: AuditResult, path: str | Path, *, examples: bool = True) -> Path:
    """Write report.json to `path`, whole or not at all, and return the path.

    The same result gives the same bytes, `created` aside, which SOURCE_DATE_EPOCH (seconds since
    1970, UTC) fixes. With `examples=False` no name of a row, file or column is written; a row's
    number stays. Raises UsageError when the folder does not exist or cannot be written.
    """
    path = Path(path)
    report = to_report(result, path.parent, examples=examples)
    text = json.dumps(to_plain(report), indent=2, ensure_ascii=False, allow_nan=False)
    return write_text(path, text + "\n")


def read_json(path: str | Path) -> Report:
    """Return the report in the file at `path`, of this schema version or an earlier one.

    It is a result without the evidence, which no report holds: figures without a value are NaN,
    bounds that do not exist infinite, paths relative to the report. Raises InputError, in one
    line, for a file that is missing, unreadable, of another schema version, or not a report.
    """
    path = Path(path)
    document = content(path, str(path))
    try:
        plain = json.loads(document.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a JSON file ({_line(error)})") from None
    if not isinstance(plain, dict):
        raise InputError(f"{path}: not a byheart report; pass the report.json of an audit")
    version = plain.get("schema_version")
    upgrade = UPGRADES.get(version) if isinstance(version, str) else None
    if upgrade is None:
        raise InputError(
            f"{path}: schema version {_line(repr(version))} is unknown, this byheart reads "
            f"{' and '.join(UPGRADES)}; pass the report.json of an audit"
        )
    try:
        report = REPORT.validate_json(json.dumps(upgrade(plain)), strict=True)
    except RecursionError:
        raise InputError(f"{path}: is nested too deep for a report") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(f"{path}: {_line(where)}: {_line(first['msg'])}") from None
    curve = report.delta.kl if report.delta else None
    if curve and not len(curve.values) == len(curve.bandwidths) == len(curve.intervals):
        raise InputError(f"{path}: delta.kl: needs as many intervals and values as bandwidths")
    return report


def differences(a: Report, b: Report) -> list[str]:
    """Return one line for each key in which two reports differ, with both values; [] if none.

    `created` and `environment` are not compared; numbers must be equal to the last bit.
    """
    left, right = (to_plain(report) for report in (a, b))
    for plain in (left, right):
        del plain["created"], plain["environment"]
    return list(_differing(left, right, ""))


def write_text(path: Path, text: str) -> Path:
    """Write `text` to `path` as UTF-8 by a temporary file beside it, whole or not at all.

    Raises UsageError when the folder does not exist or cannot be written.
    """
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
    return path


def timestamp() -> str:
    """Return the time in UTC as ISO text, or that of SOURCE_DATE_EPOCH if it is set.

    Raises UsageError when SOURCE_DATE_EPOCH is not a number of seconds.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        now = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"SOURCE_DATE_EPOCH must be whole seconds since 1970, got {epoch!r}; unset it"
        ) from None
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def printable(text: str) -> str:
    """Return `text` with bytes that are not UTF-8 (in file names, say) written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _plain(value: Any) -> Any:
    """Return dataclasses, arrays and numpy numbers as JSON's own types; null for no number."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {printable(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int)):
        return value
    return printable(str(value))


def _relative(path: str, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive
        return Path(path).resolve().as_posix()


def _differing(a: Any, b: Any, where: str) -> Iterator[str]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in [*a, *(key for key in b if key not in a)]:
            at = f"{where}.{key}" if where else str(key)
            yield from _differing(a.get(key, _ABSENT), b.get(key, _ABSENT), at)
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from _differing(x, y, f"{where}[{i}]")
    elif type(a) is not type(b) or a != b:
        yield f"{where}: {_shown(a)} became {_shown(b)}"


class _Absent:
    def __repr__(self) -> str:
        return "absent"


_ABSENT = _Absent()


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return _line(repr(value))


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _line(text: object, limit: int = 160) -> str:
    line = " ".join(printable(str(text)).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
