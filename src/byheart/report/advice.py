"""What to do next, derived from a result: concrete steps with their sizes, the first one first."""

from __future__ import annotations

import math
import shlex

from byheart.auditing.result import AuditResult, Controls
from byheart.auditing.verdict import heldout_needed
from byheart.report.wording import noun, percent, row_noun

REACHABLE = 9  # more held-out rows than this multiple of the training rows are not asked for


def next_steps(result: AuditResult) -> tuple[str, ...]:
    """Return the steps that this result asks for, the most useful first."""
    if result.kind == "copies":
        return _after_copies(result)
    if result.kind == "traces":
        return _after_traces(result)
    if result.verdict == "generalizes":
        return _after_clearance(result)
    return _after_no_verdict(result)


def _after_copies(result: AuditResult) -> tuple[str, ...]:
    steps = ["Do not publish these samples, or this model, as new data."]
    copies, rows = result.copies, noun(result)
    if copies and copies.flagged_train:
        steps.append(
            f"Look at the {len(copies.flagged_train):,} named training {rows} (training_rows.csv)."
        )
    elif copies and copies.memorized_lower_bound:
        steps += _to_name_them(result)
    return (*steps, *_drop(result), _deduplicate(result), *_train_otherwise(result))


def _drop(result: AuditResult) -> list[str]:
    """Say how to leave out the rows that copy, and what that does not do."""
    dropped, generated = len(result.copying_rows), result.inputs["generated"]
    if not dropped:
        return []
    path = generated.path if generated else None
    source = shlex.quote(path) if path else "SAMPLES"
    return [
        f"Drop the {dropped:,} generated {row_noun(result)} of copies.csv: byheart filter "
        f"report.json --generated {source} --out CLEAN. That cleans these samples, not the model; "
        "to be certified they have to be audited on new held-out rows."
    ]


def _after_traces(result: AuditResult) -> tuple[str, ...]:
    return (
        f"Treat the samples as derived from the training {noun(result)}: this is a privacy matter "
        "first.",
        *_drop(result),
        *_train_otherwise(result),
        _deduplicate(result),
        *_to_name_them(result),
    )


def _after_clearance(result: AuditResult) -> tuple[str, ...]:
    steps = ["Keep this report with the model, and read what it does not say."]
    rate = result.controls.minimum_detectable_rate if result.controls else None
    if rate:
        steps += _to_see(
            result, rate, rate / 2, f"To see half as much copying ({percent(rate / 2)})"
        )
    steps.append(
        "Audit again after every change of the model or of its data, and put the reports side by "
        "side: byheart compare before/report.json after/report.json."
    )
    if result.evidence and result.evidence.sample_kind == "images":
        steps.append("Repeat with features that ignore shifts and crops (--features).")
    return tuple(steps)


def _after_no_verdict(result: AuditResult) -> tuple[str, ...]:
    last = "Until then, treat the model as not cleared."
    train, heldout = result.inputs["train"], result.inputs.get("heldout")
    if heldout is None:
        steps = _drop(result)
        steps += ["Set rows aside at random before training: the model must never see them."]
        if train:
            steps.append(
                f"As many as you train on are best, {train.rows:,} here. With fewer than "
                f"{_fewest(train.rows, result.resolution, result.level):,} not even copies of "
                f"{percent(result.resolution)} of the training {noun(result)} can be significant."
            )
        return (*steps, "Train again without them, and pass them by --heldout.", last)
    controls = result.controls
    failed = _after_failed_controls(controls) if controls else []
    if failed:
        return (*failed, last)
    if result.verbatim is not None and result.verbatim.suspicious:
        return (
            f"Look at the training {noun(result)} that come back verbatim (verbatim.pairs in "
            "report.json), and do not publish samples that hold them.",
            "Generate more samples, all different if the model can: a set of few different rows "
            "shows no more than these.",
            _deduplicate(result),
            last,
        )
    if result.p_value is not None and result.p_value <= result.level:
        generated = result.inputs["generated"]
        made = generated.rows if generated else 0
        return (
            f"Generate more samples, say {4 * made:,} instead of {made:,}: a rare copy shows only "
            "when it is drawn.",
            f"Hold out more rows, say {2 * heldout.rows:,} instead of {heldout.rows:,}.",
            f"Or lower --tolerance ({result.tolerance:g}) if even fewer memorized {noun(result)} "
            "matter to you.",
            last,
        )
    rate = controls.minimum_detectable_rate if controls else None
    if rate is None:
        return (
            "Compare what matters in these data: choose features in which a copy is much nearer "
            "than another row (--features), or leave noisy columns out (--ignore).",
            f"Hold out more rows, say {2 * heldout.rows:,} instead of {heldout.rows:,}.",
            last,
        )
    wanted = f"To see copies of {percent(result.resolution)}, as --resolution asks"
    steps = _to_see(result, rate, result.resolution, wanted)
    return (
        *steps,
        f"Or accept what this audit can see: --resolution {rate:.3g}.",
        last,
    )


