"""The one script of a page: Vega, the few lines that put charts into the place of drawings, and
those that find, sort and enlarge pairs.

The specifications stand in a block of JSON, which no browser runs, with every `<` written as
an escape, so no text of the data can close it. The script itself is the same in every page; the
page's policy names its hash, and nothing else may run. Vega interprets expressions (`ast`) and
needs no eval.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markupsafe import Markup

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
PARTS = [Path(__file__).with_name("templates") / name for name in ("charts.js", "pairs.js")]


@dataclass(frozen=True)
class Script:
    """What a page with interactive charts needs: policy, data block and code."""

    policy: str
    data: Markup
    code: Markup


def script(specifications: Mapping[str, Any]) -> Script | None:
    """Return the script for charts by the name of their figure; None if there are none."""
    from markupsafe import Markup

    if not specifications:
        return None
    code, digest = _code()
    return Script(
        policy=f"{POLICY}; script-src 'sha256-{digest}'",
        data=Markup(as_data(specifications)),
        code=Markup(code),
    )


def as_data(value: Any) -> str:
    r"""Return `value` as JSON that is text inside of any element.

    >>> as_data({"name": "</script>"})
    '{"name":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


@cache
def _code() -> tuple[str, str]:
    """Return the code, in a scope of its own, and its hash in base64."""
    import vl_convert

    bundle = vl_convert.javascript_bundle("\n".join(part.read_text("utf-8") for part in PARTS))
    # Inside of strings and expressions, the only places for it, this means the same.
    bundle = re.sub(r"<(?=/script|!--)", r"\\x3c", bundle, flags=re.IGNORECASE)
    code = "(() => {\n" + bundle.replace("\r", "") + "\n})();"
    digest = hashlib.sha256(code.encode("utf-8")).digest()
    return code, base64.b64encode(digest).decode("ascii")
