"""A sweep's result in words: the headline and the facts, for page, card and terminal."""

from __future__ import annotations

from byheart.intervals import Interval, interval_text, number
from byheart.lab.transition.alignment import Alignment
from byheart.lab.transition.analysis import Analysis
from byheart.lab.transition.result import TransitionResult
from byheart.lab.transition.scales import Scale
from byheart.lab.transition.thresholds import Threshold, ThresholdsResult, ValuePoint
from byheart.report.wording import percent, sentence_of

SIGNS: dict[Alignment, str] = {
    "aligned": "●",
    "memorization fades first": "▲",
    "quality improves first": "▼",
    "undecided": "◆",
}
_SENTENCES: dict[Alignment, str] = {
    "aligned": "The model stops memorizing where it begins to generalize.",
    "memorization fades first": "The model stops memorizing, but does not get better with it.",
    "quality improves first": "The model gets better while it still memorizes.",
    "undecided": "This sweep does not tell whether the two scales align.",
}


def head(result: Analysis) -> dict[str, str]:
    """Return sign, word, number, unit, sentence and reason: the opening of the page."""
    return _head_thresholds(result) if isinstance(result, ThresholdsResult) else _head_n(result)


def facts(result: Analysis) -> list[tuple[str, str, str]]:
    """Return (name, value, note) of the figures, and what they rest on."""
    return _facts_thresholds(result) if isinstance(result, ThresholdsResult) else _facts_n(result)


def _head_n(result: TransitionResult) -> dict[str, str]:
    ratio = _shown(result.ratio)
    return {
        "sign": SIGNS[result.aligned],
        "word": result.aligned,
        "number": "unknown" if ratio == "not found" else ratio,
        "unit": f"n_mem/n_gen, {_interval(result, result.ratio)}",
        "sentence": _SENTENCES[result.aligned],
        "reason": sentence_of(result.reason),
    }


def _facts_n(result: TransitionResult) -> list[tuple[str, str, str]]:
    """Return (name, value, interval) of the scales, and how many trials they rest on."""
    trials = sum(point.trials for point in result.curve)
    sizes = f"n = {result.curve[0].n:,} to {result.curve[-1].n:,}"
    scales = [
        (name, _shown(scale), _interval(result, scale))
        for name, scale in (
            ("n_mem, half of runs do not memorize", result.n_mem),
            ("n_mem, 95% of runs", result.n_mem_95),
            ("n_gen, the distance begins to fall", result.n_gen),
        )
    ]
    return [*scales, ("sizes tried", f"{len(result.curve):,}", f"{sizes}, {trials:,} trials")]


def _shown(scale: Scale) -> str:
    return scale.censored or number(scale.estimate or 0.0)


def _interval(result: TransitionResult, scale: Scale) -> str:
    text = interval_text(scale.interval)
    return f"{percent(1 - result.level)} interval: {text}"


def _head_thresholds(result: ThresholdsResult) -> dict[str, str]:
    name, clear, copies = result.parameter.name, result.generalizes, result.no_copies
    if clear.value is None:
        sentence = f"At no value of {name} tried is the verdict of most runs generalizes."
    else:
        sentence = f"The verdict of most runs is generalizes first at {name} = {clear.value:g}."
    if copies.value is None:
        reason = "Named copies do not vanish at any value tried."
    elif copies.value == result.curve[0].value:
        reason = f"Most runs name no copies at {copies.value:g} already, the weakest value tried."
    else:
        reason = (
            f"Named copies vanish at {name} = {copies.value:g} ({between(copies)}), "
            f"at a cost of {cost(copies)}. "
        )
        reason += (
            "That is where the verdict turns too."
            if copies.value == clear.value
            else "Without named copies the samples may still lean on many training points: traces."
        )
    return {
        "sign": "◆" if clear.value is None else "●",
        "word": "no value generalizes" if clear.value is None else "a value generalizes",
        "number": "none" if clear.value is None else f"{clear.value:g}",
        "unit": f"{result.parameter.axis}, {between(clear)}",
        "sentence": sentence,
        "reason": reason,
    }


def _facts_thresholds(result: ThresholdsResult) -> list[tuple[str, str, str]]:
    """Return (name, value, note) of the thresholds, their costs, and what they rest on."""
    confidence = percent(1 - result.level)
    facts = []
    for name, found in (
        ("no named copies", result.no_copies),
        ("verdict generalizes", result.generalizes),
    ):
        value = "not reached" if found.value is None else f"{found.value:g}"
        facts.append((f"{name}, first at", value, f"{confidence} interval: {between(found)}"))
        if found.value is not None:
            facts.append((f"cost of {name}", cost(found), "change of the distance"))
    trials = sum(point.trials for point in result.curve)
    first, last = result.curve[0].value, result.curve[-1].value
    note = f"{first:g} to {last:g}, weak to strong; n = {result.n:,}, {trials:,} trials"
    return [*facts, ("values tried", f"{len(result.curve)}", note)]


def between(found: Threshold) -> str:
    """Return in words between which values a threshold lies."""
    weak, strong = found.between
    if weak is None and strong is None:
        return "anywhere"
    if weak is None:
        return f"at {strong:g} or weaker"
    return f"stronger than {weak:g}" if strong is None else f"{weak:g} to {strong:g}"


def cost(found: Threshold) -> str:
    """Return what a threshold costs, with its interval."""
    if found.cost is None:
        return "an unknown loss"
    return f"{found.cost:+.3g}{_ends(found.cost_interval)}"


def _ends(interval: Interval | None) -> str:
    return f" [{interval[0]:.3g}, {interval[1]:.3g}]" if interval else ""


def value_row(point: ValuePoint) -> list[tuple[str, str]]:
    """Return (value, note) for the columns: value, the four shares, distance."""
    shares = [point.copies, point.traces, point.inconclusive, point.generalizes]
    note = f"{point.trials:,} trials" + (f", {point.errors:,} failed" if point.errors else "")
    return [
        (f"{point.value:g}", note),
        *(
            (percent(share.value), " to ".join(percent(end) for end in share.interval))
            for share in shares
        ),
        (f"{point.distance:.3g}", _ends(point.distance_interval).strip()),
    ]
