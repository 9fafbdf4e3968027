"""report.html: one self-contained page without any request; its only script draws the charts.

Everything from the data (names, cells, reasons) goes through the autoescape of `report.html`, or
into the block of JSON of `report.script`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byheart._version import __version__
from byheart.auditing.judgement import judge
from byheart.auditing.result import AuditResult, CopyingRow, Evidence
from byheart.errors import UsageError
from byheart.report import gallery, wording
from byheart.report.advice import next_steps
from byheart.report.document import timestamp, without_examples, write_text
from byheart.report.html import environment, figure
from byheart.report.lists import lists
from byheart.report.script import POLICY, script

if TYPE_CHECKING:
    import altair

SHOWN_AT_ONCE = 6  # pairs of a side before "more"
SHOWN = 24  # pairs of a side at most
TESTS_SHOWN = 8  # the weighted statistics and Delta, which stand first
LISTED = 200  # rows of a list at most; the files have all
DOWNLOADED = 1_000_000  # bytes of a list within the page at most


def write_html(result: AuditResult, path: str | Path, *, examples: bool = True) -> Path:
    """Write report.html to `path`, whole or not at all, and return the path.

    With `examples=False` no value and no name of a row, file or column of the data is in the page.
    Raises UsageError when the folder does not exist or cannot be written.
    """
    page = environment().get_template("page.html").render(_context(result, examples=examples))
    return write_text(Path(path), page)


def summary_html(result: AuditResult) -> str:
    """Return a small card for notebooks: verdict, number, sentence, p-value; escaped."""
    template = environment().get_template("summary.html")
    return template.render(
        head=wording.headline(result), facts=_facts(result)[:3], next=next_steps(result)[0]
    )


def main_chart(result: AuditResult) -> altair.LayerChart:
    """Return the chart of the distances to the nearest generated row, train and held-out."""
    drawn = dict(_charts(result))
    if "distances" not in drawn:
        raise UsageError(
            "there is nothing to plot: the audit had no held-out set, or it was read from a "
            "report, which keeps no distances"
        )
    return drawn["distances"]


def _context(result: AuditResult, *, examples: bool) -> dict[str, Any]:
    from byheart.plotting import interactive

    if not examples:
        result = without_examples(result)
    evidence = result.evidence
    sides = _sides(result, evidence) if evidence and examples else []
    drawn = _charts(result)
    power = _power(result)
    live = script({name: interactive(chart) for name, chart in [*drawn, *power]})
    return {
        "result": result,
        "head": wording.headline(result),
        "steps": next_steps(result),
        "title": result.parameters.get("title"),
        "model": result.parameters.get("model_name"),
        "glossary": wording.GLOSSARY,
        "facts": _facts(result),
        "nouns": wording.noun(result),
        "examples": examples,
        "kind": evidence.sample_kind if evidence else None,
        "sides": sides,
        "shown": SHOWN_AT_ONCE,
        "tests_shown": TESTS_SHOWN,
        "remarks": {name: wording.remark(name, m.value) for name, m in result.metrics.items()},
        "copying": wording.copying(result),
        "untested": wording.UNTESTED if result.untested else None,
        "downloads": _downloads(result),
        "tables": _lists(result) if examples else [],
        "charts": [figure(name, chart) for name, chart in drawn],
        "power": [figure(name, chart) for name, chart in power],
        "script": live,
        "policy": live.policy if live else POLICY,
        "controls": _controls(result),
        "parameters": wording.nested(result.parameters),
        "environment": wording.nested({"byheart": __version__, **_flat(result.environment)}),
        "command": wording.command(result),
        "created": timestamp(),
        "version": __version__,
        "curve_size": (gallery.CURVE_WIDTH, gallery.CURVE_HEIGHT),
    }


def _flat(environment: Mapping[str, Any]) -> dict[str, Any]:
    versions = environment.get("versions")
    rest = {key: value for key, value in environment.items() if key != "versions"}
    return {**versions, **rest} if isinstance(versions, Mapping) else dict(environment)


def _facts(result: AuditResult) -> list[tuple[str, str, str]]:
    """Return (name, value, note) of how sure the verdict is."""
    family = f"exact, over all {len(result.tests)} statistics; level {result.level:g}"
    facts = [("p-value", wording.p_value(result.p_value), family if result.tests else "no test")]
    copies, controls = result.copies, result.controls
    if copies:
        bound = copies.memorized_lower_bound
        facts.append(
            ("Left a trace", "withheld" if bound is None else f"≥ {bound:,}", wording.bound(result))
        )
        if result.kind == "copies":
            facts.append(
                (
                    f"Generated {wording.row_noun(result)} that copy",
                    f"{len(copies.rows):,}",
                    f"{wording.percent(copies.share_of_generated)} of them",
                )
            )
        shown = "withheld" if copies.withheld else f"{len(copies.flagged_train):,}"
        facts.append(
            ("Named", shown, f"of training {wording.noun(result)}: {wording.named(result)}")
        )
    if result.verbatim:
        text = wording.verbatim(result) or ""
        facts.append(("Verbatim", f"{result.verbatim.train_rows:,}", text))
    if result.trace:
        area = wording.percent(result.trace.auc)
        facts.append(("Size of the trace", area, wording.trace(result) or ""))
    if result.sensitivity:
        number, note = wording.odds(result)
        facts.append(("Odds survived", number, note))
    if controls:
        rate = controls.minimum_detectable_rate
        facts.append(
            (
                "Smallest share it would see",
                wording.percent(rate) if rate is not None else "none",
                f"of training {wording.noun(result)} copied, in 95% of audits",
            )
        )
    return facts


def _downloads(result: AuditResult) -> list[tuple[str, str]]:
    """Return name and data URI of the lists that are not empty and fit into the page."""
    return [
        (name, "data:text/csv;charset=utf-8;base64," + base64.b64encode(text).decode("ascii"))
        for name, text in ((n, t.encode("utf-8")) for n, t in lists(result).items())
        if text.count(b"\n") > 1 and len(text) <= DOWNLOADED
    ]


def _lists(result: AuditResult) -> list[dict[str, Any]]:
    """Return the lists of the page: copying rows, training rows, and without a test the closest."""
    many, one = wording.row_noun(result), wording.row_noun(result, 1)
    figure = wording.figure

    def copying(rows: tuple[CopyingRow, ...], title: str, note: str) -> dict[str, Any]:
        return {
            "title": title,
            "whole": len(rows),
            "headings": ("Generated", "Training", "Distance", "Equal", "Times reproduced", "q"),
            "rows": [
                (
                    row.generated_name or f"row {row.generated_index}",
                    row.train_name or f"row {row.train_index}",
                    figure(row.distance),
                    "yes" if row.verbatim else "no",
                    figure(row.times_reproduced),
                    figure(row.q_value),
                )
                for row in rows[:LISTED]
            ],
            "note": note,
        }

    drawn = [
        copying(
            result.copying_rows,
            f"generated {many} that copy a training {one}",
            f"Closest first. copies.csv and report.json have all. A training {one} is named if its "
            f"q is at most {figure(result.fdr)}.",
        )
    ]
    if result.untested:
        note = f"One pair for each generated {one}; closest_pairs.csv. {wording.UNTESTED}"
        drawn = [
            copying(
                result.copying_rows, f"generated {many} equal to a training {one}", "copies.csv"
            ),
            copying(result.untested.closest, "closest pairs", note),
        ]
    rows = result.training_rows
    training = {
        "title": f"training {many} that are named, copied or have a twin",
        "whole": len(rows),
        "headings": ("Training", "Named", "Times reproduced", "Distance", "Cluster", "Twin at"),
        "rows": [
            (
                row.train_name or f"row {row.train_index}",
                "yes" if row.named else "no",
                figure(row.times_reproduced),
                figure(row.distance),
                figure(row.cluster),
                figure(row.twin_distance),
            )
            for row in rows[:LISTED]
        ],
        "note": f"Most often reproduced first; training_rows.csv has all. A cluster holds "
        f"duplicates and near duplicates within the training set: {many} that stand there more "
        "than once are learned first.",
    }
    return [table for table in (*drawn, training) if table["whole"]]


def _sides(result: AuditResult, evidence: Evidence) -> list[dict[str, Any]]:
    real = wording.noun(result)
    sides = [
        {
            "name": "train",
            "title": f"Closest to training {real}",
            "note": "Each training point with the generated sample nearest to it, closest first.",
            "real": "training",
            "pairs": gallery.pairs(evidence, "train", SHOWN),
        },
        {
            "name": "heldout",
            "title": f"Closest to held-out {real}",
            "note": "Phantoms: the model never saw these. This is how close chance alone comes.",
            "real": "held-out",
            "pairs": gallery.pairs(evidence, "heldout", SHOWN),
        },
    ]
    return sides if result.untested is None else sides[:1]


def _charts(result: AuditResult) -> list[tuple[str, altair.LayerChart]]:
    from byheart import plotting

    drawn: list[tuple[str, altair.LayerChart]] = []
    evidence = result.evidence
    if result.delta:
        drawn.append(("delta", plotting.delta_chart(result.delta.kl)))
    if evidence and len(evidence.train_distances) and len(evidence.heldout_distances):
        distances = evidence.train_distances, evidence.heldout_distances
        drawn.append(("distances", plotting.distance_chart(*distances)))
    if evidence and len(evidence.membership_curve):
        drawn.append(("membership", plotting.membership_chart(evidence.membership_curve)))
    if result.delta:
        drawn.append(("delta-l2", plotting.delta_chart(result.delta.l2, "l2")))
    return drawn


def _power(result: AuditResult) -> list[tuple[str, altair.LayerChart]]:
    from byheart import plotting

    if result.controls is None or not result.controls.planted.noise:
        return []
    return [("power", plotting.power_chart(result.controls.planted, result.resolution))]


NOTES = {
    "comparability": "Median distance from a generated row to its nearest real row, over that "
    "between two real rows at random. A re-encoding counts only if it brings the samples to the "
    "data.",
    "exchangeability": "Do train and held-out look like one random split? It ought not to alarm: "
    "p above its level.",
    "role_swap": "The same audit with train and held-out exchanged. It ought not to alarm: p above "
    "its level.",
    "independence": "A model that reproduces held-out rows was probably trained on them.",
    "planted": "Generated rows give way to noisy copies of real rows under random labels: what "
    "would the audit have seen?",
    "duplicates": "Kept, for dropping them would bias the test; they only cost power.",
}
STATES = {
    "passed": "✓ passed",
    "failed": "✗ failed",
    "not needed": "– not needed for this verdict",
    "shown": "· shown",
}


def _controls(result: AuditResult) -> list[dict[str, str]]:
    held = result.controls
    if held is None:
        return []
    rows = [
        {
            "title": one.name[:1].upper() + one.name[1:],
            "state": one.state,
            "word": STATES[one.state],
            "value": one.value,
            "note": NOTES.get(one.control, ""),
        }
        for one in judge(result)
    ]
    rows[-1]["note"] += _duplicate_pairs(held.duplicates.pairs)
    if result.approximation is not None:
        rows.append(
            {
                "title": "Approximate search",
                "state": "shown",
                "word": STATES["shown"],
                "value": wording.recall(result.approximation),
                "note": "Distances are exact, but a nearer row may have been missed. No p-value, "
                "list or bound is wrong by that; copies may be missed. Computed exactly, on the "
                f"sample: {_names(result.approximation.sampled)}. Withheld: "
                f"{_names(result.approximation.withheld)}.",
            }
        )
    return rows


def _names(keys: tuple[str, ...]) -> str:
    return ", ".join(key.replace("_", " ") for key in keys)


def _duplicate_pairs(pairs: tuple[tuple[int, int], ...]) -> str:
    if not pairs:
        return ""
    first = ", ".join(f"{a} and {b}" for a, b in pairs[:5])
    more = f" and {len(pairs) - 5:,} more" if len(pairs) > 5 else ""
    return f" Train and held-out rows {first}{more}."
