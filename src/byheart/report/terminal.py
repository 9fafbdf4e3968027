"""The audit's outcome in a few lines of a terminal."""

from __future__ import annotations

from pathlib import Path

from byheart.auditing.judgement import judge
from byheart.auditing.result import AuditResult
from byheart.report.advice import next_steps
from byheart.report.screen import console, shown
from byheart.report.wording import (
    bound,
    controls,
    copying,
    headline,
    named,
    odds,
    recall,
    trace,
    verbatim,
)

STYLES = {"memorizes": "bold red", "generalizes": "bold green", "inconclusive": "bold yellow"}


def render(result: AuditResult, page: Path, title: str | None = None) -> None:
    """Print verdict, number, figures, evidence, the next step and where the report is."""
    screen = console()
    opening, *lines = summary(result, title).splitlines()
    name, word, rest = opening.partition(result.verdict)
    first = shown(name)
    first.append_text(shown(word, STYLES[result.verdict]))
    first.append_text(shown(rest))
    screen.print(first)
    screen.print(shown(lines[0], "bold"))
    for line in lines[1:]:
        screen.print(shown(line, "dim" if line.startswith("  note: ") else ""))
    screen.print(shown(f"  report: {page}"))


def summary(result: AuditResult, title: str | None = None) -> str:
    """Return verdict, number, figures, evidence and the next step, a line each."""
    named = title or result.parameters.get("title") or result.parameters.get("model_name")
    kind = f" ({result.kind})" if result.kind else ""
    lines = [headline(result).sentence]
    if result.verdict == "inconclusive":  # otherwise the lines below say the same
        lines.append(result.reason)
    lines += [*figures(result), *_evidence(result)]
    lines += [f"note: {warning}" for warning in result.warnings]
    lines.append(f"next: {next_steps(result)[0]}")
    opening = (f"{named}: " if named else "") + result.verdict + kind
    return "\n".join([opening, *(f"  {' '.join(line.split())}" for line in lines)])


def figures(result: AuditResult) -> list[str]:
    """Return the lines of figures, without the verdict and the reason."""
    lines = []
    if result.p_value is not None:
        lines.append(f"p-value of the whole family: {result.p_value:.3g} (level {result.level:g})")
    if result.verbatim is not None and (
        result.verbatim.train_rows
        or result.verbatim.distinct_generated < result.verbatim.generated_rows
    ):
        lines.append(f"verbatim: {verbatim(result)}")
    if result.copies is not None:
        lines.append(f"memorized training points: {bound(result)}, {named(result)}")
    listed = copying(result)
    if listed is not None:
        lines.append(listed)
    if result.sensitivity is not None and result.verdict == "memorizes":
        lines.append(f"odds of membership that this survives: {odds(result)[0]}")
    if result.trace is not None:
        lines.append(f"size of the trace: {trace(result)}")
    if result.approximation is not None:
        lines.append(f"approximate search: {recall(result.approximation)}")
    if result.membership is not None:
        low, high = result.membership.auc_interval
        lines.append(f"membership AUC: {result.membership.auc:.3f} [{low:.3f}, {high:.3f}]")
    if result.controls is not None and result.verdict != "memorizes":
        rate = result.controls.minimum_detectable_rate
        seen = "none" if rate is None else f"{rate:.2%} of the training set"
        lines.append(f"smallest share of copies that 95% of audits would have found: {seen}")
    judged = controls(judge(result))
    if judged:
        lines.append(f"controls: {judged}")
    return lines


def _evidence(result: AuditResult) -> list[str]:
    """Return the closest pair of training and of held-out points, in one line."""
    evidence = result.evidence
    if evidence is None or not (evidence.train_matches and evidence.heldout_matches):
        return []
    copy, phantom = evidence.train_matches[0], evidence.heldout_matches[0]
    return [
        f"closest: training {copy.real_name} and generated {copy.generated_name}, distance "
        f"{copy.distance:.3g}; held-out {phantom.real_name}, distance {phantom.distance:.3g}"
    ]
