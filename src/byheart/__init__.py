"""byheart: has a generative model learned its training data by heart?

`byheart.audit(train, heldout, generated)` gives a verdict with an exact p-value. Names are loaded
on first use, so that importing the package stays fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from byheart.errors import ByheartError, InputError, MissingExtraError, UsageError

if TYPE_CHECKING:
    from byheart.auditing.protocol import audit
    from byheart.auditing.result import AuditResult
    from byheart.monitoring.monitor import MemorizationMonitor

__version__ = "0.1.0"
__all__ = [
    "AuditResult",
    "ByheartError",
    "InputError",
    "MemorizationMonitor",
    "MissingExtraError",
    "UsageError",
    "audit",
]

_HOMES = {
    "audit": "byheart.auditing.protocol",
    "AuditResult": "byheart.auditing.result",
    "MemorizationMonitor": "byheart.monitoring.monitor",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'byheart' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
