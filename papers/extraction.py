"""Extraction by surrogate guidance on digits, beside unconditional sampling at equal compute.

The models are those of `known_memorizers`. The attack runs with the paper's settings (all clusters
of cohesion .5 or more, the rest left out) and with ours (the 2 most coherent ones, the rest as a
class of its own), which were chosen on other attacks than those reported. K is one cluster for 50
samples.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from byheart.auditing.metrics.memorization_divergence import (
    memorization_divergence,
    separated_divergence,
)
from byheart.lab.attacks.extraction import extract
from byheart.lab.attacks.extraction_result import ExtractionAttack
from byheart.lab.attacks.surrogate_labels import centred
from byheart.lab.diffusion.isotropic_mixture import IsotropicMixtureDenoiser
from byheart.lab.reproduction.reproduction import Claim, Laboratory, Reproduction
from byheart.lab.sweeps.engines import Trial
from byheart.lab.sweeps.record import Outcome
from byheart.plotting.graph import Graph, Series
from byheart.plotting.table import Table
from byheart.threads import one_thread
from papers.cells import mean_interval, mean_text
from papers.known_memorizers import (
    NARROW,
    Case,
    Setting,
    build_setting,
    memorized,
    mixture,
    sampler,
)
from papers.trials import run_trials

Array = NDArray[np.float64]
Agreement = Literal["yes", "partly", "no"]

PAPER = "arXiv 2410.02467v1"
MOST = 2  # clusters that our settings keep
STRENGTHS = (0.5, 1.0, 2.0, 4.0)
BUDGET = {"first": 2000, "pilot": 60, "guided": 300, "classifier_steps": 200, "batch_size": 64}
SEEDS = 100  # of the first attack reported; the settings were chosen on seeds 0 to 4
REPEATS = {True: 12, False: 30}
BANDWIDTHS = (0.01, 0.02, 0.05)  # eps of the memorization divergence


QUICK = (
    Case("grouped", "ours"),
    Case("grouped", "paper"),
    Case("scattered", "ours"),
    Case("generalizes", "ours"),
)
FULL = (
    *QUICK,
    Case("scattered", "paper"),
    Case("network", "ours"),
    Case("network", "paper"),
)


def reproduce(laboratory: Laboratory, *, quick: bool) -> Reproduction:
    """Run the attacks; quick: 12 repeats of each instead of 30, and no network among the models.

    Raises MissingExtraError without the extra `neural`, InputError when an attack fails.
    """
    cases = QUICK if quick else FULL
    with one_thread():
        setting = build_setting(laboratory.folder, cases, dict(BUDGET))
        # The first attack on each model measures what the others are charged.
        firsts = {c.model: _attack(setting, k, SEEDS) for k, c in reversed(list(enumerate(cases)))}
    costs = tuple(firsts[case.model].costs for case in cases)
    found = _attacks(laboratory, dataclasses.replace(setting, costs=costs), REPEATS[quick])
    with one_thread():
        divergence = _divergences(setting)
    return Reproduction(
        name="extraction",
        paper=PAPER,
        settings=(
            f"{len(setting.train)} training and {len(setting.heldout)} held-out digits; "
            f"extracted: a sample within {setting.radius:.3f}, where 1% of held-out digits have a "
            f"training neighbour; "
            f"{REPEATS[quick]} attacks a row, each counted on a random half of the training "
            f"digits, lambda chosen on the other"
        ),
        claims=(*_claims(found), divergence[1]),
        curves=(),
        tables=(
            _per_compute(found),
            _per_sample(found),
            _work(found),
            divergence[0],
        ),
        graphs=(_over_strength(found), _over_compute(found)),
    )


def _attack(setting: Setting, case: int, seed: int) -> ExtractionAttack:
    chosen = setting.cases[case]
    ours = chosen.settings == "ours"
    return extract(
        sampler(setting, chosen.model),
        setting.train,
        setting.heldout,
        setting.radius,
        strengths=STRENGTHS,
        most=MOST if ours else None,
        background=ours,
        features=centred,
        costs=setting.costs[case],
        seed=seed,
        **setting.budget,
    )


def attack_trial(setting: Setting, trial: Trial) -> Outcome:
    """Run one attack as a trial of an engine; n is the number of the case."""
    found = _attack(setting, trial.n, SEEDS + trial.repeat)
    return Outcome(False, -math.inf, found.ratio, {"attack": found})  # type: ignore[dict-item]


def _attacks(
    laboratory: Laboratory, setting: Setting, repeats: int
) -> dict[Case, list[ExtractionAttack]]:
    """Return the attacks of every case, by repeat. One that finds no clusters is an error."""
    trials = [Trial(k, r) for r in range(repeats) for k in range(len(setting.cases))]
    done = run_trials(laboratory, "extraction", attack_trial, setting, trials)
    attacks: list[tuple[int, Any]] = [(t.n, outcome.figures["attack"]) for t, outcome in done]
    return {
        case: [attack for n, attack in attacks if n == k] for k, case in enumerate(setting.cases)
    }


def _gains(found: Sequence[ExtractionAttack]) -> list[float]:
    """Distinct training digits per 1,000 units, attack less unconditional."""
    return [a.attack.per_thousand - a.unconditional.per_thousand for a in found]


def _verdict(values: Sequence[float]) -> Agreement:
    """Yes when the mean's interval lies above 0, no when below, else partly."""
    low, high = mean_interval(values)[1]
    return "yes" if low > 0 else "no" if high < 0 else "partly"


