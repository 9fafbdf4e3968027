"""One whole report against a stored one, key by key.

To renew it after a change that is meant to change figures: python tests/test_golden.py
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import byheart
from byheart.errors import InputError
from byheart.report.card import model_card
from byheart.report.comparison import compare
from byheart.report.document import read_json, to_plain, to_report, write_json
from byheart.report.verification import verify

GOLDEN = Path(__file__).parent / "golden" / "report-v2.json"
EARLIER = GOLDEN.with_name("report-v1.json")  # of the same audit, by an earlier version


def golden_report() -> dict:
    rng = np.random.default_rng(2411)
    train, heldout, generated = (rng.normal(size=(size, 5)) for size in (150, 180, 120))
    generated[:30] = train[:30] + 0.05 * rng.normal(size=(30, 5))
    heldout[:2] = train[-2:]
    report = to_report(byheart.audit(train, heldout, generated, seed=17, permutations=199))
    plain = to_plain(report)
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


@pytest.fixture(params=[EARLIER, GOLDEN], ids=lambda path: path.stem)
def stored_report(request, tmp_path):
    """A stored report with the keys that vary, as a file."""
    plain = json.loads(request.param.read_text(encoding="utf-8"))
    whole = {"created": "2026-01-01T00:00:00Z", "environment": {}, "byheart_version": "0.1.0"}
    path = tmp_path / "report.json"
    path.write_text(json.dumps({**plain, **whole}), encoding="utf-8")
    return path


def test_a_report_of_every_version_is_read_with_its_figures(stored_report):
    report, plain = read_json(stored_report), json.loads(stored_report.read_text("utf-8"))
    assert report.schema_version == "2"
    if plain["schema_version"] == "2":
        assert to_plain(report) == plain
    assert (report.verdict, report.kind, report.p_value) == ("memorizes", "copies", 0.005)
    assert report.copies.memorized_lower_bound == plain["copies"]["memorized_lower_bound"]
    assert list(report.copies.flagged_train) == plain["copies"]["flagged_train"]
    assert report.membership.auc == plain["membership"]["auc"]
    for control in ("role_swap", "exchangeability", "comparability", "independence"):
        assert getattr(report.controls, control).passed == plain["controls"][control]["passed"]


def test_a_report_of_every_version_is_compared_and_makes_a_card(stored_report, tmp_path):
    assert "memorizes: copies" in model_card(stored_report)
    again = write_json(read_json(stored_report), tmp_path / "again.json")
    a, b = compare([stored_report, again]).entries
    assert (a.verdict, a.p_value, a.auc_interval) == (b.verdict, b.p_value, b.auc_interval)
    with pytest.raises(InputError, match="was an array in memory"):  # so verify has read it
        verify(stored_report)


def test_a_report_of_version_1_is_verified(tmp_path):
    rng = np.random.default_rng(3)
    files = [tmp_path / f"{name}.npy" for name in ("train", "heldout", "generated")]
    for file in files:
        np.save(file, rng.normal(size=(30, 3)))
    path = write_json(byheart.audit(*files, permutations=99), tmp_path / "report.json")
    text = path.read_text("utf-8").replace('"schema_version": "2"', '"schema_version": "1"')
    path.write_text(text, encoding="utf-8")
    assert verify(path) == []
    path.write_text(text.replace('"verdict": "', '"verdict": "x'), encoding="utf-8")
    with pytest.raises(InputError, match="verdict"):
        verify(path)


if __name__ == "__main__":
    text = json.dumps(golden_report(), indent=1, ensure_ascii=False)
    GOLDEN.write_text(text + "\n", encoding="utf-8")
