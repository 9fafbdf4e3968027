"""What the report shows: copied pairs, held-out near misses, and curves thin enough to draw."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from byheart.auditing.membership import membership_curve
from byheart.auditing.pool import Distances, Points, Pool
from byheart.auditing.result import Copies, Evidence, Match, Untested
from byheart.auditing.sets import Sets
from byheart.distances.rows import extent
from byheart.samples import Encoded, Role, Samples

SHOWN_MATCHES = 24
CURVE_POINTS = 512


def gather(
    copies: Copies,
    points: Points,
    pool: Pool,
    distances: Distances,
    encoded: Encoded,
    sets: Sets,
) -> Evidence:
    """Collect the evidence of one audit that has a held-out set.

    Training matches are the listed pairs, or the closest ones when none is listed; held-out
    matches are the closest ones.
    """
    assert sets.heldout is not None
    pairs = copies.pairs[:SHOWN_MATCHES]
    train_rows = encoded.display_rows("train", [p.train_index for p in pairs])
    copied_by = encoded.display_rows("generated", [p.generated_index for p in pairs])
    train_matches = tuple(
        Match(real, made, p.train_name or "", p.generated_name or "", p.distance, p.q_value)
        for p, real, made in zip(pairs, train_rows, copied_by, strict=True)
    )

    def closest(role: Role, samples: Samples, members: NDArray[np.bool_]) -> tuple[Match, ...]:
        units = np.flatnonzero(members)
        units = units[np.argsort(points.scores.distance[units], kind="stable")][:SHOWN_MATCHES]
        rows = points.row[units]
        real = [pool.set_index(int(row)) for row in rows]
        made = [int(g) for g in distances.table.backward.indices[rows, 0]]
        return tuple(
            Match(shown, copy, samples.row_name(i), sets.generated.row_name(g), float(s), None)
            for shown, copy, i, g, s in zip(
                encoded.display_rows(role, real),
                encoded.display_rows("generated", made),
                real,
                made,
                points.scores.distance[units],
                strict=True,
            )
        )

    return Evidence(
        sample_kind=encoded.kind,
        columns=encoded.columns,
        value_range=extent(encoded.train),
        train_matches=train_matches or closest("train", sets.train, points.training),
        heldout_matches=closest("heldout", sets.heldout, ~points.training),
        train_distances=_thinned(points.train_distance),
        heldout_distances=_thinned(points.heldout_distance),
        membership_curve=_thinned_curve(points),
    )


def untested(listed: Untested, distances: Distances, encoded: Encoded) -> Evidence:
    """Collect the closest pairs of an audit without a held-out set, as `gather` does."""
    shown = listed.closest[:SHOWN_MATCHES]
    real = encoded.display_rows("train", [row.train_index for row in shown])
    made = encoded.display_rows("generated", [row.generated_index for row in shown])
    return Evidence(
        sample_kind=encoded.kind,
        columns=encoded.columns,
        value_range=extent(encoded.train),
        train_matches=tuple(
            Match(a, b, row.train_name or "", row.generated_name or "", row.distance, None)
            for row, a, b in zip(shown, real, made, strict=True)
        ),
        heldout_matches=(),
        train_distances=_thinned(distances.table.backward.distances[:, 0]),
        heldout_distances=np.zeros(0),
        membership_curve=np.zeros((0, 2)),
    )


def _thinned(values: NDArray[np.float64]) -> NDArray[np.float64]:
    ordered = np.sort(values)
    if len(ordered) <= CURVE_POINTS:
        return ordered
    return np.asarray(np.quantile(ordered, np.linspace(0, 1, CURVE_POINTS)))


def _thinned_curve(points: Points) -> NDArray[np.float64]:
    """Keep points evenly spread on the log axis of the false-positive rate, and both ends."""
    curve = membership_curve(points.train_distance, points.heldout_distance)
    if len(curve) <= CURVE_POINTS:
        return curve
    ranks = np.geomspace(1, len(curve), CURVE_POINTS // 2).astype(int) - 1
    evenly = np.linspace(0, len(curve) - 1, CURVE_POINTS // 2).astype(int)
    return np.asarray(curve[np.unique(np.concatenate([ranks, evenly]))])
