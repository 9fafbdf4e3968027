"""One whole report against a stored one, key by key.

To renew it after a change that is meant to change figures: python tests/test_golden.py
"""

import json
import math
from pathlib import Path

import numpy as np

import byheart
from byheart.report.document import to_report

GOLDEN = Path(__file__).parent / "golden" / "report.json"


def golden_report() -> dict:
    rng = np.random.default_rng(2411)
    train, heldout, generated = (rng.normal(size=(size, 5)) for size in (150, 180, 120))
    generated[:30] = train[:30] + 0.05 * rng.normal(size=(30, 5))
    heldout[:2] = train[-2:]
    report = to_report(byheart.audit(train, heldout, generated, seed=17, permutations=199))
    plain = report.model_dump(mode="json", by_alias=True)
    for varying in ("created", "environment", "byheart_version"):
        del plain[varying]
    return plain


def differing(found, stored, where=""):
    """Yield the places in which two JSON values differ; numbers may differ by rounding."""
    if isinstance(stored, dict) and isinstance(found, dict) and stored.keys() == found.keys():
        for key in stored:
            yield from differing(found[key], stored[key], f"{where}.{key}")
    elif isinstance(stored, list) and isinstance(found, list) and len(stored) == len(found):
        for i, pair in enumerate(zip(found, stored, strict=True)):
            yield from differing(*pair, f"{where}[{i}]")
    elif isinstance(stored, float) and isinstance(found, (int, float)):
        # Another BLAS or libm may round differently; Delta passes through float32 (1e-7).
        if not math.isclose(found, stored, rel_tol=1e-5, abs_tol=1e-6):
            yield where
    elif found != stored:
        yield where


def test_the_report_is_the_golden_one():
    stored = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert list(differing(golden_report(), stored)) == []


if __name__ == "__main__":
    text = json.dumps(golden_report(), indent=1, ensure_ascii=False)
    GOLDEN.write_text(text + "\n", encoding="utf-8")
