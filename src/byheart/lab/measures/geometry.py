"""A model and its data in one place: which kind of memorization each point shows.

The model's dimension is FLIPD at one noise level s, with s/2 and s/4 to see whether the point lies
off the model's manifold; the data's is the maximum-likelihood one from the nearest rows of a
reference set, the point itself left out. Both have a scale. The data's is the distance to the 20th
neighbour, which the data dictate. The model's is ours to choose: at s well below the distance
between neighbours a model that has learned its points by heart is made of atoms, so s is a quarter
of the median distance between nearest reference rows unless told.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from byheart import _check
from byheart.auditing.metrics.geometry import PointVerdict, judge
from byheart.distances.dimension import NEIGHBOURS, LocalDimension, from_distances
from byheart.distances.neighbours import two_way, within
from byheart.errors import InputError
from byheart.lab.diffusion import Denoiser
from byheart.lab.diffusion.dimension import flipd

SHARE = 0.25  # of the distance between neighbours: the noise level


def memorization(
    denoiser: Denoiser,
    points: Any,
    reference: Any = None,
    *,
    noise_level: float | None = None,
    level: float = 0.05,
    rng: np.random.Generator | None = None,
) -> tuple[PointVerdict, ...]:
    """Return which kind of memorization `denoiser` shows at each of `points`, (m, d).

    reference: (n, d) rows of the data's law, best with held-out rows among them; rows equal to a
    point count as the point itself once. None: the data's dimension is not known, and the answer is
    "cannot tell". noise_level: in the data's units; None takes it from the reference, which is then
    needed. level: of the intervals. rng: for d above 256. Raises InputError and UsageError as
    `flipd` and `maximum_likelihood` do. Source: Ross et al. 2024, arXiv 2411.00113, as
    `auditing.metrics.geometry` makes it decidable.

    >>> from byheart.lab.diffusion import EmpiricalDenoiser
    >>> data = np.random.default_rng(0).normal(size=(300, 4))
    >>> found = memorization(EmpiricalDenoiser(data[:150]), data[:5], data)
    >>> {point.kind for point in found}
    {'overfitting-driven'}
    """
    rows = _check.float64_matrix(points, "points")
    if reference is None:
        if noise_level is None:
            raise InputError("reference: without it there is no scale; pass noise_level too")
        model, diverging = _model(denoiser, rows, noise_level, level, rng)
        return judge(model, diverging=diverging)
    data = _check.float64_matrix(reference, "reference")
    among = within(data, NEIGHBOURS).distances
    if noise_level is None:
        noise_level = SHARE * float(np.median(among[:, 0]))
        if noise_level == 0:
            raise InputError(
                "reference: most rows have an equal twin, so there is no scale; pass noise_level"
            )
    model, diverging = _model(denoiser, rows, noise_level, level, rng)
    own = around(rows, data, level)
    return judge(model, own, from_distances(among, level), diverging)


def around(points: Any, reference: Any, level: float = 0.05) -> LocalDimension:
    """Return the data's dimension at `points`, one reference row equal to each left out.

    >>> data = np.random.default_rng(0).normal(size=(300, 2))
    >>> bool(np.allclose(around(data[:9], data).values, from_distances(
    ...     within(data, 20).distances[:9]).values))
    True
    """
    near = two_way(points, reference, NEIGHBOURS + 1).forward.distances
    itself = near[:, :1] == 0
    return from_distances(np.where(itself, near[:, 1:], near[:, :-1]), level)


def _model(
    denoiser: Denoiser,
    rows: Any,
    noise_level: float,
    level: float,
    rng: np.random.Generator | None,
) -> tuple[LocalDimension, Any]:
    s = _check.positive(noise_level, "noise_level")
    curve = flipd(denoiser, rows, [s / 4, s / 2, s], rng=rng)
    return curve.at(s, level), curve.diverging[:, 2]
