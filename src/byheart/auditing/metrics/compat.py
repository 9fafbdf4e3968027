"""Figures of other packages under their own conventions, for comparison with published numbers.

dgm-eval (Stein et al. 2023, arXiv 2306.04675), on float feature vectors, `dgm_eval`:

* authpct in percent, over T alone; ties are not authentic;
* precision, recall, density, coverage against T with open balls: on the sphere is outside;
* ct: cells of k-means (3, ten starts, its random state is not fixed there) on T, after 64 principal
  components of T if d > 64; in each cell z with half a unit of continuity, (U - m h/2 + 1/2)/sd;
  the mean weighted by H's share, over cells with more than 20 generated rows;
* vendi of all generated rows divided by their length.

SDMetrics, on rows of a table, `sdmetrics`:

* distance = mean over columns of |x - y|/range, at most 1, with the range of the set that is
  searched (of T for T, of H for H; where the range is 0: 1 if they differ), or of "is another
  category"; a missing value equals a missing value and differs from everything else by 1;
* DCROverfittingProtection: min(1, 2 (1 - share of g nearer to T)); ties count for H;
* NewRowSynthesis: share of g that no row of T matches, every category equal and every number
  within 1% of g's own value.

The audit's own metrics (`metrics`) follow the papers. Nothing here is on the audit's path.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart import _check
from byheart.auditing.membership import area_under_curve
from byheart.auditing.metrics.further import BALL_NEIGHBOURS, vendi
from byheart.distances.neighbours import two_way, within
from byheart.errors import InputError

Floats = NDArray[np.float64]
_CELLS, _COMPONENTS, _LEAST = 3, 64, 20  # of ct
_TOLERANCE = 0.01  # of NewRowSynthesis


def dgm_eval(
    train: Any, heldout: Any, generated: Any, *, k: int = BALL_NEIGHBOURS, seed: int = 0
) -> dict[str, float]:
    """Return authpct, ct, precision, recall, density, coverage and vendi as dgm-eval has them.

    train (n, d), heldout (h, d), generated (m, d); k of the balls; seed of the cells of ct, which
    with `numpy.random.seed(seed)` before dgm-eval are the same. Time: n m d. Raises InputError for
    unusable arrays and for cells without a training or held-out row.

    >>> rng = np.random.default_rng(0)
    >>> train, heldout = rng.normal(size=(2, 90, 2))
    >>> dgm_eval(train, heldout, train + 1e-3)["authpct"]
    0.0
    """
    train, heldout, generated = _rows(train, heldout, generated)
    k = _check.integer(k, "k", 1, min(len(train), len(generated)) - 1)
    return {
        "authpct": _authpct(train, generated),
        "ct": _cells_ct(train, heldout, generated, seed),
        **_prdc(train, generated, k),
        "vendi": vendi(generated),
    }


def sdmetrics(
    train: Any, heldout: Any, generated: Any, *, categorical: Sequence[int] = ()
) -> dict[str, float]:
    """Return DCROverfittingProtection, its share nearer to T, and NewRowSynthesis, of SDMetrics.

    train (n, d), heldout (h, d), generated (m, d): numbers, NaN where a value is missing;
    categorical: columns whose numbers are codes of categories (booleans too). SDMetrics' own
    subsampling is left out, as it is by default there. Time: m (n + h) d. Raises InputError for
    unusable arrays.

    >>> found = sdmetrics([[0.0], [1.0]], [[0.4], [0.9]], [[0.1], [0.5]])
    >>> found["closer_to_training"], found["DCROverfittingProtection"]
    (0.5, 1.0)
    """
    train, heldout, generated = _rows(train, heldout, generated, missing=True)
    codes = np.zeros(train.shape[1], bool)
    codes[[_check.integer(c, "categorical", 0, train.shape[1] - 1) for c in categorical]] = True
    nearer = _closest(generated, train, codes) < _closest(generated, heldout, codes)
    share = float(nearer.mean())
    return {
        "DCROverfittingProtection": min(1.0, 2 * (1 - share)),
        "closer_to_training": share,
        "NewRowSynthesis": float(1 - np.mean([_matched(g, train, codes) for g in generated])),
    }


def _rows(*sets: Any, missing: bool = False) -> list[Floats]:
    roles = ("train", "heldout", "generated")
    if missing:
        found = [np.asarray(x, np.float64) for x in sets]
        for x, role in zip(found, roles, strict=True):
            _check.matrix(np.nan_to_num(x), role)
    else:
        found = [
            _check.matrix(x, role).astype(np.float64) for x, role in zip(sets, roles, strict=True)
        ]
    if len({x.shape[1] for x in found}) > 1:
        shapes = ", ".join(f"{role} {x.shape}" for x, role in zip(found, roles, strict=True))
        raise InputError(f"the sets differ in their number of columns ({shapes}); pass equal ones")
    return found


def _authpct(train: Floats, generated: Floats) -> float:
    nearest = two_way(generated, train, 1).forward
    own = within(train, 1).distances[nearest.indices[:, 0], 0]
    return float(100 * np.mean(own < nearest.distances[:, 0]))


def _prdc(train: Floats, generated: Floats, k: int) -> dict[str, float]:
    ours, made = within(train, k).distances[:, -1], within(generated, k).distances[:, -1]
    holding = np.zeros(len(generated), np.int64)  # balls around training rows
    covered, recalled = np.zeros((2, len(train)), bool)
    for i, row in enumerate(train):
        distances = np.linalg.norm(generated - row, axis=1)
        inside = distances < ours[i]
        holding += inside
        covered[i], recalled[i] = inside.any(), (distances < made).any()
    return {
        "precision": float((holding > 0).mean()),
        "recall": float(recalled.mean()),
        "density": float(holding.mean() / k),
        "coverage": float(covered.mean()),
    }


def _cells_ct(train: Floats, heldout: Floats, generated: Floats, seed: int) -> float:
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    state = np.random.RandomState(_check.integer(seed, "seed", 0))  # as dgm-eval
    if train.shape[1] > _COMPONENTS:
        plane = PCA(_COMPONENTS, random_state=state).fit(train)
        train, heldout, generated = (plane.transform(x) for x in (train, heldout, generated))
    cells = KMeans(_CELLS, n_init=10, random_state=state).fit(train)
    label = [cells.predict(x) for x in (train, heldout, generated)]
    scores, weights = [], []
    for cell in range(_CELLS):
        t, h, g = (
            x[own == cell] for x, own in zip((train, heldout, generated), label, strict=True)
        )
        if len(t) == 0 or len(h) == 0:
            raise InputError(
                f"cell {cell} of ct has no training or no held-out row; pass more rows"
            )
        if len(g) > _LEAST:
            scores.append(_z(g, h, t))
            weights.append(len(h))
    return float(np.average(scores, weights=weights)) if scores else float("nan")


def _z(generated: Floats, heldout: Floats, train: Floats) -> float:
    made, kept = (
        two_way(np.ascontiguousarray(x), np.ascontiguousarray(train), 1).forward.distances[:, 0]
        for x in (generated, heldout)
    )
    m, h = len(made), len(kept)
    u = m * h * (1 - area_under_curve(made, kept))
    return float((u - m * h / 2 + 0.5) / np.sqrt(m * h * (m + h + 1) / 12))


def _closest(generated: Floats, real: Floats, codes: NDArray[np.bool_]) -> Floats:
    """Return the smallest mean difference over the columns of each generated row, (m,)."""
    with np.errstate(invalid="ignore"):
        present = np.isfinite(real)
        width = np.where(present, real, -np.inf).max(axis=0) - np.where(present, real, np.inf).min(
            axis=0
        )
    out = np.empty(len(generated))
    for i, row in enumerate(generated):
        gap = np.abs(real - row)
        scaled = np.where(
            width > 0, np.minimum(gap / np.where(width > 0, width, 1.0), 1.0), gap > 0
        )
        scaled[:, codes] = gap[:, codes] > 0
        scaled[np.isnan(real) != np.isnan(row)] = 1.0
        scaled[np.isnan(real) & np.isnan(row)] = 0.0
        out[i] = scaled.mean(axis=1).min()
    return out


def _matched(row: Floats, train: Floats, codes: NDArray[np.bool_]) -> bool:
    with np.errstate(invalid="ignore"):
        equal = np.abs(train - row) <= np.where(codes, 0.0, np.abs(_TOLERANCE * row))
    equal |= np.isnan(train) & np.isnan(row)
    return bool(equal.all(axis=1).any())