def _after_failed_controls(controls: Controls) -> list[str]:
    steps = []
    if not controls.comparability.passed:
        cause = controls.comparability.cause
        steps.append(
            f"Bring the generated samples back to the data's encoding: they seem to be {cause}."
            if cause
            else "Compare value range, axis order and preprocessing of the three sets."
        )
    if not controls.exchangeability.passed:
        steps.append(
            "Pool train and held-out, split them at random, train again. Keep rows that belong "
            "together (one patient, one video) in one set by --groups."
        )
    if not controls.role_swap.passed:
        steps.append("Check that --train and --heldout were not exchanged.")
    if not controls.independence.passed:
        steps.append("Find held-out rows that the model has never seen, also not in pretraining.")
    return steps


def _to_name_them(result: AuditResult) -> list[str]:
    """Say how many held-out rows a list as long as the lower bound needs: |T|/(q k) - 1."""
    copies, train, heldout = result.copies, result.inputs["train"], result.inputs.get("heldout")
    if not (copies and train and heldout and copies.memorized_lower_bound):
        return []
    needed = math.ceil(train.rows / (copies.fdr * copies.memorized_lower_bound)) - 1
    if result.parameters.get("groups") or not heldout.rows < needed <= REACHABLE * train.rows:
        return []
    return [
        f"To name the memorized {noun(result)}, hold out {needed:,} rows instead of "
        f"{heldout.rows:,}: a list cannot be shorter than {copies.minimum_list_length:,} now."
    ]


def _to_see(result: AuditResult, now: float, wanted: float, why: str) -> list[str]:
    train, heldout = result.inputs["train"], result.inputs.get("heldout")
    if train is None or heldout is None or result.parameters.get("groups"):
        return [f"{why}, audit more rows of both sets."]
    needed = math.ceil(now * train.rows / wanted)
    more = heldout_needed(train.rows, heldout.rows, now, wanted)
    text = f"{why}, audit about {needed:,} training rows with as many held-out ones"
    if more <= REACHABLE * train.rows:
        text += f", or hold out {more:,} rows instead of {heldout.rows:,}"
    return [text + "."]


def _deduplicate(result: AuditResult) -> str:
    text = "Remove duplicates and near duplicates from the training set: they are learned first."
    count = result.controls.duplicates.count if result.controls else 0
    if count:
        are = "row stands" if count == 1 else "rows stand"
        text += f" {count:,} {are} even in both sets."
    return text


def _train_otherwise(result: AuditResult) -> tuple[str, ...]:
    train = result.inputs["train"]
    data = shlex.quote(train.path) if train and train.path else "TRAIN"
    rows = f" than {train.rows:,}" if train and not result.parameters.get("groups") else ""
    return (
        "Train for fewer steps: byheart.MemorizationMonitor(train, heldout, every=1000) in the "
        "training loop names the checkpoint to keep, before copies begin.",
        f"Or train on more {noun(result)}{rows}: byheart sweep and byheart transition measure at "
        f"which size this model stops memorizing; byheart forecast --data {data} gives a floor.",
        "Then audit again, and compare: byheart compare before/report.json after/report.json.",
    )


def _fewest(train: int, share: float, level: float) -> int:
    """Return the held-out rows below which copies of `share` cannot reach the level.

    Even if all k copies are nearer than every held-out row, chance does that with a probability of
    about (n/(n + m))^k.
    """
    copied = max(1, math.floor(share * train))
    return max(1, math.ceil(train * math.expm1(-math.log(level) / copied)))
