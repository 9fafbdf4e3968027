"""Several reports side by side: their figures, and what makes the comparison unfair."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from byheart.auditing.judgement import Judgement, judge
from byheart.auditing.result import AuditResult, InputSet
from byheart.errors import UsageError
from byheart.escapes import visible
from byheart.intervals import Interval
from byheart.report.document import printable, read_json
from byheart.report.schema import Report

HASH = 12  # signs of a hash that are shown


@dataclass(frozen=True)
class Entry:
    """The figures of one report; None where it has no value."""

    name: str  # the path, without what all paths share
    path: str
    created: str
    byheart_version: str
    verdict: str
    kind: str | None
    p_value: float | None
    train_rows: int
    heldout_rows: int | None
    generated_rows: int
    memorized_lower_bound: int | None
    memorized_share: float | None
    auc: float | None
    auc_interval: Interval | None
    delta: float | None
    delta_interval: Interval | None
    delta_bandwidth: float | None
    minimum_detectable_rate: float | None
    named: int | None
    copying_rows: int | None
    controls: tuple[Judgement, ...]  # empty: no held-out set
    reason: str


@dataclass(frozen=True)
class Comparison:
    """Entries in the order given, and one line for each reason not to compare them."""

    entries: tuple[Entry, ...]
    warnings: tuple[str, ...]
    level: float  # the smallest of the reports


def compare(paths: Sequence[str | Path]) -> Comparison:
    """Read the reports at `paths` and return them side by side, sorted as given.

    Delta is its KL form at the middle bandwidth of each report. Raises UsageError for fewer than
    two paths or for one given twice, InputError for a file that is no report.
    """
    files = [Path(path) for path in paths]
    if len(files) < 2:
        raise UsageError("compare needs two reports or more: byheart compare A.json B.json")
    twice = [path for path, count in Counter(files).items() if count > 1]
    if twice:
        raise UsageError(f"{twice[0]}: given twice; name each report once")
    reports = [read_json(path) for path in files]
    names = _names(files)
    entries = tuple(
        _entry(name, path, report) for name, path, report in zip(names, files, reports, strict=True)
    )
    return Comparison(
        entries,
        tuple(_unfair(entries, reports)),
        min(report.level for report in reports),
    )


def as_json(comparison: Comparison) -> str:
    """Return the comparison as JSON text; null where there is no value."""
    return json.dumps(asdict(comparison), indent=2, allow_nan=False, ensure_ascii=False)


def _entry(name: str, path: Path, result: Report) -> Entry:
    train, heldout, generated = map(result.inputs.get, ("train", "heldout", "generated"))
    assert train is not None  # the schema asks for both
    assert generated is not None
    bound = result.copies.memorized_lower_bound if result.copies else None
    whole = train.rows if not result.parameters.get("groups") else 0
    curve = result.delta.kl if result.delta and result.delta.kl.values else None
    middle = len(curve.values) // 2 if curve else 0
    return Entry(
        name=name,
        path=printable(str(path)),
        created=result.created,
        byheart_version=result.byheart_version,
        verdict=result.verdict,
        kind=result.kind,
        p_value=result.p_value,
        train_rows=train.rows,
        heldout_rows=heldout.rows if heldout else None,
        generated_rows=generated.rows,
        memorized_lower_bound=bound,
        memorized_share=bound / whole if bound is not None and whole else None,
        auc=result.membership.auc if result.membership else None,
        auc_interval=_finite(result.membership.auc_interval) if result.membership else None,
        delta=_value(curve.values[middle]) if curve else None,
        delta_interval=_finite(curve.intervals[middle]) if curve else None,
        delta_bandwidth=curve.bandwidths[middle] if curve else None,
        minimum_detectable_rate=(
            result.controls.minimum_detectable_rate if result.controls else None
        ),
        named=len(result.copies.flagged_train) if result.copies else None,
        copying_rows=len(result.copying_rows) if result.copies or result.untested else None,
        controls=judge(result),
        reason=result.reason,
    )


def _names(paths: Sequence[Path]) -> list[str]:
    """Return the paths without the part that all share, or whole if that makes two equal."""
    whole = [visible(str(path)) for path in paths]
    parts = [path.parts for path in paths]
    if len({path.name for path in paths}) == 1:
        parts = [part[:-1] for part in parts]
    while all(len(part) > 1 for part in parts) and len({part[0] for part in parts}) == 1:
        parts = [part[1:] for part in parts]
    short = [visible(str(Path(*part))) for part in parts]
    return short if len(set(short)) == len(short) and "." not in short else whole


def _unfair(entries: Sequence[Entry], results: Sequence[AuditResult]) -> list[str]:
    """Return one line for each difference that a comparison of the figures would overlook."""

    def of(role: str, key: Callable[[InputSet], Any]) -> list[Any]:
        return [(key(entry) if (entry := r.inputs[role]) else None) for r in results]

    def short(entry: InputSet) -> str:
        return entry.sha256[:HASH]

    differing: list[tuple[str, Sequence[Any], str]] = [
        (
            "held-out sets",
            of("heldout", short),
            "the models are measured against different rows; audit all with the same ones",
        ),
        (
            "features",
            [r.parameters.get("features", "raw") for r in results],
            "distances mean different things, and so do Delta and copies",
        ),
        (
            "searches for neighbours",
            ["approximate" if r.approximation else "exact" for r in results],
            "an approximate search misses some, and so some copies",
        ),
        ("levels", [r.level for r in results], "bounds and verdicts hold at different levels"),
        ("seeds", [r.seed for r in results], "part of a small difference is the relabellings'"),
        (
            "numbers of relabellings",
            [r.permutations for r in results],
            "the smallest p-value that can come out is 1/(relabellings + 1)",
        ),
        (
            "tolerances and resolutions",
            [(r.tolerance, r.resolution) for r in results],
            "the verdicts ask for different things",
        ),
        (
            "training sets",
            of("train", short),
            "right for a comparison of training sets, wrong for checkpoints of one run",
        ),
        (
            "sizes of the training set",
            of("train", lambda entry: entry.rows),
            "compare shares, not numbers of points; the audits do not see equally small shares",
        ),
        (
            "sizes of the held-out set",
            of("heldout", lambda entry: entry.rows),
            "a larger one makes smaller p-values and bounds that are nearer to the truth",
        ),
        (
            "numbers of generated samples",
            of("generated", lambda entry: entry.rows),
            "more samples show more copies of the same model",
        ),
        (
            "groups, columns or image sizes",
            [
                json.dumps([r.parameters.get(key) for key in ("groups", "ignore", "image_size")])
                for r in results
            ],
            "the points are not the same",
        ),
        ("versions of byheart", [e.byheart_version for e in entries], "methods may have changed"),
    ]
    names = [entry.name for entry in entries]
    lines = [
        f"{what} differ ({_grouped(names, values)}): {why}"
        for what, values, why in differing
        if len({repr(value) for value in values}) > 1
    ]
    generated = of("generated", lambda entry: entry.sha256)
    for digest, count in Counter(generated).items():
        if count > 1:
            who = [name for name, other in zip(names, generated, strict=True) if other == digest]
            lines.append(f"{', '.join(who)} audit the same generated samples")
    return lines


def _grouped(names: Sequence[str], values: Sequence[Any]) -> str:
    groups: dict[str, list[str]] = {}
    for name, value in zip(names, values, strict=True):
        text = "none" if value is None else value if isinstance(value, str) else repr(value)
        groups.setdefault(text, []).append(name)
    return "; ".join(f"{', '.join(who)}: {printable(text)}" for text, who in groups.items())


def _value(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _finite(ends: Interval) -> Interval | None:
    return ends if all(math.isfinite(end) for end in ends) else None
