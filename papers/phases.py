"""The phases of arXiv 2505.21777v3: memorized, spurious and generalized samples as n grows.

The paper trains networks on image sets; here its classification is applied where the answer is
known (a circle stored in an associative memory, samples of a perfect model), to the exact models of
real digits, and in the full run to a network trained on digits. Thresholds come from held-out
points (`metrics.phases`), the numbers of samples and of held-out points are the same at every n.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from byheart.auditing.metrics.phases import PHASES, Phases, phases
from byheart.intervals import student_half_width
from byheart.lab.reproduction.reproduction import Claim, Laboratory, Reproduction
from byheart.lab.sweeps.material import digits
from byheart.lab.sweeps.record import Record
from byheart.lab.theory.associative_memory import collapse_level, ring_radius
from byheart.lab.transition.phase_curve import PhaseCurve, peak_text, phase_curve, shares_text
from byheart.lab.transition.phase_graph import phase_graph
from byheart.plotting.table import Table
from byheart.threads import one_thread
from papers.cells import share_text
from papers.retrieval import Array, circle, recall_level, retrieval_records

PAPER = "arXiv 2505.21777v3"
COUNT = 400  # samples, and held-out points, at every n
CIRCLE_LEVEL, CIRCLE_STEPS = 0.1, 30
DIGITS_LEVEL, DIGITS_STEPS = 0.6, 10
BANDWIDTH = 0.1
CIRCLE_SIZES = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
DIGIT_SIZES = (25, 50, 100, 200, 400, 800, 1300)
NETWORK_SIZES, NETWORK_STEPS, NETWORK_REPEATS = (12, 25, 50, 100, 200, 400), 1000, 5
PERFECT_SIZES = (100, 300, 900)
RECALL = ((100, 16), (100, 64), (100, 256), (400, 16), (400, 64), (400, 256))


def reproduce(laboratory: Laboratory, *, quick: bool) -> Reproduction:
    """Run the experiment; the full run needs the extra `neural`. quick: fewer repeats, no network.

    Raises MissingExtraError as the sweeps of networks do.
    """
    repeats = 5 if quick else 20
    with one_thread():
        on_circle = retrieval_records(
            circle,
            CIRCLE_SIZES,
            noise_level=CIRCLE_LEVEL,
            steps=CIRCLE_STEPS,
            repeats=repeats,
            count=COUNT,
        )
        on_digits = retrieval_records(
            draw_digits,
            DIGIT_SIZES,
            noise_level=DIGITS_LEVEL,
            steps=DIGITS_STEPS,
            repeats=repeats,
            count=COUNT,
        )
        perfect = {n: _perfect(n, 4 * repeats) for n in PERFECT_SIZES}
        levels = {case: _recall(*case) for case in RECALL}
    records = {
        f"circle, memory at s = {CIRCLE_LEVEL:g}": on_circle,
        f"digits, memory at s = {DIGITS_LEVEL:g}": on_digits,
        f"digits, kernel density of bandwidth {BANDWIDTH:g}": laboratory.run(
            "kernel",
            _sweep(
                {"kind": "kernel-smoothed", "bandwidth": BANDWIDTH}, DIGIT_SIZES, 2 if quick else 5
            ),
        ),
    }
    if not quick:
        model = {"kind": "mlp", "training_steps": NETWORK_STEPS, "learning_rate": 1e-3}
        records["digits, network"] = laboratory.run(
            "network", _sweep(model, NETWORK_SIZES, NETWORK_REPEATS)
        )
    curves = {title: curve for title, made in records.items() if (curve := phase_curve(made))}
    return Reproduction(
        name="phases",
        paper=PAPER,
        settings=(
            f"{COUNT} samples and {COUNT} held-out points at every n; thresholds at 5% of held-out "
            f"points; {repeats} training sets for each n of a memory"
            + (
                "; no network"
                if quick
                else f"; networks of {NETWORK_STEPS:,} gradient steps, {NETWORK_REPEATS} for each n"
            )
        ),
        claims=_claims(curves, on_circle, perfect, levels),
        curves=(),
        tables=(
            *(_shares(title, curve) for title, curve in curves.items()),
            _calibration(perfect),
            _levels(levels),
        ),
        graphs=tuple(phase_graph(curve, _capital(title)) for title, curve in curves.items()),
    )


def draw_digits(rows: int, rng: np.random.Generator) -> Array:
    """Return `rows` different digits, (rows, 64), in [0, 1].

    >>> draw_digits(5, np.random.default_rng(0)).shape
    (5, 64)
    """
    pool = digits()
    return pool[rng.permutation(len(pool))[:rows]].reshape(rows, -1)


def _sweep(model: dict[str, Any], sizes: Sequence[int], repeats: int) -> dict[str, Any]:
    return {
        "data": {"kind": "digits"},
        "model": model,
        "sweep": {"n": list(sizes), "repeats": repeats, "samples": COUNT},
        "distance": {"definition": "matched", "fresh": min(COUNT, 1797 - max(sizes))},
    }


def _perfect(n: int, repeats: int) -> dict[str, list[Phases]]:
    """Phases of fresh digits taken for samples: by themselves, and against a second set."""
    found: dict[str, list[Phases]] = {"itself": [], "a second set": []}
    for child in np.random.SeedSequence(0, spawn_key=(n,)).spawn(repeats):
        rows = draw_digits(1797, np.random.default_rng(child))
        sets = np.split(
            rows[: n + 3 * (size := min(COUNT, (1797 - n) // 3))], [n, n + size, n + 2 * size]
        )
        found["itself"].append(phases(*sets[:3]))
        found["a second set"].append(phases(*sets))
    return found


def _recall(n: int, d: int) -> list[float]:
    rngs = [np.random.default_rng(c) for c in np.random.SeedSequence(0, spawn_key=(n, d)).spawn(3)]
    return [recall_level(n, d, rng) for rng in rngs]


def _claims(
    curves: dict[str, PhaseCurve],
    on_circle: Sequence[Record],
    perfect: dict[int, dict[str, list[Phases]]],
    levels: dict[tuple[int, int], list[float]],
) -> tuple[Claim, ...]:
    claims = []
    for title, curve in curves.items():
        first, last = curve.points[0], curve.points[-1]
        passed = first.memorized.value > 0.5 and last.generalized.value > 0.5
        text = (
            f"memorized {shares_text(first)[0]} at n = {first.n:,} and {shares_text(last)[0]} at "
            f"n = {last.n:,}, generalized {shares_text(first)[2]} and {shares_text(last)[2]}; "
            f"{peak_text(curve)}."
        )
        started = first.memorized.value > 0.5 or curve.found
        claims.append(
            Claim(
                "As n grows, samples pass from memorized through spurious to generalized "
                f"({title}).",
                text[0].upper() + text[1:],
                "yes" if passed and curve.found else "partly" if started or passed else "no",
            )
        )
    claims.append(_ring(on_circle))
    claims.append(_collapse(levels))
    claims.append(_false_alarms(perfect))
    return tuple(claims)


def _ring(records: Sequence[Record]) -> Claim:
    """How far inside the data's circle dense circles are retrieved, against the energy's ring."""
    largest = max(record.n for record in records)
    radii = np.array(
        [float(r.outcome.figures["radius"]) for r in records if r.n == largest and r.outcome]
    )
    half = student_half_width(radii)
    beta = 1 / (2 * CIRCLE_LEVEL**2)
    shift, exact = 1 - float(radii.mean()), 1 - ring_radius(beta)
    error = abs(shift / exact - 1)  # a finite circle is not quite the ring
    return Claim(
        "The energy R² + 1 − (1/beta) log I_0(2 beta R) has its minimum on a ring, a little inside "
        "the data's circle.",
        f"What a circle of n = {largest:,} points retrieves at beta = {beta:g} lies inside it by "
        f"{shift:.5f} ± {half:.5f}; the ring by {exact:.5f}.",
        "yes" if error <= 0.1 else "partly" if error <= 0.3 else "no",
    )


def _collapse(levels: dict[tuple[int, int], list[float]]) -> Claim:
    ratios = [np.mean(found) / collapse_level(*case) for case, found in levels.items()]
    spread = max(abs(ratio - 1) for ratio in ratios)
    return Claim(
        "Points of an isotropic Gaussian are told apart below the noise level "
        "s_c² = sigma²/(n^(2/d) − 1) (arXiv 2402.18491, asymptotic in d).",
        f"Level at which half of the denoising error is gone, over s_c: {min(ratios):.2f} to "
        f"{max(ratios):.2f}, while s_c runs from {min(collapse_level(*c) for c in levels):.2f} to "
        f"{max(collapse_level(*c) for c in levels):.2f}.",
        "yes" if spread <= 0.1 else "partly" if spread <= 0.3 else "no",
    )


def _false_alarms(perfect: dict[int, dict[str, list[Phases]]]) -> Claim:
    parts, worst = [], 0.0
    for against in ("itself", "a second set"):
        runs = [run for found in perfect.values() for run in found[against]]
        memorized, spurious = (
            np.array([getattr(run, name).value for run in runs]) for name in PHASES[:2]
        )
        for name, values in (("memorized", memorized), ("spurious", spurious)):
            error = float(values.std(ddof=1)) / np.sqrt(len(values))
            worst = max(worst, float(values.mean()) - 2 * error)
            parts.append(f"{name} {values.mean():.1%} ± {2 * error:.1%} (against {against})")
    return Claim(
        "A perfect model has at most 5% of its samples called memorized, and 5% spurious "
        "(this project's thresholds).",
        f"Fresh digits taken for samples: {'; '.join(parts)}.",
        "yes" if worst <= 0.05 else "no",
    )


def _shares(title: str, curve: PhaseCurve) -> Table:
    return Table(
        _capital(title),
        ("n", "training sets", *PHASES),
        tuple((f"{p.n:,}", f"{p.trials:,}", *shares_text(p)) for p in curve.points),
        f"Mean shares with 95% intervals over training sets; {peak_text(curve)}.",
    )


def _calibration(perfect: dict[int, dict[str, list[Phases]]]) -> Table:
    rows = []
    for n, found in perfect.items():
        for against, runs in found.items():
            counts = np.zeros(3, dtype=int)
            for run in runs:
                counts += np.bincount(run.labels, minlength=3)
            total = int(counts.sum())
            cells = []
            for count in counts[:2]:
                cells.append(share_text(int(count), total, ".1%"))
            stated = [np.mean([run.false_alarm[i] for run in runs]) for i in range(2)]
            rows.append(
                (f"{n:,}", against, *cells, f"{stated[0]:.1%}, {stated[1]:.1%}", f"{len(runs)}")
            )
    return Table(
        "Fresh digits taken for samples",
        ("n", "compared with", "memorized", "spurious", "stated rates", "runs"),
        tuple(rows),
        "What a perfect model would show; intervals count all rows as independent.",
    )


def _levels(levels: dict[tuple[int, int], list[float]]) -> Table:
    return Table(
        "Where recall begins: n points of N(0, I_d)",
        ("n", "d", "s_c", "half recalled at (3 draws)", "ratio"),
        tuple(
            (
                f"{n:,}",
                f"{d}",
                f"{collapse_level(n, d):.3f}",
                ", ".join(f"{level:.3f}" for level in found),
                f"{np.mean(found) / collapse_level(n, d):.3f}",
            )
            for (n, d), found in levels.items()
        ),
    )


def _capital(title: str) -> str:
    return title[0].upper() + title[1:]
