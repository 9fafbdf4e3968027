"""From the figures to one of three words, its kind, and a reason that a person can act on.

memorizes     the family rejects, the controls hold, at least one training point is certain to be
              memorized, and either points are named or reproduced (copies) or at least the
              tolerated share of T left a trace (traces); plain copies are believed even when T
              and H differ, if the rows of T reproduce each other less often than G does
generalizes   the family does not reject, the controls hold, and the smallest detectable share of
              copied training points is at most the resolution
inconclusive  everything else
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from byheart.auditing.copies import excess_p_value
from byheart.auditing.result import Controls, Copies, Kind, Verdict

# Each control is tested at this share of the level, so that they seldom spoil a clean audit.
CONTROL_SHARE = 1 / 5


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
    return copies.reproduced_train > 0 and p_value <= limits.level


def decide(p_value: float, copies: Copies, controls: Controls, limits: Limits) -> Decision:
    """Return the decision; every threshold is in `limits`."""
    rejected = p_value <= limits.level
    obstacle = _failed_control(controls)
    if obstacle is None and not controls.exchangeability.passed:
        if rejected and _copies_that_drift_cannot_explain(copies, limits):
            return _rejected(copies, limits)
        obstacle = (
            "training and held-out rows differ from each other (p = "
            f"{controls.exchangeability.p_value:.3g}), so a difference in how close the generated "
            "samples come proves nothing: split the data at random into train and held-out, keep "
            "rows that belong together in one set (--groups), and audit again"
        )
    if obstacle is not None:
        return Decision("inconclusive", None, obstacle)
    if rejected:
        return _rejected(copies, limits)
    return _not_rejected(controls, limits)


def _copies_that_drift_cannot_explain(copies: Copies, limits: Limits) -> bool:
    """Return whether G reproduces T beyond the held-out phantoms and beyond T itself.

    A model that merely follows a law of T that is not that of H would reproduce training rows no
    more often than these reproduce each other. So plain copies stay copies although one random
    split in a hundred fails the test of exchangeability.
    """
    return (
        reproduced_beyond_chance(copies, limits)
        and copies.reproduction_p_value <= limits.level * CONTROL_SHARE
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
            f"nearest real row is {controls.comparability.distance_ratio:.3g} times that among "
            f"real rows): {hint}"
        )
    if not controls.role_swap.passed:
        return (
            "the generated samples lean towards the held-out set (p = "
            f"{controls.role_swap.p_value:.3g}): check that train and held-out are not exchanged, "
            "and that the split was random"
        )
    return None


def _rejected(copies: Copies, limits: Limits) -> Decision:
    bound, n = copies.memorized_lower_bound, limits.train_points
    tolerated = max(1, math.ceil(limits.tolerance * n - 1e-9))
    named = len(copies.flagged_train)
    reproduced = reproduced_beyond_chance(copies, limits)
    if bound >= 1 and (named or reproduced):
        how_many = (
            f"{named:,} are named with a false discovery rate of at most {copies.fdr:.0%}"
            if named
            else f"{copies.reproduced_train:,} training points are reproduced, against "
            f"{copies.reproduced_heldout:,} held-out ones by chance"
        )
        return Decision(
            "memorizes",
            "copies",
            f"training points come back in the generated samples: at least {bound:,} of {n:,} "
            f"are memorized, and {how_many}",
        )
    if bound >= tolerated:
        return Decision(
            "memorizes",
            "traces",
            f"the generated samples lean on at least {bound:,} of {n:,} training points, though "
            "none is reproduced closely enough to be named: the model is overfitted",
        )
    return Decision(
        "inconclusive",
        None,
        f"there is a trace of the training set, but only {bound:,} training points are certain to "
        f"be memorized, fewer than the {tolerated:,} that the tolerance of {limits.tolerance:.2g} "
        "asks for: generate more samples or hold out more rows to learn how many there are, or "
        "lower the tolerance",
    )


def _not_rejected(controls: Controls, limits: Limits) -> Decision:
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
