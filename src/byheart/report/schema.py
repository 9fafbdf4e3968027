"""The format of report.json, schema version 2: an audit's result under a header.

The records of `byheart.auditing.result` are the format; pydantic checks them on the way out and in.
The shipped report.schema.json is `json_schema()`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, JsonValue, TypeAdapter

from byheart.auditing.judgement import Judgement
from byheart.auditing.result import AuditResult, InputSet
from byheart.auditing.settings import options

SCHEMA_VERSION = "2"
SCHEMA_FILE = Path(__file__).with_name("report.schema.json")
NEEDED = ("train", "generated")  # sets without which there is no audit


def _with_sets(inputs: Mapping[str, InputSet | None]) -> Mapping[str, InputSet | None]:
    """Return the three sets, or raise ValueError for others."""
    if set(inputs) != {*NEEDED, "heldout"} or not all(inputs[role] for role in NEEDED):
        raise ValueError("needs train, heldout (or null) and generated, and no other set")
    return inputs


def _with_options(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the parameters, or raise ValueError for an option that no audit takes."""
    for name, option in options().items():
        value = parameters.get(name)
        if value is None or (isinstance(value, str) and option.kind in (str, list)):
            continue
        try:
            option.check(value, name)
        except TypeError:
            raise ValueError(f"{name} cannot be {value!r:.60}") from None
        if option.kind is str:
            raise ValueError(f"{name} must be text, got {value!r:.60}")
    return parameters


@dataclass(frozen=True, kw_only=True)
class Report(AuditResult):
    """All of report.json; read back, it is the audit's result without the evidence."""

    # Inherited by the records within. Unknown keys are refused: a report says what it means.
    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    schema_version: Literal["2"]
    byheart_version: str
    created: str
    inputs: Annotated[
        Mapping[str, InputSet | None],
        AfterValidator(_with_sets),
        Field(json_schema_extra={"required": [*NEEDED, "heldout"]}),
    ]
    parameters: Annotated[Mapping[str, JsonValue], AfterValidator(_with_options)]
    environment: Mapping[str, JsonValue]
    judgements: tuple[Judgement, ...] = ()
    evidence: None = field(default=None, init=False, repr=False, compare=False)


REPORT = TypeAdapter(Report)
_HEADER = ("schema_version", "byheart_version", "created")
_RESULT = tuple(f.name for f in fields(AuditResult) if f.name != "evidence")
KEYS = (*_HEADER, *_RESULT, "judgements")  # in the order of the file


def _from_1(plain: dict[str, Any]) -> dict[str, Any]:
    """A key that version 1 does not have is a field with a default: what version 1 did."""
    return {**plain, "schema_version": "2"}


UPGRADES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "1": _from_1,
    SCHEMA_VERSION: dict,
}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of report.json; the shipped file is equal to it."""
    schema = REPORT.json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "properties": {key: schema["properties"][key] for key in KEYS},
        "title": f"byheart report, schema version {SCHEMA_VERSION}",
    }


if __name__ == "__main__":  # python -m byheart.report.schema renews the shipped file
    import json

    SCHEMA_FILE.write_text(json.dumps(json_schema(), indent=2) + "\n", encoding="utf-8")
