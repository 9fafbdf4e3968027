"""report.html: one self-contained page without any request; its only script draws the charts.

Everything from the data (names, cells, reasons) goes through the autoescape of `report.html`, or
into the block of JSON of `report.script`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byheart._version import __version__
from byheart.auditing.result import AuditResult, Evidence
from byheart.report import gallery, wording
from byheart.report.advice import next_steps
from byheart.report.document import timestamp, without_examples, write_text
from byheart.report.html import environment, figure
from byheart.report.script import POLICY, script

if TYPE_CHECKING:
    import altair

SHOWN_AT_ONCE = 6  # pairs of a side before "more"
SHOWN = 24  # pairs of a side at most
TESTS_SHOWN = 8  # the weighted statistics and Delta, which stand first
LISTED = 200  # named rows at most; report.json has all


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
    return template.render(head=wording.headline(result), facts=_facts(result)[:3])


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
        "facts": _facts(result),
        "nouns": wording.noun(result),
        "examples": examples,
        "kind": evidence.sample_kind if evidence else None,
        "sides": sides,
        "shown": SHOWN_AT_ONCE,
        "tests_shown": TESTS_SHOWN,
        "listed": result.copies.pairs[:LISTED] if result.copies and examples else (),
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
                    "Samples that copy them",
                    wording.percent(copies.share_of_generated),
                    f"interval {wording.interval(copies.share_interval, in_percent=True)}",
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


def _sides(result: AuditResult, evidence: Evidence) -> list[dict[str, Any]]:
    real = wording.noun(result)
    return [
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


def _controls(result: AuditResult) -> list[dict[str, Any]]:
    held = result.controls
    if held is None:
        return []
    rate = held.minimum_detectable_rate
    found = held.duplicates.count
    alarm = "It ought not to alarm: p above its level."
    rows: list[tuple[str, bool | None, str, str]] = [
        (
            "Scale of the generated samples",
            held.comparability.passed,
            f"{held.comparability.distance_ratio:.3g} × the distance between random real rows, "
            f"limit {held.comparability.limit:.3g}"
            + (f"; they seem to be {held.comparability.cause}" if held.comparability.cause else ""),
            "Median distance from a generated row to its nearest real row, over that between two "
            "real rows at random. A re-encoding counts only if it brings the samples to the data.",
        ),
        (
            "Exchangeability",
            held.exchangeability.passed,
            f"p = {wording.p_value(held.exchangeability.p_value)}",
            f"Do train and held-out look like one random split? {alarm}",
        ),
        (
            "Role swap",
            held.role_swap.passed,
            f"p = {wording.p_value(held.role_swap.p_value)}",
            f"The same audit with train and held-out exchanged. {alarm}",
        ),
        (
            "Held-out independence",
            held.independence.passed,
            f"{wording.percent(held.independence.generated_share)} of generated and "
            f"{wording.percent(held.independence.train_share)} of training rows reproduce a "
            f"held-out row, p = {wording.p_value(held.independence.p_value)}",
            "A model that reproduces held-out rows was probably trained on them.",
        ),
        (
            "Planted copies",
            rate is not None and rate <= result.resolution,
            "smallest share found in 95% of repeats: "
            + (wording.percent(rate) if rate is not None else "none")
            + f", needed to clear a model: {wording.percent(result.resolution)}",
            "Copies of held-out rows are planted with the roles exchanged: what would the audit "
            "have seen?",
        ),
        (
            "Duplicates",
            None,
            f"{found:,} rows stand in both sets" if found else "no row stands in both sets",
            "Kept, for dropping them would bias the test; they only cost power."
            + _duplicate_pairs(held.duplicates.pairs),
        ),
    ]
    if result.approximation is not None:
        rows.append(
            (
                "Approximate search",
                None,
                wording.recall(result.approximation),
                "Distances are exact, but a nearer row may have been missed. No p-value, list or "
                "bound is wrong by that; copies may be missed. Computed exactly, on the sample: "
                + _names(result.approximation.sampled)
                + f". Withheld: {_names(result.approximation.withheld)}.",
            )
        )
    names = ("title", "passed", "value", "note")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _names(keys: tuple[str, ...]) -> str:
    return ", ".join(key.replace("_", " ") for key in keys)


def _duplicate_pairs(pairs: tuple[tuple[int, int], ...]) -> str:
    if not pairs:
        return ""
    first = ", ".join(f"{a} and {b}" for a, b in pairs[:5])
    more = f" and {len(pairs) - 5:,} more" if len(pairs) > 5 else ""
    return f" Train and held-out rows {first}{more}."
