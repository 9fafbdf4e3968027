"""The graph of the three phases over n, for a transition's page and for reproductions."""

from __future__ import annotations

from byheart.lab.transition.phase_curve import MeanShare, PhaseCurve
from byheart.plotting.graph import Graph, Series


def phase_graph(curve: PhaseCurve, title: str) -> Graph:
    """Return the three shares over n as a graph.

    >>> from byheart.lab.transition.phase_curve import PhasePoint
    >>> from byheart.lab.transition.scales import Scale
    >>> point = PhasePoint(8, 1, MeanShare(1.0, None), MeanShare(0.0, None), MeanShare(0.0, None))
    >>> curve = PhaseCurve((point,), Scale(None, (0.0, 9.0)), point.spurious, point.spurious,
    ...                    False, 0)
    >>> [series.name for series in phase_graph(curve, "Phases").series]
    ['memorized', 'spurious', 'generalized']
    """
    points = curve.points
    series = []
    for name in ("memorized", "spurious", "generalized"):
        shares: list[MeanShare] = [getattr(point, name) for point in points]
        known = [share.interval or (share.value, share.value) for share in shares]
        series.append(
            Series(
                name,
                tuple(float(point.n) for point in points),
                tuple(share.value for share in shares),
                tuple(known) if any(share.interval for share in shares) else None,
            )
        )
    return Graph(
        title,
        "Memorized samples lie at a training point, spurious ones at each other, away from it.",
        "training points n",
        "share of samples",
        tuple(series),
        log_x=True,
    )