def _claims(found: dict[Case, list[ExtractionAttack]]) -> tuple[Claim, ...]:
    claims = []
    samples = {c: [a.guided.ums - a.as_many.ums for a in f] for c, f in found.items()}
    for case in found:
        if case.model == "generalizes":
            continue
        attacks = found[case]
        claims.append(
            Claim(
                f"Guidance extracts more distinct training digits than unconditional sampling at "
                f"equal compute ({case.name}).",
                f"{mean_text([a.attack.per_thousand for a in attacks], 3)} against "
                f"{mean_text([a.unconditional.per_thousand for a in attacks], 3)} a thousand "
                f"units, difference {mean_text(_gains(attacks), 3)}; distinct digits "
                f"{mean_text([a.attack.train for a in attacks])} against "
                f"{mean_text([a.unconditional.train for a in attacks])}.",
                _verdict(_gains(attacks)),
            )
        )
    words = {c: _verdict(v) for c, v in samples.items() if c.model != "generalizes"}
    claims.append(
        Claim(
            "At equal numbers of samples guided ones have the higher UMS (the paper's comparison; "
            "on CelebA, on average over 50% more).",
            "UMS, guided less unconditional: "
            + "; ".join(f"{c.name} {mean_text(samples[c], 4)}" for c in words)
            + ".",
            "yes"
            if set(words.values()) == {"yes"}
            else "no"
            if set(words.values()) == {"no"}
            else "partly",
        )
    )
    controls = [a for c, f in found.items() if c.model == "generalizes" for a in f]
    excess = [float(a.attack.train - a.attack.heldout) for a in controls]
    claims.append(
        Claim(
            "Control: from a model that generalizes the attack extracts no more training than "
            "held-out digits.",
            f"Distinct training less held-out digits: {mean_text(excess)} (training "
            f"{mean_text([a.attack.train for a in controls])}).",
            "no" if mean_interval(excess)[1][0] > 0 else "yes",
        )
    )
    return tuple(claims)


def _per_compute(found: dict[Case, list[ExtractionAttack]]) -> Table:
    rows = []
    for case, attacks in found.items():
        for arm in ("attack", "guided", "unconditional"):
            values = [getattr(a, arm) for a in attacks]
            rows.append(
                (
                    case.name,
                    {"guided": "its guided samples alone"}.get(arm, arm),
                    mean_text([float(v.samples) for v in values], 0),
                    mean_text([float(v.train) for v in values]),
                    mean_text([float(v.heldout) for v in values]),
                    mean_text([v.per_thousand for v in values], 3),
                )
            )
    return Table(
        "Extracted at equal compute",
        ("model", "samples of", "number", "training", "held-out", "training per 1,000 units"),
        tuple(rows),
        "Distinct digits, means over attacks with intervals by Student's t. A unit is a row "
        "through the denoiser. First samples, training, the choice of lambda and gradients are all "
        "charged, to the guided samples alone as well.",
    )


def _per_sample(found: dict[Case, list[ExtractionAttack]]) -> Table:
    rows = [
        (
            case.name,
            mean_text([a.guided.ams for a in attacks], 3),
            mean_text([a.as_many.ams for a in attacks], 3),
            mean_text([a.guided.ums for a in attacks], 3),
            mean_text([a.as_many.ums for a in attacks], 3),
        )
        for case, attacks in found.items()
    ]
    return Table(
        "At equal numbers of samples: cumulative AMS and UMS",
        ("model", "AMS guided", "AMS unconditional", "UMS guided", "UMS unconditional"),
        tuple(rows),
        "The paper's comparison: what the first samples, the training and the gradients cost is "
        "not charged.",
    )


