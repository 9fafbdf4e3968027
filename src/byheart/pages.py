"""What is written of a result, by name: the package's root says who writes it.

A result keeps its methods `to_json` and `to_html` without knowing the report, which stands above
it: the method asks here by its own name, and the root, which knows every room, has filled in
where the writer stands. A writer is imported on its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

WRITERS: dict[str, str] = {}  # "Class.method" -> "module:function"


def call(method: str, *arguments: Any) -> Any:
    """Return what the writer registered for "Class.method" returns for these arguments."""
    module, name = WRITERS[method].split(":")
    return getattr(import_module(module), name)(*arguments)
