"""report.json: an audit's result out to a file, and a report back in.

An audit's result becomes a `Report` (the models of `schema`) by `to_report`, a file by
`write_json`, and a `Report` again by `read_json`. A figure that has no value is null; NaN and
infinity never reach the file.
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

from byheart.auditing import result as records
from byheart.auditing.result import AuditResult
from byheart.errors import InputError, UsageError
from byheart.report.schema import SCHEMA_VERSION, Report

WITHHELD = "(withheld)"


def to_report(result: AuditResult, folder: Path | None = None, *, examples: bool = True) -> Report:
    """Return `result` as a report whose paths are relative to `folder` (None: as they were given).

    With `examples=False` names of rows, files and columns are left out.
    """
    from byheart import __version__

    if not examples:
        result = without_examples(result)
    plain = {
        f.name: _plain(getattr(result, f.name))
        for f in dataclasses.fields(result)
        if f.name != "evidence"
    }
    if folder is not None:
        for entry in plain["inputs"].values():
            if entry and entry["path"] is not None:
                entry["path"] = _relative(entry["path"], folder)
    if not examples:
        for pair in plain["copies"]["pairs"] if plain["copies"] else ():
            pair["train_name"] = pair["generated_name"] = None
    return Report.model_validate(
        {
            "schema_version": SCHEMA_VERSION,
            "byheart_version": __version__,
            "created": timestamp(),
            **plain,
        }
    )


def without_examples(result: AuditResult) -> AuditResult:
    """Return `result` without values and names of the data, for `--no-examples`.

    Columns, groups and pairs go; what stands in quotes in the reason and the warnings becomes
    "(withheld)", and so does every column's name in the warnings. The paths of the three sets
    stay, and row numbers.
    """
    evidence = result.evidence
    named = {
        key: result.parameters[key]
        for key in ("columns", "ignore", "groups")
        if result.parameters.get(key)
    }
    names = [*(evidence.columns if evidence else ()), *_names(list(named.values()))]
    return dataclasses.replace(
        result,
        reason=_redacted(result.reason, ()),
        warnings=tuple(_redacted(text, names) for text in result.warnings),
        parameters={**result.parameters, **dict.fromkeys(named, WITHHELD), "examples": False},
        evidence=evidence
        and dataclasses.replace(evidence, columns=(), train_matches=(), heldout_matches=()),
    )


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
    plain = report.model_dump(mode="json", by_alias=True)
    text = json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False)
    return write_text(path, text + "\n")


def read_json(path: str | Path) -> Report:
    """Return the report in the file at `path`.

    Raises InputError, in one line, for a file that is missing, unreadable, of another schema
    version, or not a report.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    try:
        plain = json.loads(content.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a JSON file ({_line(error)})") from None
    if not isinstance(plain, dict):
        raise InputError(f"{path}: not a byheart report; pass the report.json of an audit")
    version = plain.get("schema_version")
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path}: schema version {_line(repr(version))} is unknown, this byheart reads version "
            f"{SCHEMA_VERSION}; pass the report.json of an audit"
        )
    try:
        return Report.model_validate_json(content, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(f"{path}: {_line(where)}: {_line(first['msg'])}") from None


def to_result(report: Report) -> AuditResult:
    """Return `report` as a result, without the evidence, which no report holds.

    Figures without a value become NaN, and bounds that do not exist infinite; paths stay relative
    to the report.
    """
    plain = report.model_dump(by_alias=True)
    names = {field.name for field in dataclasses.fields(AuditResult)}
    kept = {name: value for name, value in plain.items() if name in names}
    copies, delta, held = kept["copies"], kept["delta"], kept["controls"]
    kept["inputs"] = {
        role: entry and records.InputSet(**entry) for role, entry in kept["inputs"].items()
    }
    kept["tests"] = tuple(
        records.Test(**{**test, "statistic": _number(test["statistic"])}) for test in kept["tests"]
    )
    if delta:
        kept["delta"] = records.Delta(_curve(delta["kl"]), _curve(delta["l2"]))
    if copies:
        pairs = tuple(
            records.CopiedPair(
                **{
                    **pair,
                    **{key: pair[key] or WITHHELD for key in ("train_name", "generated_name")},
                }
            )
            for pair in copies["pairs"]
        )
        share = _ends(copies["share_interval"])
        kept["copies"] = records.Copies(**{**copies, "pairs": pairs, "share_interval": share})
    if kept["membership"]:
        ends = _ends(kept["membership"]["auc_interval"])
        kept["membership"] = records.Membership(**{**kept["membership"], "auc_interval": ends})
    if held:
        ratio = _number(held["comparability"]["distance_ratio"])
        kept["controls"] = records.Controls(
            role_swap=records.ControlTest(**held["role_swap"]),
            exchangeability=records.ControlTest(**held["exchangeability"]),
            comparability=records.Comparability(
                **{**held["comparability"], "distance_ratio": ratio}
            ),
            independence=records.Independence(**held["independence"]),
            duplicates=records.Duplicates(**held["duplicates"]),
            planted=records.Planted(**held["planted"]),
            minimum_detectable_rate=held["minimum_detectable_rate"],
        )
    if found := kept.get("approximation"):
        recalls = {
            name: records.Recall(**found[name]) for name in ("forward", "backward", "among_real")
        }
        kept["approximation"] = records.Approximation(**{**found, **recalls})
    kept["metrics"] = {
        name: records.Metric(
            value=_number(metric["value"]),
            interval=metric["interval"] and _ends(metric["interval"]),
            goal=metric["goal"],
            minimum=-math.inf if metric["minimum"] is None else metric["minimum"],
            maximum=math.inf if metric["maximum"] is None else metric["maximum"],
        )
        for name, metric in kept["metrics"].items()
    }
    return AuditResult(**kept)


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _ends(interval: tuple[float | None, float | None]) -> tuple[float, float]:
    return _number(interval[0]), _number(interval[1])


def _curve(curve: Mapping[str, Any]) -> records.DeltaCurve:
    return records.DeltaCurve(
        curve["bandwidths"],
        tuple(_number(value) for value in curve["values"]),
        tuple(_ends(ends) for ends in curve["intervals"]),
    )


def differences(a: Report, b: Report) -> list[str]:
    """Return one line for each key in which two reports differ, with both values; [] if none.

    `created` and `environment` are not compared; numbers must be equal to the last bit.
    """
    left, right = (r.model_dump(mode="json", by_alias=True) for r in (a, b))
    for plain in (left, right):
        del plain["created"], plain["environment"]
    return list(_differing(left, right, ""))


def write_text(path: Path, text: str) -> Path:
    """Write `text` to `path` as UTF-8 by a temporary file beside it, whole or not at all.

    Raises UsageError when the folder does not exist or cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UsageError(f"{path}: cannot be written ({error.strerror or error})") from None
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
