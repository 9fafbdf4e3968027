"""`byheart verify`: are the inputs unchanged, and does the audit come out the same?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from byheart.auditing.settings import Settings, options
from byheart.errors import InputError, UsageError
from byheart.progress import Watcher
from byheart.report.document import WITHHELD, differences, read_json, to_report
from byheart.report.schema import Report

ROLES = ("train", "heldout", "generated")


def verify(path: Path, *, progress: Watcher | None = None, **given: Any) -> list[str]:
    """Return one line per difference between the report at `path` and a new audit; [] if none.

    given: options of `byheart.audit` that are not taken from a report. Nothing that the report
    names is imported or opened beyond its three sets: features and groups have to be given again.
    Raises InputError when the report cannot be read or was made from arrays in memory, UsageError
    when an option is not the report's.
    """
    from byheart.auditing.protocol import audit
    from byheart.samples import fingerprint

    report = read_json(path)
    recorded = {**Settings().recorded(), **report.options()}
    chosen = Settings.of(given, "verify").recorded()
    for name, option in options().items():
        if option.repeat == "report" and name in given:
            raise UsageError(f"verify takes {name} from the report; leave it out")
        value = recorded.get(name)
        withheld = value == WITHHELD or (isinstance(value, list) and WITHHELD in value)
        if option.repeat == "asked" and not withheld:
            _require(path, name, value, chosen[name])
        elif option.repeat == "asked" and chosen[name] is None:
            raise UsageError(f"{path}: withholds its {name}; repeat them with --{name}")
        elif option.repeat == "report" and withheld:
            raise InputError(f"{path}: it withholds {name}; audit anew to compare")
    sources = _sources(report, path)
    changed = [
        f"inputs.{role}.sha256: {source} has changed since the report"
        for role, (source, recorded_hash) in sources.items()
        if fingerprint(source) != recorded_hash
    ]
    if changed:
        return changed
    train, heldout, generated = (sources[r][0] if r in sources else None for r in ROLES)
    again = audit(
        train,
        heldout,
        generated,
        progress=progress,
        **given,
        **{n: recorded[n] for n, o in options().items() if o.repeat == "report" and n in recorded},
    )
    kept = report.parameters.get("examples", True) is True
    return differences(report, to_report(again, path.parent, examples=kept))


def _require(path: Path, option: str, recorded: Any, repeated: str | None) -> None:
    if recorded != repeated:
        raise UsageError(
            f"{path}: made with --{option} {recorded}; repeat it, if you trust it: "
            f"byheart verify {path} --{option} {recorded}"
            if recorded is not None
            else f"{path}: made without --{option}; leave the option out"
        )


def _sources(report: Report, path: Path) -> dict[str, tuple[str, str]]:
    """Return path and recorded hash of each set; relative paths start at the report's folder."""
    sources = {}
    for role in ROLES:
        entry = report.inputs[role]
        if entry is None:
            continue
        if entry.path is None:
            raise InputError(
                f"{path}: {role} was an array in memory, which cannot be read again; audit files"
            )
        sources[role] = (str(path.parent / entry.path), entry.sha256)
    return sources
