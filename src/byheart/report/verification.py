"""`byheart verify`: are the inputs unchanged, and does the audit come out the same?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from byheart.errors import InputError, UsageError
from byheart.report.document import WITHHELD, differences, read_json, to_report
from byheart.report.schema import Report


def verify(
    path: Path,
    *,
    features: str = "raw",
    device: str = "cpu",
    feature_cache: str | Path | None = None,
    groups: str | None = None,
    max_memory: str | int = "1GiB",
    progress: Callable[[str], None] | None = None,
) -> list[str]:
    """Return one line per difference between the report at `path` and a new audit; [] if none.

    Nothing that the report names is imported or opened beyond its three sets: `features` and
    `groups` have to be given again. Raises InputError when the report cannot be read or was made
    from arrays in memory, UsageError when an option is not the report's.
    """
    from byheart.auditing.protocol import audit
    from byheart.samples import fingerprint

    report = read_json(path)
    given: dict[str, Any] = dict(report.parameters)
    _require(path, "features", given.get("features", "raw"), features)
    if given.get("groups") != WITHHELD:
        _require(path, "groups", given.get("groups"), groups)
    elif groups is None:
        raise UsageError(f"{path}: withholds its groups; repeat them with --groups COLUMN|FILE")
    if WITHHELD in (given.get("ignore") or ()) or given.get("ignore") == WITHHELD:
        raise InputError(f"{path}: it withholds which columns were ignored; audit anew to compare")
    sources = _sources(report, path)
    changed = [
        f"inputs.{role}.sha256: {source} has changed since the report"
        for role, (source, recorded) in sources.items()
        if fingerprint(source) != recorded
    ]
    if changed:
        return changed
    size = given.get("image_size")
    again = audit(
        sources["train"][0],
        sources["heldout"][0] if "heldout" in sources else None,
        sources["generated"][0],
        seed=report.seed,
        level=report.level,
        fdr=report.fdr,
        tolerance=report.tolerance,
        resolution=report.resolution,
        permutations=report.permutations,
        features=features,
        device=device,
        feature_cache=feature_cache,
        groups=groups,
        ignore=tuple(given.get("ignore") or ()),
        image_size=tuple(size) if isinstance(size, list) else size,
        max_memory=max_memory,
        approximate=given.get("approximate", False),
        metrics=given.get("metrics", "tables"),
        progress=progress,
    )
    repeated = to_report(again, path.parent, examples=given.get("examples", True))
    return differences(report, repeated)


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
    for role in ("train", "heldout", "generated"):
        entry = report.inputs[role]
        if entry is None:
            continue
        if entry.path is None:
            raise InputError(
                f"{path}: {role} was an array in memory, which cannot be read again; audit files"
            )
        sources[role] = (str(path.parent / entry.path), entry.sha256)
    return sources
