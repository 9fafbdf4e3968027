"""What a sweep shows, over n or over a parameter: its page, its lines in a terminal, its advice.

Every function takes both results of `lab.transition.analysis` and chooses by their kind.
"""

from byheart.report.transition.advice import next_steps
from byheart.report.transition.page import summary_html, write_html
from byheart.report.transition.terminal import render

__all__ = ["next_steps", "render", "summary_html", "write_html"]