def _work(found: dict[Case, list[ExtractionAttack]]) -> Table:
    rows = []
    for case, attacks in found.items():
        chosen = [a.strength for a in attacks]
        counts = ", ".join(f"{s:g}: {chosen.count(s)}" for s in STRENGTHS if s in chosen)
        seconds = np.sum([a.seconds for a in attacks], axis=0)
        rows.append(
            (
                case.name,
                f"{attacks[0].clusters_found}",
                mean_text([float(a.clusters_kept) for a in attacks]),
                counts,
                f"{attacks[0].costs.gradient:.2f}",
                f"{attacks[0].costs.training:.2f}",
                f"{attacks[0].costs.clustering:.2f}",
                f"{seconds[0] / seconds[1]:.2f}",
            )
        )
    return Table(
        "The work behind it",
        (
            "model",
            "clusters",
            "kept",
            "lambda chosen: attacks",
            "gradient, units",
            "training row, units",
            "clustered sample, units",
            "wall time, attack/unconditional",
        ),
        tuple(rows),
        "Units are measured CPU times on the machine of this run. Wall time has what starting up "
        "takes, too, which is not charged.",
    )


def _over_strength(found: dict[Case, list[ExtractionAttack]]) -> Graph:
    series = []
    for case in [c for c in found if c.model != "generalizes"][:4]:
        points = []
        for k in range(len(STRENGTHS)):
            pilots = [a.pilots[k] for a in found[case]]
            points.append(mean_interval([(p.scored + p.chooses) / p.samples for p in pilots]))
        series.append(
            Series(case.name, STRENGTHS, tuple(p[0] for p in points), tuple(p[1] for p in points))
        )
    return Graph(
        "Distinct training digits per guided sample",
        "The pilot samples of all attacks, on all training digits: higher is more extraction.",
        "lambda, strength of the guidance",
        "distinct digits per sample",
        tuple(series),
        log_x=True,
    )


def _over_compute(found: dict[Case, list[ExtractionAttack]]) -> Graph:
    case = next(iter(found))
    attacks = found[case]
    units = float(np.mean([a.attack.compute.units for a in attacks]))
    steps = len(attacks[0].curves[0])
    x = tuple(units * (k + 1) / steps for k in range(steps))
    series = []
    for arm, name in enumerate(("attack", "unconditional sampling")):
        points = [mean_interval([float(a.curves[arm][k]) for a in attacks]) for k in range(steps)]
        series.append(Series(name, x, tuple(p[0] for p in points), tuple(p[1] for p in points)))
    return Graph(
        f"Distinct training digits over compute: {case.name}",
        "Higher is more extraction. The attack starts as unconditional sampling, then pays for its "
        "classifier.",
        "compute, rows through the denoiser",
        "distinct digits of the scored half",
        tuple(series),
    )


def _divergences(setting: Setting) -> tuple[Table, Claim]:
    """Memorization divergence of the mixtures, and the oracle for a copier."""
    rows, errors = [], []
    signs: dict[tuple[str, float], tuple[float, float]] = {}
    copier = IsotropicMixtureDenoiser(setting.train, NARROW)
    for eps in BANDWIDTHS:
        rng = np.random.default_rng(1)
        for name in ("copier", "grouped", "scattered", "generalizes"):
            law = copier if name == "copier" else mixture(setting, name)
            part = memorized(setting, name)
            train = setting.train[part] if part.any() else setting.train
            got = memorization_divergence(
                train, setting.heldout, law.log_density, eps, draws=4, rng=rng
            )
            oracle = "–"
            if name == "copier":
                exact = separated_divergence(64, eps, NARROW)
                oracle = f"{exact:.2f}"
                errors.append(abs(got.train - exact) / max(got.train_error, 1e-9))
            rows.append(
                (
                    name,
                    f"{eps:g}",
                    f"{got.train:.2f} ± {got.train_error:.2f}",
                    oracle,
                    f"{got.heldout:.1f} ± {got.heldout_error:.1f}",
                    f"{got.difference:.1f} ± {got.difference_error:.1f}",
                )
            )
            signs[name, eps] = got.difference, got.difference_error
    table = Table(
        "Memorization divergence, nats",
        ("model", "eps", "M(T)", "oracle", "M(H)", "M(T) − M(H)"),
        tuple(rows),
        f"T: the memorized rows, of the copier (kernels of {NARROW:g} on all rows) and of the "
        "model that generalizes all; H: as many held-out rows. Smaller is more memorized. M alone "
        "grows without bound as eps falls.",
    )
    known = ("copier", "grouped", "scattered")
    below = {key: value + 2 * error < 0 for key, (value, error) in signs.items() if key[0] in known}
    at_kernel = all(below[name, NARROW] for name in known)
    return table, Claim(
        "A smaller memorization divergence means more memorization: M(T) − M(H) is below 0, and "
        "lower than for a model that generalizes.",
        f"For a copier M(T) is within {max(errors):.1f} standard errors of (d/2)(r − 1 − log r). "
        + " ".join(
            f"At eps = {eps:g}: "
            + ", ".join(
                f"{value:.1f} ({name})" for (name, e), (value, _) in signs.items() if e == eps
            )
            + "."
            for eps in BANDWIDTHS
        )
        + f" The memorized kernels have {NARROW:g}.",
        "no" if not at_kernel or max(errors) > 4 else "yes" if all(below.values()) else "partly",
    )
