"""byheart: has a generative model learned its training data by heart?

`byheart.audit(train, heldout, generated)` gives a verdict with an exact p-value. Names are loaded
on first use, so that importing the package stays fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from byheart import pages
from byheart._version import __version__
from byheart.errors import ByheartError, InputError, MissingExtraError, UsageError

if TYPE_CHECKING:
    from byheart.auditing.protocol import audit
    from byheart.auditing.result import AuditResult
    from byheart.monitoring.monitor import MemorizationMonitor

__all__ = [
    "AuditResult",
    "ByheartError",
    "InputError",
    "MemorizationMonitor",
    "MissingExtraError",
    "UsageError",
    "__version__",
    "audit",
]

_HOMES = {
    "audit": "byheart.auditing.protocol",
    "AuditResult": "byheart.auditing.result",
    "MemorizationMonitor": "byheart.monitoring.monitor",
}

pages.WRITERS.update(
    {
        "AuditResult.to_json": "byheart.report.document:write_json",
        "AuditResult.to_html": "byheart.report.page:write_html",
        "AuditResult.plot": "byheart.report.page:main_chart",
        "AuditResult.__str__": "byheart.report.terminal:summary",
        "AuditResult._repr_html_": "byheart.report.page:summary_html",
        "TransitionResult._repr_html_": "byheart.report.transition:summary_html",
    }
)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'byheart' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
