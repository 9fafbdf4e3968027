"""Memorization as too low a dimension: which kind, point by point.

Ross et al. 2024 (arXiv 2411.00113) call a point x of a model memorized when the model's local
intrinsic dimension there is too small:

    overfitting-driven   LID_model(x) < LID_data(x): the model has lost directions that data have;
    data-driven          LID_model(x) = LID_data(x), and LID_data(x) is itself low.

Made decidable here. *Less* means that the whole interval of the model's dimension lies below that
of the data's. For equal dimensions that is seldom so: two maximum-likelihood estimates from 20
neighbours have their 95% intervals apart, the model's below, in 0.3% of points
(`tests/auditing/metrics/test_geometry.py`); a model's value without an interval of its own lies
below the data's in 2.5%. *Equal* means that they overlap, or that the model's begins less than 1/2
above the data's: dimensions are whole numbers, and every estimate at a finite scale is off by a
fraction. *Low* is relative to the data set's own dimensions: the interval of LID_data(x) lies below
their median. Of points that are no lower than others, about half the intervals' level come out as
low. Without LID_data nothing can be told: a small dimension alone is either kind.

Both dimensions depend on the scale they are taken at. Arrays in, no model: `LocalDimension`s come
from `distances.dimension` (samples) or `lab.diffusion.dimension` (a denoiser).

*In an audit* the model is known by its samples: LID_model(t) is the maximum-likelihood dimension of
the generated rows around the training row t, LID_data(t) that of the real rows around it, t itself
left out, both from k = 20 neighbours. A generated row equal to t is an atom of the model, of
dimension 0; one much nearer than the others lowers it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from byheart.auditing.metrics.neighbour_tables import NeighbourTables
from byheart.distances.dimension import NEIGHBOURS, LocalDimension, from_distances
from byheart.distances.neighbours import two_way
from byheart.distances.rows import Chosen
from byheart.errors import InputError
from byheart.intervals import Interval

Kind = Literal["overfitting-driven", "data-driven", "not memorized", "cannot tell"]
KINDS: tuple[Kind, ...] = get_args(Kind)
AGREE = 0.5  # a fraction of a dimension is no difference
ROWS = 1000  # the most training rows that an audit looks at


@dataclass(frozen=True)
class PointVerdict:
    """The kind of memorization of one point, and the dimensions it rests on.

    typical: the median dimension of the data set, which "low" is relative to. data, data_interval
    and typical are None where the data's dimension is not known.
    """

    kind: Kind
    reason: str
    model: float
    model_interval: Interval
    data: float | None
    data_interval: Interval | None
    typical: float | None


def judge(
    model: LocalDimension,
    data: LocalDimension | None = None,
    population: LocalDimension | None = None,
    diverging: NDArray[np.bool_] | None = None,
) -> tuple[PointVerdict, ...]:
    """Return the verdict at each of m points.

    model, data: the two dimensions at these points, (m,); data None: not known. population: the
    data's dimension over the data set, whose median is typical; None takes `data`. diverging: (m,)
    True where the model's value is not to be read as a dimension (`DimensionCurve.diverging`).
    Raises InputError for different numbers of points. Source: Ross et al. 2024, made decidable in
    the module's introduction.

    >>> low, high = (LocalDimension(np.array([v]), np.array([[v - 1, v + 1]])) for v in (2.0, 9.0))
    >>> judge(low, high)[0].kind, judge(low, low, population=high)[0].kind, judge(low)[0].kind
    ('overfitting-driven', 'data-driven', 'cannot tell')
    """
    points = len(model.values)
    numbers = {
        "data": points if data is None else len(data.values),
        "diverging": points if diverging is None else len(diverging),
    }
    for name, found in numbers.items():
        if found != points:
            raise InputError(f"{name}: {found} points, and model has {points}; give the same")
    typical = None
    if data is not None:
        typical = float(np.median((data if population is None else population).values))
    return tuple(
        _point(model, data, typical, i, diverging is not None and bool(diverging[i]))
        for i in range(points)
    )


def _point(
    model: LocalDimension,
    data: LocalDimension | None,
    typical: float | None,
    i: int,
    diverging: bool,
) -> PointVerdict:
    value, interval = _read(model, i)
    if data is None or typical is None:
        reason = "the data's dimension is not known: a low dimension may be the data's own"
        return PointVerdict("cannot tell", reason, value, interval, None, None, None)
    theirs, (low, high) = _read(data, i)
    kind: Kind = "not memorized"
    if diverging:
        kind = "cannot tell"
        reason = "the point's distance to the model's manifold outweighs the noise level"
    elif interval[1] < low:
        kind = "overfitting-driven"
        reason = f"the model has dimension {value:.3g} where the data have {theirs:.3g}"
    elif interval[0] > high + AGREE:
        reason = (
            f"the model's dimension, {value:.3g}, is above the data's, {theirs:.3g}; copies under "
            "noise read like this too"
        )
    elif high < typical:
        kind = "data-driven"
        reason = f"the data themselves have dimension {theirs:.3g} here, typically {typical:.3g}"
    else:
        reason = f"the model has the data's dimension, {theirs:.3g}, which is not low"
    return PointVerdict(kind, reason, value, interval, theirs, (low, high), typical)


def _read(dimension: LocalDimension, i: int) -> tuple[float, Interval]:
    low, high = dimension.intervals[i]
    return float(dimension.values[i]), (float(low), float(high))


def around_training(
    tables: NeighbourTables, level: float, rng: np.random.Generator
) -> tuple[LocalDimension, LocalDimension] | None:
    """Return the dimension of G and of R around at most 1,000 random training rows.

    None where either set has fewer than 3 neighbours to offer. Cost: one product of at most
    1,000 x m values.

    >>> from byheart.distances.neighbours import within
    >>> rng = np.random.default_rng(0)
    >>> real, training = rng.normal(size=(80, 3)), np.arange(80) < 40
    >>> made = real[:40]
    >>> tables = NeighbourTables(made, real, training, two_way(made, real), within(real))
    >>> copies, data = around_training(tables, 0.05, rng)
    >>> float(copies.values.max()), bool(data.values.min() > 1)
    (0.0, True)
    """
    generated, own = tables.generated, tables.among_real.distances
    k = min(NEIGHBOURS, own.shape[1], len(generated))
    if k < 3:
        return None
    rows = rng.permutation(np.flatnonzero(tables.training))[:ROWS]
    around = Chosen(tables.real, rows)
    made = two_way(around, generated, k, max_memory=tables.max_memory).forward.distances
    return from_distances(made, level), from_distances(own[rows, :k], level)
