"""The shipped JSON Schema is the models', and the written reports follow it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from byheart.report.document import write_json
from byheart.report.schema import SCHEMA_FILE, json_schema

jsonschema = pytest.importorskip("jsonschema")


@pytest.fixture(scope="module")
def shipped():
    return json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))


def test_the_shipped_file_is_the_generated_one(shipped):
    # Renew it with: python -m byheart.report.schema
    assert shipped == json_schema()


def test_it_is_a_draft_2020_12_schema(shipped):
    jsonschema.Draft202012Validator.check_schema(shipped)


@pytest.mark.parametrize("examples", [True, False])
def test_every_report_validates(any_result, shipped, tmp_path, examples):
    path = write_json(any_result, tmp_path / "report.json", examples=examples)
    jsonschema.Draft202012Validator(shipped).validate(json.loads(path.read_text("utf-8")))


def test_a_report_of_an_approximate_audit_validates(build, approximation, shipped, tmp_path):
    result = replace(build["copies-images"](), approximation=approximation)
    path = write_json(result, tmp_path / "report.json")
    jsonschema.Draft202012Validator(shipped).validate(json.loads(path.read_text("utf-8")))


def test_the_schema_refuses_what_is_not_a_report(any_result, shipped, tmp_path):
    plain = json.loads(write_json(any_result, tmp_path / "r.json").read_text("utf-8"))
    validator = jsonschema.Draft202012Validator(shipped)
    assert not validator.is_valid({**plain, "verdict": "clean"})
    assert not validator.is_valid({**plain, "surprise": 1})
    assert not validator.is_valid({k: v for k, v in plain.items() if k != "reason"})
