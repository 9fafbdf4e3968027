"""An audit as Markdown for a model card: the verdict, its figures, what they mean and do not mean.

What comes from the data or from the user is escaped: it can neither format nor link.
"""

from __future__ import annotations

import re
from pathlib import Path

from byheart.auditing.judgement import judge
from byheart.auditing.result import AuditResult
from byheart.escapes import visible
from byheart.report.document import read_json
from byheart.report.wording import (
    bound,
    command,
    controls,
    copying,
    figure,
    headline,
    interval,
    odds,
    p_value,
    percent,
    trace,
    verbatim,
)

_MEANS = {
    "copies": "Training rows come back in the samples: named, verbatim, or reproduced. "
    "Publishing samples of this model publishes some of its training rows.",
    "traces": "Many training rows left a trace in the samples, though none was reproduced closely "
    "enough to be named. A fit of few parameters leaves one too; the size of the trace says more.",
    "generalizes": "No trace of the training set was found, and copies of the share given above "
    "would have been found.",
    "inconclusive": "The audit could not decide. The model is not cleared.",
}


def model_card(path: str | Path) -> str:
    """Return the report at `path` as a section of Markdown.

    Raises InputError for a file that is no report.
    """
    result = read_json(path)
    sha = {role: entry.sha256[:12] for role, entry in result.inputs.items() if entry}
    head, model = headline(result), result.parameters.get("model_name")
    found = head.sentence.replace(" your ", " the ")  # a card speaks to the model's users
    lines = [
        "## Memorization audit" + (f" of {escape(str(model))}" if model else ""),
        "",
        f"**{head.word}**: {escape(found)} {escape(head.reason)}",
        "",
        "| Figure | Value | Interval or condition |",
        "| --- | --- | --- |",
        *(f"| {' | '.join(escape(cell) for cell in row)} |" for row in _figures(result)),
        "",
        f"**What this means.** {_MEANS[result.kind or result.verdict]}",
        "",
        "**What it does not mean.** It is no proof of privacy. It holds for these samples of this "
        "model, for copies that the features "
        f"({escape(str(result.parameters.get('features', 'raw')))}) can see, and only if train and "
        "held-out are one random split and the model never saw the held-out rows.",
        "",
        *(f"* Warning: {escape(warning)}" for warning in result.warnings),
        *([""] if result.warnings else []),
        "Repeat it, in the folder of the report:",
        "",
        *fenced(command(result)),
        "",
        f"byheart {escape(result.byheart_version)}, {escape(result.created)}, sha256 of train "
        f"{escape(sha['train'])}, of generated {escape(sha['generated'])}. Definition: "
        "[arXiv 2411.17807](https://arxiv.org/abs/2411.17807).",
        "",
    ]
    return "\n".join(lines)


def escape(text: str) -> str:
    r"""Return `text` as Markdown that shows it as it is, on one line.

    >>> print(escape("a|b <b> *c*"))
    a\|b &lt;b> \*c\*
    """
    line = visible(" ".join(text.split()))
    line = line.replace("&", "&amp;").replace("<", "&lt;")
    line = re.sub(r"([\\`*_\[\]|~$#!])", r"\\\1", line)
    # A bare address would become a link: a joiner of no width breaks it.
    return re.sub(r"(?i)(https?:|www\.|@)", "\\1\N{WORD JOINER}", line)


def fenced(text: str) -> list[str]:
    """Return a line as a block of code, in a fence longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence, visible(text), fence]


def _figures(result: AuditResult) -> list[tuple[str, str, str]]:
    confidence = f"{percent(1 - result.level)} confidence"
    rows = [("p-value", p_value(result.p_value), f"exact; level {result.level:g}")]
    if result.copies:
        rows += [
            ("Memorized training points", bound(result), confidence),
            (
                "Training points named",
                "withheld" if result.copies.withheld else f"{len(result.copies.flagged_train):,}",
                f"false discovery rate at most {percent(result.copies.fdr)}",
            ),
        ]
    listed = copying(result)
    if listed:
        ends = result.copies.share_interval if result.copies else None
        rows.append(("Generated rows", listed, interval(ends, in_percent=True)))
    extra = (
        ("Verbatim rows", verbatim(result), "equal in every value"),
        ("Size of the trace", trace(result), "descriptive"),
    )
    rows += [(name, text, note) for name, text, note in extra if text is not None]
    if result.sensitivity:
        rows.append(("Odds survived", *odds(result)))
    if result.membership:
        rows.append(
            (
                "Membership AUC (50% is chance)",
                percent(result.membership.auc),
                interval(result.membership.auc_interval, in_percent=True),
            )
        )
    if result.delta and result.delta.kl.values:
        middle = len(result.delta.kl.values) // 2
        curve = result.delta.kl
        rows.append(
            (
                f"Delta, KL form, at bandwidth {figure(curve.bandwidths[middle])} (0 is good)",
                figure(curve.values[middle]),
                interval(curve.intervals[middle]),
            )
        )
    if result.controls:
        rate = result.controls.minimum_detectable_rate
        rows.append(
            (
                "Smallest share of copies it would have seen",
                "none" if rate is None else percent(rate),
                "in 95% of audits",
            )
        )
        rows.append(("Controls", controls(judge(result)), "see report"))
    rows += [
        (name.replace("_", " "), figure(metric.value), interval(metric.interval))
        for name, metric in result.metrics.items()
    ]
    return rows
