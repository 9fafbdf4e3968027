"""The report's sentences and figures as text: what was found, how sure it is."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from byheart.auditing.judgement import Judgement, judge
from byheart.auditing.result import Approximation, AuditResult
from byheart.auditing.settings import UNNAMED, options, repeated
from byheart.report.document import printable
from byheart.samples.tables import is_number

LISTED = 24  # items of a list among the parameters; report.json has them all
UNTESTED = (
    "Without a held-out set none of this is tested. An equal row is a fact that its owner may act "
    "on; that a pair is close says nothing alone: any good model of these data comes close to some "
    "rows, and held-out rows would show how close."
)
GLOSSARY = (  # anchor, term, meaning
    ("named", "named", "A training point on a list of which at most the stated share is false, in "
     "expectation: the generated samples come nearer to it than to all but a few held-out points."),
    ("q", "q", "The smallest false discovery rate at which a training point would be named."),
    ("copy", "copies a training row", "A generated row that is equal to a training row, or so "
     "close that this pair alone would have put the training row on the list."),
    ("verbatim", "verbatim", "Equal in every compared value."),
    ("trace", "trace", "Samples that lean on training points more than chance explains, though "
     "none of these has to be reproduced. The lower bound counts points that left one."),
    ("phantom", "phantom", "A held-out row that the samples come close to by chance: the yardstick "
     "for training rows."),
    ("p", "p-value", "How often random relabelling of train and held-out comes as close to the "
     "samples as the real training set does. Exact, whatever the model's quality."),
    ("share", "smallest detectable share", "The smallest share of copied training points that this "
     "audit finds in 95 of 100 repeats, measured by planting copies."),
    ("auc", "AUC", "How well closeness to a sample tells training from held-out points: 50% is a "
     "guess, 100% is always right."),
    ("epsilon", "epsilon", "A lower bound on the privacy loss that this attack shows; 0 proves "
     "nothing."),
    ("delta", "Delta", "The relative distance of arXiv 2411.17807: how much nearer the samples lie "
     "to held-out (above 0) or to training points (below 0), at each bandwidth."),
    ("berk-jones", "Berk–Jones", "A statistic that looks for too many training points among the "
     "closest ones, wherever it is plainest: good at few, close copies."),
    ("savage", "Savage scores", "Ranks weighted to the closest end: good at many, looser traces."),
    ("cluster", "cluster", "Training rows that are duplicates or near duplicates of each other. "
     "Rows that stand there more than once are learned first."),
)  # fmt: skip
SIGNS = {"memorizes": "▲", "generalizes": "●", "inconclusive": "◆"}

_INFINITE = math.inf
_REMARKS = (  # metric, from, to, what it warns of
    ("coverage", 0.0, 0.1, "low: most real rows have no generated row near them"),
    ("recall", 0.0, 0.1, "low: most real rows lie outside of what the samples cover"),
    ("precision", 0.0, 0.1, "low: most samples lie where no real rows do"),
    ("authenticity", 0.0, 0.1, "low: most samples lie nearer to a training row than its next does"),
    ("c_t", 3.0, _INFINITE, "far above 0: samples lie farther from train than held-out rows do; "
     "poor samples, and no proof of privacy"),
    ("c_t", -_INFINITE, -3.0, "far below 0: samples lie nearer to train than held-out rows do"),
    ("near_copy_share", 0.1, 1.0, "high: these samples are three times nearer to one real row than "
     "to any other"),
    ("median_distance_ratio", 3.0, _INFINITE, "high: samples lie far from all real rows; such "
     "samples can hide what the model knows"),
)  # fmt: skip
_SCORES = {
    "distance": "distance to the nearest generated row",
    "ratio": "distance over that to the next real row",
    "local": "distance over its local scale",
    "margin": "margin",
    "learned": "learned score",
    "cells": "score of equal cells",
    "matches": "score of equal rows",
    "moved": "distance of mirrored, turned and moved images",
    "parts": "distance of quadrants",
}


@dataclass(frozen=True)
class Headline:
    """The verdict as one number and one sentence."""

    sign: str
    word: str
    number: str
    unit: str
    sentence: str
    reason: str


def noun(result: AuditResult, count: int = 2) -> str:
    """Return what one sample is called: image, row or sample; or a group of rows."""
    if not result.parameters.get("groups"):
        return row_noun(result, count)
    return "group" if count == 1 else "groups"


def row_noun(result: AuditResult, count: int = 2) -> str:
    """Return what one row is called, whether in a group or not: image, row or sample."""
    kinds = {"images": "image", "table": "row", "vectors": "sample"}
    word = kinds[result.evidence.sample_kind] if result.evidence else "row"
    return word if count == 1 else word + "s"


def headline(result: AuditResult) -> Headline:
    """Return the number and the sentence with which the report begins."""
    number, unit, sentence = _figure(result)
    return Headline(
        sign=SIGNS[result.verdict],
        word=f"{result.verdict}: {result.kind}" if result.kind else result.verdict,
        number=number,
        unit=unit,
        sentence=sentence,
        reason=sentence_of(result.reason),
    )


def _figure(result: AuditResult) -> tuple[str, str, str]:
    train = result.inputs["train"]
    whole = f"{train.rows:,} " if train and not result.parameters.get("groups") else ""
    if result.verdict == "memorizes" and result.copies:
        number, sentence = _memorized(result, whole)
        return number, f"of {whole}".strip() if whole else noun(result), sentence
    rate = result.controls.minimum_detectable_rate if result.controls else None
    if result.verdict == "generalizes" and rate is not None:
        return (
            "no trace",
            f"found; copies of {percent(rate)} of the training {noun(result)} or more would have "
            "been",
            f"No trace of your {whole}training {noun(result)} was found in the generated samples.",
        )
    if result.verbatim is not None and result.verbatim.evident:
        count = result.verbatim.train_rows
        are = "comes" if count == 1 else "come"
        return (
            f"{count:,}",
            f"{noun(result, count)} verbatim",
            f"No verdict, but {count:,} of your {whole}training {noun(result)} {are} back "
            "verbatim.",
        )
    if result.inputs.get("heldout") is None:
        return "0", "held-out rows", "Without a held-out set nothing can be tested."
    # The planted copies are no obstacle of their own: the last sentence is theirs.
    failed = [j.name for j in judge(result) if j.state == "failed" and j.control != "planted"]
    if failed:
        are = "control failed" if len(failed) == 1 else "controls failed"
        return str(len(failed)), are, f"No verdict: {', '.join(failed)} failed."
    if result.p_value is not None and result.p_value <= result.level:
        bound = (result.copies.memorized_lower_bound or 0) if result.copies else 0
        return (
            f"{bound:,}",
            f"{noun(result, bound)} for certain",
            "There is a trace of the training set, but a small one.",
        )
    return (
        "> 50%" if rate is None else percent(rate),
        "copied could have been missed",
        "No trace was found, but this audit could have missed one.",
    )


def _memorized(result: AuditResult, whole: str) -> tuple[str, str]:
    """Return the number and the sentence of a model that memorizes.

    Rows *come back* if one can look at them; what *left a trace* is the lower bound.
    """
    copies = result.copies
    assert copies is not None
    bound, nouns = copies.memorized_lower_bound, noun(result)
    trace = (
        "how many left a trace cannot be said"
        if bound is None
        else f"at least {bound:,} left a trace"
    )
    if result.kind == "traces":
        what = f"At least {bound or 0:,} of your {whole}training {nouns}"
        return f"{bound or 0:,}", f"{what} left a trace in the generated samples."
    back = len({*copies.flagged_train, *(pair.train_index for pair in copies.pairs)})
    if copies.flagged_train or (result.verbatim is not None and result.verbatim.evident):
        verb = "comes" if back == 1 else "come"
        what = f"{back:,} of your {whole}training {nouns} {verb} back in the generated samples"
        return f"{back:,}", f"{what}; {trace}."
    return (
        f"{copies.reproduced_train:,}",
        f"{copies.reproduced_train:,} of your {whole}training {nouns} are reproduced in the "
        f"generated samples, where chance reproduces {copies.reproduced_heldout:,} held-out ones; "
        f"{trace}.",
    )


def bound(result: AuditResult) -> str:
    """Return the lower bound with its confidence, or why there is none.

    One text for every surface: terminal, page, card.
    """
    copies, train = result.copies, result.inputs["train"]
    if copies is None or copies.memorized_lower_bound is None:
        return "withheld: training and held-out rows differ"
    rows = f" of {train.rows:,}" if train and not result.parameters.get("groups") else ""
    return (
        f"at least {copies.memorized_lower_bound:,}{rows} left a trace "
        f"({1 - result.level:.0%} confidence)"
    )


def named(result: AuditResult) -> str:
    """Return how many training points are named, or that the list is withheld."""
    copies = result.copies
    if copies is None or copies.withheld is not None:
        return "withheld"
    return (
        f"{len(copies.flagged_train):,} named (at most {percent(copies.fdr)} of them false, on "
        "average)"
    )


def trace(result: AuditResult) -> str | None:
    """Return the size of a trace beside what ordinary fitting leaves, or None."""
    found = result.trace
    if found is None:
        return None
    area = f"membership area {percent(found.auc)}"
    if found.ordinary is None:
        return f"{area}; more dimensions than rows: no smooth fit to compare with"
    return (
        f"{area}; a {found.fit} fitted to as many rows leaves "
        f"{interval(found.ordinary, in_percent=True)}"
    )


def odds(result: AuditResult) -> tuple[str, str]:
    """Return how far from random the split may have been, and what that number is."""
    found = result.sensitivity
    if found is None:
        return "–", "no test"
    if found.residual_odds is not None:
        return (
            f"{found.residual_odds:.3g}",
            "odds ratio of membership beyond the difference of train and held-out, an estimate",
        )
    number = "none" if found.largest_odds is None else f"{found.largest_odds:.3g}"
    return number, "odds ratio of membership that could not explain it; 1 is a random split"


def verbatim(result: AuditResult) -> str | None:
    """Return which rows come back verbatim and how varied the samples are, or None."""
    found = result.verbatim
    if found is None:
        return None
    beside = "" if found.heldout_rows is None else f" and {found.heldout_rows:,} held-out"
    text = (
        f"{found.train_rows:,} training{beside} {noun(result)} stand in the samples; "
        f"{found.distinct_generated:,} of {found.generated_rows:,} generated rows are distinct"
    )
    repeated = found.most_repeated
    if repeated is not None and repeated.times > 1:
        role = "training" if repeated.role == "train" else "held-out"
        text += f"; {role} row {repeated.index} comes {repeated.times:,} times"
    return text


def controls(judgements: Sequence[Judgement]) -> str:
    """Return in one line which controls failed, or that none did; empty if there are none."""
    if not judgements:
        return ""
    failed, spared = (
        ", ".join(one.name for one in judgements if one.state == state)
        for state in ("failed", "not needed")
    )
    aside = f"not needed for this verdict: {spared}" if spared else ""
    if failed:
        return f"failed: {failed}" + (f"; {aside}" if aside else "")
    return f"all that it needs passed; {aside}" if aside else "all passed"


def copying(result: AuditResult) -> str | None:
    """Return in one line how many generated rows copy a training row; None if nothing was listed.

    The only count of them on any surface.
    """
    if result.copies is None and result.untested is None:
        return None
    generated, rows = result.inputs["generated"], result.copying_rows
    many, one = row_noun(result), row_noun(result, 1)
    count = f"{len(rows):,} of {generated.rows:,}" if generated else f"{len(rows):,}"
    verbatim = sum(row.verbatim for row in rows)
    if not rows and result.copies is not None:
        return f"{count} generated {many} copy a training {one}"
    if verbatim == len(rows):
        return f"{count} generated {many} are equal to a training {one}"
    return f"{count} generated {many} copy a training {one}, {verbatim:,} of them verbatim"


def remark(name: str, value: float) -> str:
    """Return what a figure of this value warns of; empty for one that is nothing to remark on.

    >>> remark("coverage", 0.0)[:30]
    'low: most real rows have no ge'
    """
    words = [text for key, low, high, text in _REMARKS if key == name and low <= value <= high]
    return words[0] if words else ""


def statistic_label(name: str) -> str:
    """Return a statistic's name in words; an unknown one stays as it is.

    >>> statistic_label("negative_delta_0.2")
    '−Delta at 0.2 × the median nearest distance'
    """
    if name == "nearest_share":
        return "share of generated rows nearest to train"
    for prefix, words in (
        ("berk_jones_", "Berk–Jones on {}"),
        ("savage_", "Savage scores of {}"),
        ("membership_rank_", "mean rank of {}"),
    ):
        score = name.removeprefix(prefix)
        if score != name and score in _SCORES:
            return words.format("the " + _SCORES[score])
    tail = name.removeprefix("membership_tail_")
    if tail != name:
        score, _, share = tail.rpartition("_")
        if score in _SCORES and is_number(share):
            return f"train rows among the closest {percent(float(share))}, by {_SCORES[score]}"
    multiple = name.removeprefix("negative_delta_")
    if multiple != name and is_number(multiple):
        return f"−Delta at {multiple} × the median nearest distance"
    return printable(name)


def command(result: AuditResult) -> str:
    """Return the call that repeats this audit, as text for a shell or for Python.

    For a shell if files and columns name all that it takes; else for Python, with words in capitals
    for what only the caller has. An option that the report withholds is shown as such.
    """
    chosen = repeated(result.options())
    unnamed = [name for name in ("features", "groups") if not _named(chosen.get(name, ""))]
    paths = [entry.path for entry in result.inputs.values() if entry is not None]
    if None in paths or unnamed:
        return _python_call(result, chosen, unnamed)
    words = ["byheart", "audit"]
    for role in ("train", "heldout", "generated"):
        entry = result.inputs.get(role)
        words += [f"--{role}", str(entry.path)] if entry else []
    for name, value in chosen.items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(option)
            continue
        values = value if options()[name].kind is list and isinstance(value, list) else [value]
        for item in values:
            words += [option, str(item[0] if isinstance(item, list) else item)]
    return printable(shlex.join(words))


def _named(value: str) -> bool:
    """Whether text names what a shell can pass on: not a nested function, nor arrays."""
    return "<" not in value and value != UNNAMED


def _python_call(result: AuditResult, chosen: Mapping[str, object], unnamed: Sequence[str]) -> str:
    entries = [(role, result.inputs.get(role)) for role in ("train", "heldout", "generated")]
    sets = [
        "None" if entry is None else role if entry.path is None else repr(entry.path)
        for role, entry in entries
    ]
    given = [
        f"{name}={name.upper() if name in unnamed else repr(_python_value(value))}"
        for name, value in chosen.items()
    ]
    return printable(f"byheart.audit({', '.join([*sets, *given])})")


def _python_value(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def recall(found: Approximation) -> str:
    """Return in one line which share of the nearest rows an approximate search found."""
    ways = (
        ("generated → real", found.forward),
        ("real → generated", found.backward),
        ("among real", found.among_real),
    )
    shares = "; ".join(
        f"{name} {percent(part.at_1)} ({interval(part.at_1_interval, in_percent=True)})"
        for name, part in ways
    )
    return (
        f"of the nearest rows it found {shares}; of the k nearest {percent(found.forward.at_k)} "
        f"and {percent(found.among_real.at_k)}; sample of {found.forward.rows:,} rows"
    )


def percent(value: float | None) -> str:
    """Return a share as text in percent, three digits.

    >>> percent(0.03)
    '3%'
    """
    return "–" if value is None else f"{100 * value:.3g}%"


def p_value(value: float | None) -> str:
    """Return a p-value as text, two digits.

    >>> p_value(0.00204)
    '0.002'
    """
    return "–" if value is None else f"{value:.2g}"


def figure(value: object) -> str:
    """Return a number as text: whole ones with separators, others with three digits."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return printable(str(value))
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def interval(ends: tuple[float, float] | None, *, in_percent: bool = False) -> str:
    """Return an interval as text.

    >>> interval((0.1, 0.25))
    '0.1 to 0.25'
    """
    if ends is None or not all(map(math.isfinite, ends)) or ends[0] == ends[1]:
        return "–"  # one that says nothing
    show = percent if in_percent else figure
    return f"{show(ends[0])} to {show(ends[1])}"


def sentence_of(text: str) -> str:
    """Return `text` with a capital at the start and a full stop at the end."""
    text = printable(text.strip())
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."


def nested(values: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return mappings within mappings as flat (name, text) rows."""
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        name = printable(str(key)).replace("_", " ")
        if isinstance(value, Mapping):
            rows += [(f"{name} {inner}", text) for inner, text in nested(value)]
        elif isinstance(value, (list, tuple)) and any(isinstance(v, Mapping) for v in value):
            for item in value:
                rows += nested({name: item})
        elif hasattr(value, "tolist") or isinstance(value, (list, tuple)):
            items = value.tolist() if hasattr(value, "tolist") else value
            items = items if isinstance(items, (list, tuple)) else [items]
            more = f" and {len(items) - LISTED:,} more" if len(items) > LISTED else ""
            text = ", ".join(figure(item) for item in items[:LISTED])
            rows.append((name, text + more or "–"))
        else:
            rows.append((name, figure(value)))
    return rows
