"""From the figures to one of three words, its kind, and a reason that a person can act on.

memorizes     the family rejects, the controls hold, at least one training point is certain to have
              left a trace, and either some come back so that one can look at them (copies: named,
              verbatim, or reproduced beyond chance), or at least the tolerated share of T left a
              trace (traces). Where T and H are seen to differ, only copies are believed, and only
              if the rejection survives odds of membership of 1.5 beyond what the difference
              explains and the rows of T reproduce each other less often than G does
generalizes   the family does not reject, the controls hold, the smallest detectable share of copied
              training points is at most the resolution, and no training row comes back verbatim
              by more than chance
inconclusive  everything else; verbatim training rows stand first in the reason
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from byheart.auditing.copies import CONTROL_SHARE, excess_p_value
from byheart.auditing.result import Controls, Copies, Kind, Sensitivity, Verbatim, Verdict
from byheart.auditing.verbatim import clearance_obstacle, sentence

# A drifted audit has to survive odds of membership of this ratio beyond the drift that was seen: in
# simulations of honest models under drift the estimate stayed below it (python -m benchmarks.drift
# --part residual).
RESIDUAL_ODDS = 1.5


@dataclass(frozen=True)
class Decision:
    """The verdict, its kind when it is `memorizes`, and the reason."""

    verdict: Verdict
    kind: Kind | None
    reason: str


@dataclass(frozen=True)
class Limits:
    """Sizes and thresholds that a decision needs; `points` are rows, or groups of rows."""

    train_points: int
    heldout_points: int
    level: float
    tolerance: float
    resolution: float


@dataclass(frozen=True)
class Findings:
    """What a decision rests on; p_value: of the family."""

    p_value: float
    copies: Copies
    verbatim: Verbatim
    sensitivity: Sensitivity
    controls: Controls


NO_HELDOUT = Decision(
    "inconclusive",
    None,
    "there is no held-out set, so nothing can be tested: only descriptive figures are given. "
    "Set aside rows at random before training, as many as you train on if you can, and pass "
    "them as the held-out set",
)


def heldout_needed(train: int, heldout: int, now: float, wanted: float) -> int:
    """Return the held-out points with which the share `wanted` is as plain as `now` is today.

    That k copies are nearer to the samples than all held-out points has, without memorization,
    about the probability (train/(train + heldout))^k: fewer copies need a smaller base. Derived
    for copies that stand clear of all others; a first guess otherwise.

    >>> heldout_needed(400, 400, 0.1, 0.05)
    1200
    """
    growth = now / wanted * math.log1p(heldout / train)
    return math.ceil(train * math.expm1(min(growth, 50.0)) - 1e-6)


def reproduced_beyond_chance(copies: Copies, limits: Limits) -> bool:
    """Return whether training points are reproduced more often than the held-out phantoms."""
    p_value = excess_p_value(
        copies.reproduced_train,
        copies.reproduced_heldout,
        limits.train_points,
        limits.heldout_points,
    )
    return copies.reproduced_train > 0 and p_value <= limits.level * CONTROL_SHARE


def decide(found: Findings, limits: Limits) -> Decision:
    """Return the decision; every threshold is in `limits`.

    Bound and list of `found` are as computed; whether they are shown is `withholding`'s business.
    """
    decision = _decide(found, limits)
    told = sentence(found.verbatim)
    undecided = decision.verdict == "inconclusive" and found.verbatim.suspicious
    if undecided and not decision.reason.startswith(told):
        return replace(decision, reason=f"{told}; {decision.reason}")
    return decision


def withholding(controls: Controls) -> str | None:
    """Return why bound, list and epsilon cannot be given, or None."""
    if controls.exchangeability.passed:
        return None
    return (
        "training and held-out rows differ from each other (p = "
        f"{controls.exchangeability.p_value:.3g}), so that no bound, list or epsilon holds"
    )


def _decide(found: Findings, limits: Limits) -> Decision:
    rejected, controls = found.p_value <= limits.level, found.controls
    obstacle = _failed_control(controls)
    if obstacle is None and not controls.exchangeability.passed:
        if rejected and _copies_beyond_drift(found, limits):
            return _copies(found, limits)
        obstacle = _drift(controls)
    if obstacle is not None:
        return Decision("inconclusive", None, obstacle)
    return _rejected(found, limits) if rejected else _not_rejected(found, limits)


def _copies_beyond_drift(found: Findings, limits: Limits) -> bool:
    """Return whether G reproduces T beyond the held-out phantoms, T itself, and the drift.

    A model that merely follows a law of T that is not that of H would reproduce training rows no
    more often than these reproduce each other.
    """
    odds = found.sensitivity.residual_odds
    plain = (
        reproduced_beyond_chance(found.copies, limits)
        and found.copies.reproduction_p_value <= limits.level * CONTROL_SHARE
    ) or (found.verbatim.evident and found.verbatim.train_rows > 1)
    return plain and odds is not None and odds >= RESIDUAL_ODDS


def _drift(controls: Controls) -> str:
    order = controls.exchangeability.order_p_value
    series = (
        "; rows that follow each other in the files are alike: were they split by time?"
        if order is not None and order <= 0.01
        else ""
    )
    return (
        "training and held-out rows differ from each other (p = "
        f"{controls.exchangeability.p_value:.3g}), so a difference in how close the generated "
        "samples come proves nothing: split the data at random into train and held-out, keep "
        f"rows that belong together in one set (--groups), and audit again{series}"
    )


def _failed_control(controls: Controls) -> str | None:
    if not controls.comparability.passed:
        cause = controls.comparability.cause
        hint = (
            f"they seem to be {cause}; bring the three sets to the same encoding"
            if cause
            else "check scaling, value range and axis order of the three sets"
        )
        return (
            "the generated samples are not on the data's scale (their median distance to the "
            f"nearest real row is {controls.comparability.distance_ratio:.3g} times that between "
            f"two real rows at random): {hint}"
        )
    if not controls.role_swap.passed:
        return (
            "the generated samples lean towards the held-out set (p = "
            f"{controls.role_swap.p_value:.3g}): check that train and held-out are not exchanged, "
            "and that the split was random"
        )
    return None


def _rejected(found: Findings, limits: Limits) -> Decision:
    bound, n = found.copies.memorized_lower_bound or 0, limits.train_points
    tolerated = max(1, math.ceil(limits.tolerance * n - 1e-9))
    shown = (
        found.copies.flagged_train
        or found.verbatim.evident
        or reproduced_beyond_chance(found.copies, limits)
    )
    if bound >= 1 and shown:
        return _copies(found, limits)
    if bound >= tolerated:
        return Decision(
            "memorizes",
            "traces",
            f"at least {bound:,} of {n:,} training points left a trace in the generated samples, "
            "though none is reproduced closely enough to be named",
        )
    return Decision(
        "inconclusive",
        None,
        f"there is a trace of the training set, but only {bound:,} training points are certain to "
        f"have left one, fewer than the {tolerated:,} that the tolerance of "
        f"{limits.tolerance:.2g} asks for: generate more samples or hold out more rows to learn "
        "how many there are, or lower the tolerance",
    )


def _copies(found: Findings, limits: Limits) -> Decision:
    """Name every ground on which rows come back, then how many left a trace at least."""
    copies, grounds = found.copies, []
    drifted = not found.controls.exchangeability.passed
    if copies.flagged_train and not drifted:
        grounds.append(
            f"{len(copies.flagged_train):,} are named with a false discovery rate of at most "
            f"{copies.fdr:.0%}"
        )
    if found.verbatim.evident:
        grounds.append(
            f"{found.verbatim.train_rows:,} are verbatim, against "
            f"{found.verbatim.heldout_rows or 0:,} held-out ones"
        )
    if reproduced_beyond_chance(copies, limits):
        grounds.append(
            f"{copies.reproduced_train:,} are reproduced, against {copies.reproduced_heldout:,} "
            "held-out ones by chance"
        )
    reason = f"training points come back in the generated samples: {'; '.join(grounds)}"
    if drifted:
        odds = found.sensitivity.residual_odds or 1.0
        reason += (
            "; training and held-out rows differ, but that explains it only if their odds of "
            f"membership differ by a further factor of {odds:.3g} (an estimate)"
        )
    else:
        reason += (
            f"; at least {copies.memorized_lower_bound:,} of {limits.train_points:,} left a trace"
        )
    return Decision("memorizes", "copies", reason)


def _not_rejected(found: Findings, limits: Limits) -> Decision:
    controls = found.controls
    independence = controls.independence
    if not independence.passed:
        return Decision(
            "inconclusive",
            None,
            "the held-out set was probably trained on: "
            f"{independence.generated_share:.2%} of generated rows reproduce a held-out row, but "
            f"only {independence.train_share:.2%} of training rows do. Audit with rows that the "
            "model has never seen",
        )
    detectable, n = controls.minimum_detectable_rate, limits.train_points
    obstacle = clearance_obstacle(found.verbatim, detectable, n)
    if obstacle is not None:
        return Decision("inconclusive", None, obstacle)
    if detectable is not None and detectable <= limits.resolution:
        return Decision(
            "generalizes",
            None,
            f"no trace of the training set was found, and copies of {detectable:.2%} of it "
            f"({round(detectable * n):,} of {n:,}) would have been found in 95% of audits",
        )
    if detectable is None:
        seen = "even copies of half of the training set would have been missed"
        needed = max(2 * n, 400)
        more = max(needed, 2 * limits.heldout_points)
    else:
        seen = f"copies of up to {detectable:.1%} of the training set would have been missed"
        needed = math.ceil(detectable * n / limits.resolution)
        more = heldout_needed(n, limits.heldout_points, detectable, limits.resolution)
    advice = f"audit about {needed:,} training rows or more"
    if more < 9 * n:
        advice += f", or hold out more rows (say {more:,})"
    return Decision(
        "inconclusive",
        None,
        f"no trace was found, but {seen}, more than the resolution of {limits.resolution:.0%} "
        f"allows: {advice}",
    )
