"""Local intrinsic dimension of a model from its denoiser: FLIPD and the normal bundle.

Symbols: y = x + s eta is a point x with noise of level s, m = E[x | y], J = dm/dy (`jacobians`),
score = (m - y)/s^2 (Tweedie). All at the point asked for, y, and variance exploding.

*FLIPD* (Kamkari et al. 2024, arXiv 2406.03537). log rho_s(y) falls like (d - D) log s in D
dimensions near a manifold of dimension d, and the heat equation gives that slope from one score:
d log rho_s/d log s = s^2 (tr grad score + |score|^2). Hence the dimension D + s^2 (...), and with
grad score = (J - I)/s^2

    FLIPD(y; s) = tr J + |m - y|^2/s^2.

For an exact posterior J = Cov(x | y)/s^2, so FLIPD = E[|x - y|^2 | y]/s^2: the mean squared
distance, in units of s^2, of the clean points that y may come from. A schedule that also shrinks,
y' = psi x + sigma eta, has the same value at y = y'/psi and s = sigma/psi, not s = sigma.

*Where it fails.* The first term lies between 0 and D. The second is h^2/s^2 for a point at distance
h from the manifold: it diverges as s falls, and a near copy reads as high dimension. |m - y| falls
to h with s (for a Gaussian prior it is s^2 |z|/(lam + s^2), rising in s), so its least value over a
curve is taken for h, and the levels s < h are marked `diverging`: h alone adds more than 1 there.
A curve that does not reach down to small s takes the data's spread for a distance.

*Normal bundle* (Stanczuk et al. 2024, arXiv 2212.12611). Scores at K = 4D noisy versions of the
point span the normal space as s falls: the rows s score(y + s eta_k)/sqrt(K) have singular values
of order 1 along normals and s^2/(lam + s^2) along a tangent with variance lam. With K = 4D random
rows the first lie above 1 - sqrt(1/4) = 1/2 (Marchenko and Pastur). Two rules: "gap", the paper's,
cuts at the largest difference of consecutive singular values, and so never answers 0 or D;
"threshold" counts those below 1/4 as tangents.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from byheart import _check
from byheart.distances.dimension import LocalDimension
from byheart.errors import UsageError
from byheart.lab.diffusion.denoisers import Denoiser, check_query
from byheart.lab.diffusion.jacobians import hutchinson, traces

Array = NDArray[np.float64]

EXACT_DIMENSION = 256  # the trace is taken from all columns up to here, else from probes
PROBES = 64
TANGENT = 0.25  # singular values below it are tangents, with the rule "threshold"
RULES = ("gap", "threshold")


@dataclass(frozen=True)
class DimensionCurve:
    """FLIPD at m points over k noise levels.

    noise_levels: (k,). values, standard_errors and residuals: (m, k). standard_errors: of a
    randomised trace, 0 where it is exact. probes: behind each, 0 where it is exact. residuals:
    |m - y|, in the data's units.
    """

    noise_levels: Array
    values: Array
    standard_errors: Array
    residuals: Array
    probes: int

    @property
    def distances(self) -> Array:
        """The points' distances h to the model's manifold, (m,): their least residuals."""
        return np.asarray(self.residuals.min(axis=1))

    @property
    def diverging(self) -> NDArray[np.bool_]:
        """Levels below h, (m, k), where h alone adds more than 1: not to be read as dimensions."""
        return np.asarray(self.noise_levels < self.distances[:, None])

    def at(self, noise_level: float, level: float = 0.05) -> LocalDimension:
        """Return the values at one of the noise levels; intervals are of the randomised trace.

        They are Student's t; for an exact trace both ends are the value. Raises UsageError for a
        level that the curve does not hold.
        """
        found = np.flatnonzero(self.noise_levels == noise_level)
        if len(found) == 0:
            raise UsageError(
                f"noise_level {noise_level!r} is not on the curve; choose one of "
                f"{', '.join(f'{s:g}' for s in self.noise_levels)}"
            )
        values, errors = self.values[:, found[0]], self.standard_errors[:, found[0]]
        width = float(stdtrit(self.probes - 1, 1 - level / 2)) if self.probes else 0.0
        ends = np.column_stack([values - width * errors, values + width * errors])
        return LocalDimension(values.copy(), ends)


@dataclass(frozen=True)
class NormalBundle:
    """Dimension of the space that the scores around each point leave out.

    dimensions: (m,). singular_values: (m, D), descending, about 1 along normals (module's
    introduction). rule: "gap" or "threshold".
    """

    noise_level: float
    rule: Literal["gap", "threshold"]
    dimensions: NDArray[np.int64]
    singular_values: Array


def flipd(
    denoiser: Denoiser,
    points: Array,
    noise_levels: Sequence[float] | Array,
    *,
    probes: int | None = None,
    rng: np.random.Generator | None = None,
) -> DimensionCurve:
    """Return FLIPD at `points`, (m, D), over noise levels in the data's units.

    probes: None takes the exact trace up to D = 256 (2 m D values of `mean` a level) and 64 random
    probes beyond; a number p >= 2 takes p probes (2 m p values), the same at all levels. rng: draws
    the probes. Raises UsageError for points of another shape, levels that are not above 0, or
    probes without rng. Source: Kamkari et al. 2024, arXiv 2406.03537; the module's introduction.

    >>> from byheart.lab.diffusion import EmpiricalDenoiser
    >>> curve = flipd(EmpiricalDenoiser([[0.0, 0.0], [1.0, 0.0]]), [[0.1, 0.0]], [0.02, 0.1])
    >>> curve.values.round(3), curve.diverging
    (array([[25.,  1.]]), array([[ True, False]]))
    """
    levels = positive_levels(noise_levels)
    y, _ = check_query(denoiser, points, float(levels[0]))
    signs = probe_signs(y, probes, PROBES, rng)
    values, errors, residuals = np.empty((3, len(y), len(levels)))
    for i, s in enumerate(levels):
        if signs is None:
            trace, error = traces(denoiser, y, s), np.zeros(len(y))
        else:
            trace, error = hutchinson(denoiser, y, s, signs)
        residual = np.linalg.norm(denoiser.mean(y, s) - y, axis=1)
        values[:, i], errors[:, i] = trace + (residual / s) ** 2, error
        residuals[:, i] = residual
    return DimensionCurve(levels, values, errors, residuals, 0 if signs is None else signs.shape[1])


def normal_bundle(
    denoiser: Denoiser,
    points: Array,
    noise_level: float,
    rng: np.random.Generator,
    *,
    rule: Literal["gap", "threshold"] = "gap",
) -> NormalBundle:
    """Return the codimension of 4D scores around each of `points`, (m, D), taken from D.

    rule: "gap" (the paper's) or "threshold" (singular values below 1/4 are tangents). Costs 4 m D
    values of `mean` and O(D^3) a point. Raises UsageError as `flipd` does, and for another rule.
    Source: Stanczuk et al. 2024, arXiv 2212.12611; the module's introduction.

    >>> from byheart.lab.diffusion import GaussianDenoiser
    >>> plane = GaussianDenoiser(np.zeros(3), np.diag([1.0, 1.0, 0.0]))
    >>> normal_bundle(plane, np.zeros((1, 3)), 0.01, np.random.default_rng(0)).dimensions
    array([2])
    """
    _check.choice(rule, "rule", RULES)
    y, s = check_query(denoiser, points, noise_level)
    d = denoiser.dimension
    if d < 2:
        raise UsageError("the normal bundle needs at least 2 coordinates; take flipd")
    singular_values = np.empty((len(y), d))
    for i, point in enumerate(y):
        noisy = point + s * rng.standard_normal((4 * d, d))
        scores = (denoiser.mean(noisy, s) - noisy) / (s * math.sqrt(4 * d))
        singular_values[i] = np.linalg.svd(scores, compute_uv=False)
    if rule == "gap":
        normals = np.argmax(singular_values[:, :-1] - singular_values[:, 1:], axis=1) + 1
    else:
        normals = (singular_values >= TANGENT).sum(axis=1)
    return NormalBundle(s, rule, d - normals, singular_values)


def positive_levels(noise_levels: Sequence[float] | Array) -> Array:
    """Return noise levels as an array (k,), or raise UsageError."""
    levels = np.atleast_1d(np.asarray(noise_levels, dtype=np.float64))
    if levels.ndim != 1 or len(levels) == 0:
        raise UsageError(f"noise_levels must be a list of numbers, got shape {levels.shape}")
    for s in levels:
        _check.positive(float(s), "noise_levels")
    return levels


def probe_signs(
    points: Array, probes: int | None, usual: int, rng: np.random.Generator | None
) -> Array | None:
    """Return independent signs, (m, p, D), for points (m, D); None where no probe is needed.

    probes: p, or None for `usual` ones beyond D = 256 and none up to there. Raises UsageError for
    fewer than 2 probes, or without a generator.
    """
    m, d = points.shape
    if probes is None:
        if d <= EXACT_DIMENSION:
            return None
        probes = usual
    shape = (m, _check.integer(probes, "probes", 2), d)
    if rng is None:
        raise UsageError("random probes need a generator; pass rng=np.random.default_rng(0)")
    return 2 * rng.integers(0, 2, size=shape).astype(np.float64) - 1
