"""report.json, schema version 1: what a report says, checked on the way out and on the way in.

The models below are the boundary: an audit's result becomes a `Report` by `to_report`, a file by
`write_json`, and a `Report` again by `read_json`. The shipped report.schema.json is `json_schema`
of these models. A figure that has no value is null; NaN and infinity never reach the file.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from byheart.auditing.result import AuditResult
from byheart.errors import InputError, UsageError

SCHEMA_VERSION = "1"
SCHEMA_FILE = Path(__file__).with_name("report.schema.json")

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Interval = tuple[float | None, float | None]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class InputSet(_Model):
    """Where one set of samples came from; `path` is relative to the report, null for an array."""

    path: str | None
    sha256: str
    rows: Count
    dimension: Count
    dtype: str


class Inputs(_Model):
    """The three sets; `heldout` is null when there was none."""

    train: InputSet
    heldout: InputSet | None
    generated: InputSet


class Test(_Model):
    """One statistic of the family."""

    name: str
    statistic: float | None
    p_value: Share
    p_adjusted: Share


class DeltaCurve(_Model):
    """One form of the relative distance over bandwidths."""

    bandwidths: tuple[float, ...]
    values: tuple[float | None, ...]
    intervals: tuple[Interval, ...]


class Delta(_Model):
    """The relative distance; negative is memorization."""

    kl: DeltaCurve
    l2: DeltaCurve


class CopiedPair(_Model):
    """A training row and its nearest generated row; names are null when examples are left out."""

    train_index: Count
    generated_index: Count
    distance: float
    q_value: float
    train_name: str | None
    generated_name: str | None


class Copies(_Model):
    """The memorized training points."""

    memorized_lower_bound: Count
    fdr: float
    flagged_train: tuple[Count, ...]
    pairs: tuple[CopiedPair, ...]
    share_of_generated: Share
    share_interval: Interval
    minimum_list_length: Count
    reproduced_train: Count
    reproduced_heldout: Count


class TruePositiveRates(_Model):
    """True-positive rates at two false-positive rates; null with too few held-out points."""

    one_percent: Share | None = Field(alias="0.01")
    one_per_mille: Share | None = Field(alias="0.001")


class Membership(_Model):
    """The attack "close to a generated sample means trained on"."""

    auc: Share
    auc_interval: Interval
    tpr_at_fpr: TruePositiveRates
    epsilon_lower_bound: float | None


class ControlTest(_Model):
    """A control that ought not to alarm."""

    p_value: Share
    passed: bool


class Duplicates(_Model):
    """Rows in both train and held-out, as (train index, held-out index)."""

    count: Count
    pairs: tuple[tuple[Count, Count], ...]


class Planted(_Model):
    """Power against planted copies: rows follow `noise`, columns `training_share`."""

    noise: tuple[float, ...]
    training_share: tuple[float, ...]
    generated_share: tuple[float, ...]
    power: tuple[tuple[Share | None, ...], ...]
    minimum_detectable_share: tuple[Share | None, ...]


class Comparability(_Model):
    """Are the generated samples on the data's scale?"""

    distance_ratio: float | None
    limit: float
    passed: bool
    cause: str | None


class Independence(_Model):
    """Does the model reproduce held-out rows more often than training rows do?"""

    generated_share: Share
    train_share: Share
    p_value: Share
    passed: bool


class Controls(_Model):
    """Everything that has to hold before a verdict is believed."""

    role_swap: ControlTest
    exchangeability: ControlTest
    duplicates: Duplicates
    planted: Planted
    minimum_detectable_rate: Share | None
    comparability: Comparability
    independence: Independence


class Metric(_Model):
    """A descriptive figure; a bound that does not exist is null."""

    value: float | None
    interval: Interval | None
    goal: Literal["minimize", "maximize", "zero", "none"]
    minimum: float | None
    maximum: float | None


class Parameters(BaseModel):
    """What the audit was run with; further keys are allowed."""

    model_config = ConfigDict(extra="allow", frozen=True)

    features: str = "raw"


class Report(_Model):
    """All of report.json."""

    schema_version: Literal["1"]
    byheart_version: str
    created: str
    seed: Count
    level: float
    fdr: float
    tolerance: float
    resolution: float
    permutations: Count
    verdict: Literal["memorizes", "generalizes", "inconclusive"]
    kind: Literal["copies", "traces"] | None
    reason: str
    p_value: Share | None
    inputs: Inputs
    tests: tuple[Test, ...]
    delta: Delta | None
    copies: Copies | None
    membership: Membership | None
    controls: Controls | None
    metrics: dict[str, Metric]
    parameters: Parameters
    environment: dict[str, JsonValue]
    warnings: tuple[str, ...]


def to_report(result: AuditResult, folder: Path | None = None, *, examples: bool = True) -> Report:
    """Return `result` as a report whose paths are relative to `folder` (None: as they were given).

    With `examples=False` names of rows, files and columns are left out.
    """
    from byheart import __version__

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
        plain["parameters"] = withheld(plain["parameters"])
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


def withheld(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return `parameters` without names of the data's columns, marked as such."""
    named = ("columns", "ignore")
    return {**{k: v for k, v in parameters.items() if k not in named}, "examples": False}


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


def differences(a: Report, b: Report) -> list[str]:
    """Return one line for each key in which two reports differ, with both values; [] if none.

    `created` and `environment` are not compared; numbers must be equal to the last bit.
    """
    left, right = (r.model_dump(mode="json", by_alias=True) for r in (a, b))
    for plain in (left, right):
        del plain["created"], plain["environment"]
    return list(_differing(left, right, ""))


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of report.json; the shipped file is equal to it."""
    schema = Report.model_json_schema(by_alias=True, mode="validation")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "byheart report, schema version 1",
    }


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
