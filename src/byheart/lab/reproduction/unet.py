"""The U-Net experiment of arXiv 2411.17807, and its question asked of real digits.

The paper: 8 x 8 images of independent N(.5, .1²) pixels, a U-Net with channels 64-128-256 and
attention, 200 steps, linear beta from 1e-4 to 0.02, batch 128, 10 epochs, Adam at 2e-4, n from 50
up, 10 samples a model; Delta coordinate by coordinate (`measures.coordinates`). The network here
is diffusers' UNet2DModel of the same channels.

The measure has to be able to tell the two regimes apart, whatever the network. So it is first
tried on samples whose regime is known: copies of training points, and fresh draws of the law. As
the reference code computes it, its three sets are on three scales (generated pixels in [0, 1],
training pixels in [-1, 1], fresh pixels in [0, 255]), its bandwidths on a fourth; that is tried
too. The same question is then asked with a network that trains for longer, on digits, by an audit
against held-out ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from byheart.intervals import wilson
from byheart.lab.measures.coordinates import relative_coordinate_distance
from byheart.lab.reproduction.linear import PAPER
from byheart.lab.reproduction.reproduction import Claim, Curve, Laboratory, Reproduction
from byheart.lab.sweeps.record import Record
from byheart.lab.transition.result import TransitionResult
from byheart.lab.transition.scales import scale_text
from byheart.plotting.table import Table
from byheart.threads import one_thread

Array = NDArray[np.float64]

PIXELS, MEAN, DEVIATION = 64, 0.5, 0.1
FRESH_ROWS, GENERATED = 10_000, 10
KNOWN_REPEATS = {True: 20, False: 100}  # quick: of samples whose regime is known
DIGIT_SIZES = (50, 100, 200, 400, 800, 1300)


def reproduce(laboratory: Laboratory, *, quick: bool) -> Reproduction:
    """Run the experiment; needs the extra `neural`. quick: few networks, minutes in all."""
    sizes, repeats = ((50, 150, 350), 3) if quick else ((50, 150, 250, 350, 550, 1050), 10)
    unet = laboratory.curve("The paper's U-Net on Gaussian images", "unet", _unet(sizes, repeats))
    digits_repeats = 4 if quick else 20
    digits = laboratory.curve(
        "A residual network on digits, audited", "digits", _digits(digits_repeats)
    )
    with one_thread():
        known = {
            (kind, coded): _known(kind, sizes, KNOWN_REPEATS[quick], as_coded=coded)
            for kind in ("copies", "fresh draws")
            for coded in (False, True)
        }
    return Reproduction(
        name="unet",
        paper=PAPER,
        settings=(
            f"8 x 8 pixels N({MEAN:g}, {DEVIATION:g}²), UNet2DModel 64-128-256, 200 steps, batch "
            f"128, 10 epochs, {repeats} networks for each n; digits: a residual network, 400 "
            f"gradient steps, {digits_repeats} networks for each n"
        ),
        claims=_claims(known, sizes, unet.result, digits),
        curves=(unet, digits),
        tables=(_measures(known, sizes), _audits(digits.records)),
    )


def _unet(sizes: Sequence[int], repeats: int) -> dict[str, Any]:
    return {
        "data": {"kind": "gaussian", "dimension": PIXELS, "mean": MEAN, "std": DEVIATION},
        # shift and scale bring [0, 1] to [-1, 1], as the reference code does
        "model": {"kind": "unet", "epochs": 10, "shift": 0.5, "scale": 0.5},
        "sweep": {"n": list(sizes), "repeats": repeats, "samples": GENERATED},
        "distance": {"definition": "paper", "form": "coordinates", "fresh": FRESH_ROWS},
    }


def _digits(repeats: int) -> dict[str, Any]:
    return {
        "data": {"kind": "digits"},
        "model": {"kind": "mlp", "training_steps": 400, "learning_rate": 1e-3},
        "sweep": {"n": list(DIGIT_SIZES), "repeats": repeats},
    }


def _known(
    kind: str, sizes: Sequence[int], repeats: int, *, as_coded: bool
) -> dict[int, tuple[int, int]]:
    """Return, for each n, how often Delta > 0 for samples of a known regime, and of how many."""
    sigma = np.full(PIXELS, DEVIATION)
    counts = {}
    for n in sizes:
        hits = 0
        for child in np.random.SeedSequence(0, spawn_key=(n,)).spawn(repeats):
            rng = np.random.default_rng(child)
            train, fresh, draws = (
                MEAN + DEVIATION * rng.standard_normal((rows, PIXELS))
                for rows in (n, FRESH_ROWS, GENERATED)
            )
            generated = train[:GENERATED] if kind == "copies" else draws
            if as_coded:
                train, fresh = 2 * train - 1, 255 * fresh
            found = relative_coordinate_distance(train, fresh, generated.clip(0, 1), sigma)
            hits += found.delta > 0
        counts[n] = (hits, repeats)
    return counts


def _claims(
    known: dict[tuple[str, bool], dict[int, tuple[int, int]]],
    sizes: Sequence[int],
    unet: TransitionResult,
    digits: Curve,
) -> tuple[Claim, ...]:
    coded = known["copies", True]
    hits, trials = (sum(column) for column in zip(*coded.values(), strict=True))
    copies, honest = (
        max(h / t for h, t in known[kind, False].values()) for kind in ("copies", "fresh draws")
    )
    last = unet.curve[-1]
    smallest, largest = DIGIT_SIZES[0], DIGIT_SIZES[-1]
    found = {n: _verdicts(digits.records, n) for n in (smallest, largest)}
    scales = digits.result
    crossed = found[smallest][0] == found[smallest][1] and scales.n_mem.estimate is not None
    return (
        Claim(
            "P(Delta > 0) of the U-Net rises to 1 as n grows, so it passes to generalization.",
            f"As coded, the measure gives P(Delta > 0) = {hits / trials:.2f} for exact copies of "
            f"training points at every n from {sizes[0]} to {sizes[-1]:,}: it cannot see "
            f"memorization. On one scale, copies give {copies:.2f} at most, and a perfect model "
            f"{honest:.2f} at most, not 1; the U-Net has {last.p_positive:.2f} at n = "
            f"{last.n:,} [{last.p_interval[0]:.2f}, {last.p_interval[1]:.2f}].",
            "no" if hits == trials else "partly",
        ),
        Claim(
            "The distance to the data's law falls with n from the same n on.",
            f"Distance {unet.curve[0].distance:.4g} at n = {unet.curve[0].n}, "
            f"{last.distance:.4g} at n = {last.n:,}; n_gen: {scale_text(unet.n_gen)}.",
            "yes" if last.distance < unet.curve[0].distance else "no",
        ),
        Claim(
            "Realistic diffusion models show both regimes as n grows.",
            f"On digits, {found[smallest][0]} of {found[smallest][1]} networks are found to "
            f"memorize at n = {smallest}, {found[largest][0]} of {found[largest][1]} at n = "
            f"{largest:,}; half of them at n_mem = {scale_text(scales.n_mem)}, and the samples get "
            f"better from n_gen = {scale_text(scales.n_gen)} on: {scales.aligned}.",
            "yes" if crossed else "partly",
        ),
    )


def _verdicts(records: Sequence[Record], n: int) -> tuple[int, int]:
    """Return how many networks of size n memorize, and how many there are."""
    outcomes = [r.outcome for r in records if r.n == n and r.outcome]
    return sum(o.figures["verdict"] == "memorizes" for o in outcomes), len(outcomes)


def _measures(
    known: dict[tuple[str, bool], dict[int, tuple[int, int]]], sizes: Sequence[int]
) -> Table:
    rows = []
    for (kind, coded), counts in known.items():
        scale: Literal["as coded", "one scale"] = "as coded" if coded else "one scale"
        cells = []
        for n in sizes:
            low, high = wilson(*counts[n])
            cells.append(f"{counts[n][0] / counts[n][1]:.2f} [{low:.2f}, {high:.2f}]")
        rows.append((kind, scale, *cells))
    return Table(
        "P(Delta > 0) of samples whose regime is known",
        ("samples", "measure", *(f"n = {n:,}" for n in sizes)),
        tuple(rows),
        f"{GENERATED} samples a model, {FRESH_ROWS:,} fresh points; no network is involved. A "
        "measure of memorization has to be near 0 in the rows of copies and near 1 in the others.",
    )


def _audits(records: Sequence[Record]) -> Table:
    rows = []
    for n in sorted({record.n for record in records}):
        outcomes = [r.outcome for r in records if r.n == n and r.outcome]
        words = [str(o.figures["kind"] or o.figures["verdict"]) for o in outcomes]
        counted = ", ".join(f"{words.count(w)} {w}" for w in sorted(set(words)))
        bound = np.mean([float(o.figures["memorized_lower_bound"]) for o in outcomes])
        auc = np.mean([float(o.figures["membership_auc"]) for o in outcomes])
        quality = np.mean([o.distance for o in outcomes])
        rows.append((f"{n:,}", counted, f"{bound:.0f}", f"{auc:.3f}", f"{quality:.4f}"))
    return Table(
        "Digits: audits against held-out ones",
        ("n", "verdicts", "memorized, at least", "membership AUC", "energy distance"),
        tuple(rows),
        "Means over networks. Copies and traces are kinds of the verdict `memorizes`.",
    )
