"""Local dimension and memorization: four papers' claims on laws where the truth is known.

Estimators from a denoiser and from samples on unions of manifolds of dimension 1, 2 and 5 and on a
circle; the kinds of memorization of arXiv 2411.00113 on a von Mises law with an atom, whose
training set has an isolated point, and on digits; what a point off the manifold does to FLIPD
(2406.03537) and to the spectral dimension (2605.01221). The denoisers are exact, so that what fails
fails by the estimator; trained networks come last (`geometry_networks`).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart.auditing.metrics.geometry import KINDS, Kind
from byheart.distances.dimension import local_pca, maximum_likelihood
from byheart.distances.neighbours import within
from byheart.intervals import wilson
from byheart.lab.diffusion import (
    Denoiser,
    EmpiricalDenoiser,
    GaussianMixtureDenoiser,
    KernelSmoothedDenoiser,
    LinearDenoiser,
)
from byheart.lab.diffusion.circle import CircleDenoiser
from byheart.lab.diffusion.dimension import flipd, normal_bundle
from byheart.lab.diffusion.hessian import spectral_dimension
from byheart.lab.measures.geometry import memorization
from byheart.lab.reproduction.reproduction import Claim, Laboratory, Reproduction
from byheart.lab.sweeps.material import digits
from byheart.plotting.graph import Graph, Series
from byheart.plotting.table import Table
from papers.cells import share_text
from papers.geometry_networks import networks

Array = NDArray[np.float64]

PAPER = "arXiv 2411.00113 (with 2406.03537, 2212.12611 and 2605.01221)"
DIMENSIONS, AMBIENT, APART, FINE = (1, 2, 5), 16, 20.0, 0.05
DRAWN = 0.01  # the least dimension on a chart in logs
LARGE, LARGE_DIMENSIONS = 1024, (10, 80, 200)
CONCENTRATION, ATOM, ATOM_SHARE = 2.0, 2.5, 0.1
CIRCLE_ROWS, REFERENCE_ROWS, CIRCLE_LEVEL = 1000, 5000, 0.03
HEADINGS = (
    *("manifold", "truth", "FLIPD", "normal bundle, gap", "threshold", "spectral"),
    *("likelihood", "local PCA"),
)
SIZES = {  # quick: rows a manifold, points a manifold, circles, digits, digits of the graph, levels
    True: (1000, 10, 20, 40, 10, 9),
    False: (5000, 40, 100, 200, 40, 15),
}


def reproduce(laboratory: Laboratory, *, quick: bool) -> Reproduction:
    """Run the experiment; quick: fewer points and training sets, and no trained networks.

    Raises MissingExtraError in the full run without the extra `neural`.
    """
    rows, points, circles, some, drawn, levels = SIZES[quick]
    seeds = iter(map(np.random.default_rng, np.random.SeedSequence(0).spawn(6)))
    estimators, estimators_claim = _estimators(rows, points, next(seeds))
    kinds, kinds_claim = _circles(circles, next(seeds))
    shares, shares_claims = _digits(some, next(seeds))
    graph, near_claim, psi_claim = _curves(drawn, levels, next(seeds))
    large, large_claim = _large(3 if quick else 10, next(seeds))
    trained = [] if quick else [networks(digits().reshape(-1, 64), next(seeds))]
    return Reproduction(
        name="geometry",
        paper=PAPER,
        settings=(
            f"exact denoisers; unions of affine manifolds of dimension "
            f"{', '.join(map(str, DIMENSIONS))} in {AMBIENT} coordinates, {rows:,} rows each; "
            f"{circles} training sets of {CIRCLE_ROWS:,} points on a circle; half of the digits "
            "are training rows"
        ),
        claims=(
            *(estimators_claim, psi_claim, near_claim, kinds_claim, *shares_claims, large_claim),
            *(claim for _, claim in trained),
        ),
        curves=(),
        tables=(estimators, kinds, shares, large, *(table for table, _ in trained)),
        graphs=(graph,),
    )


@dataclass(frozen=True)
class _Union:
    """Affine manifolds with Gaussian laws of unit variance, APART from each other."""

    denoiser: GaussianMixtureDenoiser
    centres: Array
    axes: tuple[Array, ...]

    @classmethod
    def of(cls, dimensions: tuple[int, ...], d: int, rng: np.random.Generator) -> _Union:
        turn, _ = np.linalg.qr(rng.normal(size=(d, d)))
        centres = APART * np.arange(len(dimensions))[:, None] * turn[:, -1]
        axes = tuple(turn[:, :own].T for own in dimensions)
        weights = np.full(len(axes), 1 / len(axes))
        return cls(
            GaussianMixtureDenoiser(weights, centres, [a.T @ a for a in axes]), centres, axes
        )

    def draw(self, i: int, rows: int, rng: np.random.Generator) -> Array:
        """Return points of the i-th manifold, (rows, d)."""
        return np.asarray(
            self.centres[i] + rng.normal(size=(rows, len(self.axes[i]))) @ self.axes[i]
        )


def _estimators(rows: int, points: int, rng: np.random.Generator) -> tuple[Table, Claim]:
    union = _Union.of(DIMENSIONS, AMBIENT, rng)
    circle = CircleDenoiser([0.0], [0.0], [1.0])
    laws: list[tuple[str, int, Denoiser, Array, Array]] = [
        ("circle", 1, circle, circle.draw(points, rng), circle.draw(rows, rng))
    ]
    union_rows = np.concatenate([union.draw(i, rows, rng) for i in range(len(DIMENSIONS))])
    for i, own in enumerate(DIMENSIONS):
        at = union.draw(i, points, rng)
        laws.append((f"affine, {own}", own, union.denoiser, at, union_rows))
    cells, worst = [], 0.0
    for name, truth, denoiser, at, reference in laws:
        curve = flipd(denoiser, at, [FINE])
        found = [
            curve.values[:, 0],
            normal_bundle(denoiser, at, FINE, rng).dimensions,
            normal_bundle(denoiser, at, FINE, rng, rule="threshold").dimensions,
            spectral_dimension(denoiser, at, [FINE]).values[:, 0],
            maximum_likelihood(reference, at).values,
            local_pca(reference, at).values,
        ]
        worst = max(worst, float(np.abs(curve.values - truth).max()))
        cells.append((name, str(truth), *(f"{v.mean():.2f} ± {v.std():.2f}" for v in found)))
    return (
        Table(
            "Estimators against the truth",
            HEADINGS,
            tuple(cells),
            f"Mean and standard deviation over {points} points of each manifold. The first four "
            f"from the exact denoiser at s = {FINE}, the last two from {rows:,} samples of each "
            "manifold (20 and 100 neighbours). The three affine manifolds are one law.",
        ),
        Claim(
            "FLIPD tends to the local dimension of the model's manifold as the noise falls "
            "(2406.03537).",
            f"At s = {FINE} its largest error over {points} points on each of four manifolds is "
            f"{worst:.2g}.",
            "yes" if worst < 0.5 else "no",
        ),
    )


def _circles(repeats: int, rng: np.random.Generator) -> tuple[Table, Claim]:
    """Kinds at the most isolated training point, the atom, and a typical training point."""
    law = CircleDenoiser([0.0, ATOM], [CONCENTRATION, np.inf], [1 - ATOM_SHARE, ATOM_SHARE])
    atom = np.array([math.cos(ATOM), math.sin(ATOM)])
    reference = law.draw(REFERENCE_ROWS, rng)
    found: dict[str, list[Kind]] = {"isolated": [], "atom": [], "typical": []}
    for _ in range(repeats):
        train = law.draw(CIRCLE_ROWS, rng)
        apart = within(train, 1).distances[:, 0]
        spread = train[np.linalg.norm(train - atom, axis=1) > 0.3]
        at = [train[np.argmax(apart)], atom, spread[rng.integers(len(spread))]]
        verdicts = memorization(EmpiricalDenoiser(train), at, reference, noise_level=CIRCLE_LEVEL)
        for name, verdict in zip(found, verdicts, strict=True):
            found[name].append(verdict.kind)
    expected = {"isolated": KINDS[0], "atom": KINDS[1], "typical": KINDS[2]}
    hits = {name: kinds.count(expected[name]) for name, kinds in found.items()}
    rows = tuple((name, expected[name], *_counts(kinds)) for name, kinds in found.items())
    lowest = min(wilson(count, repeats)[0] for count in hits.values())
    return (
        Table(
            "Kinds of memorization on a circle",
            ("training point", "expected", *KINDS),
            rows,
            f"{repeats} training sets of {CIRCLE_ROWS:,} points: von Mises with concentration "
            f"{CONCENTRATION:g} and an atom of {ATOM_SHARE:.0%}. Model: exact denoiser of the "
            f"training set, s = {CIRCLE_LEVEL}. Data: {REFERENCE_ROWS:,} other points of the law.",
        ),
        Claim(
            "A training point that the model alone makes an atom shows overfitting-driven, an atom "
            "of the data data-driven memorization (2411.00113).",
            ", ".join(
                f"{name}: {hits[name] / repeats:.2f} {expected[name]} "
                f"[{wilson(hits[name], repeats)[0]:.2f}, {wilson(hits[name], repeats)[1]:.2f}]"
                for name in found
            )
            + ".",
            "yes" if lowest > 0.5 else "no",
        ),
    )


def _counts(kinds: list[Kind]) -> tuple[str, ...]:
    counted = Counter(kinds)
    return tuple(f"{counted[kind] / len(kinds):.2f}" for kind in KINDS)


def _split(rng: np.random.Generator) -> tuple[Array, Array]:
    rows = digits().reshape(-1, 64)
    order = rng.permutation(len(rows))
    return rows[order[: len(rows) // 2]], rows[order[len(rows) // 2 :]]


def _digits(some: int, rng: np.random.Generator) -> tuple[Table, tuple[Claim, Claim]]:
    train, heldout = _split(rng)
    data = np.concatenate([train, heldout])
    copies = train[:some]
    models: dict[str, Denoiser] = {
        "training set itself": EmpiricalDenoiser(train),
        "kernels of .05": KernelSmoothedDenoiser(train, 0.05),
        "kernels of .15": KernelSmoothedDenoiser(train, 0.15),
        "linear, floor .01": LinearDenoiser.fit(train, 0.01),
    }
    places = {
        "training": copies,
        "copies under noise .05": copies + 0.05 * rng.normal(size=copies.shape),
        "held out": heldout[:some],
    }
    rows, less = [], {}
    for model, denoiser in models.items():
        for place, points in places.items():
            verdicts = memorization(denoiser, points, data)
            kinds = [verdict.kind for verdict in verdicts]
            less[model, place] = kinds.count("overfitting-driven")
            typical = float(np.median([verdict.model for verdict in verdicts]))
            rows.append((model, place, f"{typical:.3g}", *_counts(kinds)))
    memorizing = less["training set itself", "training"]
    honest, blurred = less["linear, floor .01", "training"], less["kernels of .15", "training"]
    return (
        Table(
            "Kinds of memorization on digits",
            ("model", "points", "FLIPD, median", *KINDS),
            tuple(rows),
            f"Shares of {some} digits. The model's dimension by FLIPD at a quarter of the distance "
            "between neighbours, the data's from 20 neighbours among all digits.",
        ),
        (
            Claim(
                "Where a model has learned training points by heart its dimension is less than the "
                "data's; where it generalizes it is not (2411.00113).",
                f"Overfitting-driven at training digits: {share_text(memorizing, some)} for the "
                f"training set's own denoiser, {share_text(honest, some)} for a linear one with a "
                "noise floor.",
                _agrees(memorizing, honest, some),
            ),
            Claim(
                "So is the dimension less for every model that reproduces its training set "
                "(our question).",
                f"Kernels of bandwidth .15 around every training digit, which are copies under "
                f"noise: {share_text(blurred, some)}. Below its bandwidth such a model has all "
                "dimensions.",
                "yes" if wilson(blurred, some)[0] > 0.5 else "no",
            ),
        ),
    )


def _agrees(memorizing: int, honest: int, some: int) -> Any:
    apart = wilson(memorizing, some)[0] > wilson(honest, some)[1]
    return "yes" if apart and wilson(memorizing, some)[0] > 0.5 else "partly" if apart else "no"


def _curves(some: int, levels: int, rng: np.random.Generator) -> tuple[Graph, Claim, Claim]:
    train, heldout = _split(rng)
    model = EmpiricalDenoiser(train)
    noise = rng.normal(size=(some, 64))
    places = {
        "training digits": train[:some],
        "copies, noise .02": train[:some] + 0.02 * noise,
        "copies, noise .05": train[:some] + 0.05 * noise,
        "held-out digits": heldout[:some],
    }
    s = np.geomspace(0.02, 3.0, levels)
    curves = {name: flipd(model, points, s) for name, points in places.items()}
    series = []
    for name, curve in curves.items():
        low, middle, high = np.quantile(curve.values, [0.25, 0.5, 0.75], axis=0)
        seen = middle >= DRAWN
        ends = tuple(zip(np.maximum(low, DRAWN)[seen].tolist(), high[seen].tolist(), strict=True))
        series.append(Series(name, tuple(s[seen].tolist()), tuple(middle[seen].tolist()), ends))
    near = curves["copies, noise .05"]
    h = 0.05 * np.linalg.norm(noise, axis=1)
    low = s < 0.1  # far below the distance between digits: one training point has all the weight
    relative = near.values[:, low] * s[low] ** 2 / h[:, None] ** 2
    worst = float(np.abs(relative - 1).max())
    marked = bool(near.diverging[:, low].all())
    smallest = near.values[:, 0]
    graph = Graph(
        "FLIPD of the digits' own denoiser",
        "Low at training digits: they are atoms of the model. Copies under noise rise like h²/s² "
        "below their distance h. Bars: quartiles over digits; what is below 0.01 is left out.",
        "noise level s, in units of a pixel's range",
        "FLIPD, dimensions",
        tuple(series),
        log_x=True,
        log_y=True,
    )
    return (
        graph,
        Claim(
            "At distance h from the model's manifold FLIPD adds h²/s² and diverges "
            "(this project's theory).",
            f"At copies under noise .05 (h about {h.mean():.2f}) FLIPD is h²/s² to a "
            f"relative {worst:.1g} at s below 0.1, {np.median(smallest):.0f} dimensions of 64 at "
            f"s = {s[0]:g}; these levels are {'all' if marked else 'not all'} marked as diverging.",
            "yes" if worst < 0.05 and marked else "no",
        ),
        _psi(model, train, heldout[:some]),
    )


def _psi(model: EmpiricalDenoiser, train: Array, points: Array) -> Claim:
    """The identity with the weighted squared distance, and what forgetting psi does to it."""
    psi, sigma = 0.8, 0.6
    squares = ((points[:, None] - train) ** 2).sum(axis=2) * (psi / sigma) ** 2
    weights = np.exp(-(squares - squares.min(axis=1, keepdims=True)) / 2)
    weights /= weights.sum(axis=1, keepdims=True)
    exact = (weights * squares).sum(axis=1)
    curve = flipd(model, points, [sigma / psi, sigma])
    worst = float(np.abs(curve.values[:, 0] - exact).max())
    return Claim(
        "With a schedule psi x + sigma eta FLIPD is that of the denoiser at sigma/psi; for a "
        "training set it is the weighted mean of |x − x_i|² over (sigma/psi)².",
        f"At the first held-out digit {curve.values[0, 0]:.4f} by the denoiser and {exact[0]:.4f} "
        f"by the sum, {curve.values[0, 1]:.4f} with psi = {psi:g} forgotten; largest difference "
        f"over {len(points)} digits {worst:.1g}.",
        "yes" if worst < 1e-4 < abs(curve.values[0, 1] - exact[0]) else "no",
    )


def _large(points: int, rng: np.random.Generator) -> tuple[Table, Claim]:
    union = _Union.of(LARGE_DIMENSIONS, LARGE, rng)
    levels = {"on the manifold": 0.0, "off it, noise s/2": 0.5 * FINE}
    rows, errors = [], {}
    for i, own in enumerate(LARGE_DIMENSIONS):
        on = union.draw(i, points, rng)
        for place, noise in levels.items():
            at = on + noise * rng.normal(size=on.shape)
            curve = flipd(union.denoiser, at, [FINE], rng=rng)
            spectral = spectral_dimension(union.denoiser, at, [FINE], rng=rng)
            errors[i, place] = (
                float(np.abs(curve.values - own).mean()),
                float(np.abs(spectral.values - own).mean()),
            )
            rows.append(
                (
                    str(own),
                    place,
                    f"{curve.values.mean():.1f} ± {curve.standard_errors.mean():.1f}",
                    f"{spectral.values.mean():.1f} ± {spectral.standard_errors.mean():.1f}",
                    f"{spectral.undecided.mean():.1f}",
                )
            )
    on_flipd, on_spectral, off_flipd, off_spectral = (
        float(np.mean([errors[i, place][k] for i in range(len(LARGE_DIMENSIONS))]))
        for place in levels
        for k in (0, 1)
    )
    return (
        Table(
            f"{LARGE:,} coordinates",
            ("truth", "points", "FLIPD", "spectral", "eigenvalues near the cut"),
            tuple(rows),
            f"Means over {points} points, ± the mean standard error of the random probes "
            f"(64 and 8), s = {FINE}. One law of three affine manifolds, exact denoiser.",
        ),
        Claim(
            "In high dimension noise in the many normal directions overwhelms existing estimates; "
            "the spectral dimension is robust to it (2605.01221).",
            f"Mean absolute error on the manifold: FLIPD {on_flipd:.1f}, spectral "
            f"{on_spectral:.1f}; under noise of s/2 a coordinate {off_flipd:.1f} and "
            f"{off_spectral:.1f}.",
            "yes"
            if off_spectral < off_flipd and on_spectral < on_flipd
            else "partly"
            if off_spectral < off_flipd
            else "no",
        ),
    )
