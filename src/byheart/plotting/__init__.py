"""Every chart of byheart, drawn once: for the report, the docs and notebooks.

Each function returns an altair chart that shows itself in a notebook; `svg` renders one as text.
A chart's title says what is drawn, its subtitle which direction means memorization, and its
description what the data say, in words. No chart needs colour to be read: lines differ in dash
and in the shape of their points as well.
"""

from byheart.plotting.audit import delta_chart, distance_chart, membership_chart, power_chart
from byheart.plotting.comparison import comparison_chart
from byheart.plotting.graph import graph_chart
from byheart.plotting.interactive import interactive
from byheart.plotting.monitor import monitor_chart
from byheart.plotting.style import COLOURS, svg
from byheart.plotting.theory import theory_chart
from byheart.plotting.transition import transition_chart

__all__ = [
    "COLOURS",
    "comparison_chart",
    "delta_chart",
    "distance_chart",
    "graph_chart",
    "interactive",
    "membership_chart",
    "monitor_chart",
    "power_chart",
    "svg",
    "theory_chart",
    "transition_chart",
]
