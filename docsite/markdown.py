"""A docstring as Markdown: doctests become code blocks, `<` and `|` stay what they are."""

from __future__ import annotations

import inspect
import re

_CODE = re.compile(r"(`[^`]*`)")
_PAGE = re.compile(r"docs/explanation/([\w-]+)\.md")


def docstring(text: str) -> str:
    """Return a docstring as Markdown.

    >>> docstring("Twice x.\\n\\n>>> 2 * 3\\n6").splitlines()
    ['Twice x.', '', '```python', '>>> 2 * 3', '6', '```']
    """
    out: list[str] = []
    code = False
    for line in inspect.cleandoc(text).splitlines():
        if line.startswith(">>>") and not code:
            if out and out[-1]:
                out.append("")
            out.append("```python")
            code = True
        elif code and not line.strip():
            out.append("```")
            code = False
        indented = line.startswith("    ")
        if not code and indented and out and out[-1] and not out[-1].startswith("    "):
            out.append("")
        out.append(line if code or indented else escaped(line))
    if code:
        out.append("```")
    return "\n".join(out)


def escaped(line: str) -> str:
    """Escape what Markdown or HTML would take for markup, outside of code.

    >>> escaped("a < b, x * y, `c < d`, theta_1, f[i](x)")
    'a &lt; b, x \\\\* y, `c < d`, theta_1, f\\\\[i](x)'
    """
    parts = _CODE.split(line)
    for i in range(0, len(parts), 2):
        words = re.sub(r"^(\s*)\* ", "\\1\0 ", parts[i]) if i == 0 else parts[i]
        words = words.replace("&", "&amp;").replace("<", "&lt;").replace("[", "\\[")
        words = words.replace("*", "\\*").replace("\0", "*")
        parts[i] = _PAGE.sub(r"[explanation/\1](../explanation/\1.md)", words)
    return "".join(parts)
