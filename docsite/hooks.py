"""MkDocs asks here for the pages of the reference, so that none can go stale."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages to those that were written."""
    from mkdocs.structure.files import File

    sys.path[:0] = [str(ROOT), str(ROOT / "src")]  # here: MkDocs undoes it after loading hooks
    from docsite.pages import generated

    for path, text in generated().items():
        files.append(File.generated(config, path, content=text))
    return files
