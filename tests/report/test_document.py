"""report.json: keys to the letter, nothing but JSON, the same bytes twice, every error one line."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from byheart.auditing.result import Metric
from byheart.errors import InputError, UsageError
from byheart.report import document
from byheart.report.document import differences, read_json, to_report, write_json

TOP = [
    "schema_version",
    "byheart_version",
    "created",
    "seed",
    "level",
    "fdr",
    "tolerance",
    "resolution",
    "permutations",
    "verdict",
    "kind",
    "reason",
    "p_value",
    "inputs",
    "tests",
    "delta",
    "copies",
    "membership",
    "controls",
    "metrics",
    "parameters",
    "environment",
    "warnings",
    "verbatim",
    "sensitivity",
    "trace",
    "judgements",
]


@pytest.fixture
def whole(build):
    return build["copies-images"]()


@pytest.fixture
def written(whole, tmp_path):
    return write_json(whole, tmp_path / "report.json")


def test_keys_and_their_order(written):
    plain = json.loads(written.read_text("utf-8"))
    assert list(plain) == TOP
    assert list(plain["delta"]) == ["kl", "l2"]
    assert list(plain["delta"]["kl"]) == ["bandwidths", "values", "intervals", "null"]
    assert list(plain["inputs"]) == ["train", "heldout", "generated"]
    assert list(plain["inputs"]["train"]) == ["path", "sha256", "rows", "dimension", "dtype"]
    assert list(plain["tests"][0]) == ["name", "statistic", "p_value", "p_adjusted"]
    first = ["train_index", "generated_index", "distance", "q_value"]
    assert list(plain["copies"]["pairs"][0])[:4] == first
    assert set(plain["copies"]) == {
        "memorized_lower_bound",
        "fdr",
        "flagged_train",
        "pairs",
        "share_of_generated",
        "share_interval",
        "minimum_list_length",
        "reproduced_train",
        "reproduced_heldout",
        "reproduction_p_value",
        "rows",
        "training_rows",
        "withheld",
    }
    assert list(plain["membership"]["tpr_at_fpr"]) == ["0.01", "0.001"]
    assert set(plain["controls"]) == {
        "role_swap",
        "exchangeability",
        "duplicates",
        "planted",
        "minimum_detectable_rate",
        "comparability",
        "independence",
    }
    assert list(plain["controls"]["planted"]) == [
        "noise",
        "training_share",
        "generated_share",
        "power",
        "minimum_detectable_share",
    ]
    assert set(plain["metrics"]["near_copy_share"]) == {
        "value",
        "interval",
        "goal",
        "minimum",
        "maximum",
    }


def test_figures_survive_the_round_trip_to_the_last_bit(any_result, tmp_path):
    path = write_json(any_result, tmp_path / "report.json")
    back = read_json(path)
    assert differences(back, to_report(any_result, tmp_path)) == []
    assert back.p_value == any_result.p_value
    if any_result.delta:
        assert back.delta.kl.values == any_result.delta.kl.values
        assert back.controls.planted.power == any_result.controls.planted.power


def test_an_approximation_is_a_key_of_its_own_at_the_end(whole, approximation, tmp_path):
    found = replace(whole, approximation=approximation)
    path = write_json(found, tmp_path / "report.json")
    plain = json.loads(path.read_text("utf-8"))
    assert list(plain) == [*TOP[:-1], "approximation", TOP[-1]]
    assert read_json(path).approximation == approximation
    exact = write_json(whole, tmp_path / "exact.json")
    assert read_json(exact).approximation is None
    (line,) = differences(read_json(exact), read_json(path))
    assert line.startswith("approximation: absent became")


def test_nothing_but_json_whatever_the_figures(whole, tmp_path):
    odd = replace(
        whole,
        tests=(replace(whole.tests[0], statistic=float("inf")),),
        delta=replace(whole.delta, kl=replace(whole.delta.kl, values=(float("nan"),) * 5)),
        parameters={
            **whole.parameters,
            "array": np.array([1.0, np.nan]),
            "path": tmp_path,
            "set": (np.float32(0.5), np.bool_(True), None),
        },
    )
    text = write_json(odd, tmp_path / "r.json").read_text("utf-8")

    def refuse(constant):
        raise AssertionError(constant)

    plain = json.loads(text, parse_constant=refuse)
    assert plain["tests"][0]["statistic"] is None
    assert plain["delta"]["kl"]["values"] == [None] * 5
    assert plain["metrics"]["median_distance_ratio"]["maximum"] is None
    assert plain["parameters"]["array"] == [1.0, None]
    assert plain["parameters"]["set"] == [0.5, True, None]


def test_null_is_read_as_what_it_stood_for(whole, tmp_path):
    nan, inf = float("nan"), float("inf")
    metric = Metric(nan, (nan, 1.0), "none", -inf, inf)
    path = write_json(replace(whole, metrics={"odd": metric}), tmp_path / "r.json")
    back = read_json(path).metrics["odd"]
    assert np.isnan([back.value, back.interval[0]]).all()
    assert (back.interval[1], back.minimum, back.maximum) == (1.0, -inf, inf)


def test_a_report_read_back_writes_its_page_without_the_names_withheld(build, tmp_path):
    path = write_json(build["copies-table"](), tmp_path / "r.json", examples=False)
    page = read_json(path).to_html(tmp_path / "r.html").read_text("utf-8")
    assert "(withheld)" in page


def test_names_that_are_not_utf8_are_escaped(whole, tmp_path):
    pair = replace(whole.copies.pairs[0], train_name=os.fsdecode(b"caf\xe9.png"))
    odd = replace(whole, copies=replace(whole.copies, pairs=(pair,)))
    path = write_json(odd, tmp_path / "r.json")
    assert read_json(path).copies.pairs[0].train_name == "caf\\udce9.png"


def test_same_bytes_under_source_date_epoch(whole, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    a, b = (write_json(whole, tmp_path / name) for name in ("a.json", "b.json"))
    assert a.read_bytes() == b.read_bytes()
    assert read_json(a).created == "2023-11-14T22:13:20Z"


def test_a_wrong_source_date_epoch_is_one_line(whole, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH"):
        write_json(whole, tmp_path / "r.json")


def test_paths_are_relative_to_the_report(whole, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    inputs = read_json(write_json(whole, tmp_path / "out" / "report.json")).inputs
    assert inputs["train"].path == "../data/train"
    assert inputs["generated"].path == "../samples.npy::x"
    array = replace(
        whole, inputs={**whole.inputs, "train": replace(whole.inputs["train"], path=None)}
    )
    assert to_report(array, tmp_path).inputs["train"].path is None


def test_a_failed_write_leaves_the_old_file_and_no_other(whole, written, monkeypatch):
    before = written.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(document.os, "replace", fail)
    with pytest.raises(UsageError, match="No space left") as error:
        write_json(whole, written)
    assert "\n" not in str(error.value)
    assert written.read_bytes() == before
    assert list(written.parent.iterdir()) == [written]


def test_a_missing_folder_is_one_line(whole, tmp_path):
    with pytest.raises(UsageError, match="cannot be written"):
        write_json(whole, tmp_path / "nowhere" / "report.json")


def test_without_examples_no_name_remains(build, tmp_path):
    table = build["copies-table"]()
    table = replace(
        table,
        reason="column 'income' copies",
        warnings=("income is 'secret'; don't panic", 'row "Jane" came twice'),
        parameters={**table.parameters, "groups": "city"},
    )
    text = write_json(table, tmp_path / "r.json", examples=False).read_text("utf-8")
    report = read_json(tmp_path / "r.json")
    for name in ("income", "city", "member since", "secret", "Jane", "<script>", '"row 7"'):
        assert name not in text
    assert "don't panic" in text
    assert report.copies.pairs[1].train_index == 3
    assert report.copies.pairs[1].train_name is None
    assert report.parameters["examples"] is False


def test_differences_name_the_key_and_both_values(whole, tmp_path):
    a = to_report(whole, tmp_path)
    changed = replace(
        whole,
        p_value=0.002,
        delta=None,
        warnings=("new",),
        environment={},
        tests=(replace(whole.tests[0], statistic=np.nextafter(3.2, 4)), *whole.tests[1:]),
    )
    found = differences(a, to_report(changed, tmp_path))
    assert found[0] == "p_value: 0.001 became 0.002"
    assert found[1] == "tests[0].statistic: 3.2 became 3.2000000000000006"
    assert found[2].startswith("delta: {'kl'")
    assert found[3] == "warnings: a list of 0 became a list of 1"
    assert len(found) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: {**p, "verdict": "clean"}, "verdict"),
        (lambda p: {k: v for k, v in p.items() if k != "seed"}, "seed"),
        (lambda p: {**p, "schema_version": "3"}, "schema version '3' is unknown"),
        (lambda p: {**p, "schema_version": ["1"]}, "schema version"),
        (lambda p: {**p, "evidence": None}, "evidence"),
        (lambda p: {**p, "inputs": {**p["inputs"], "train": None}}, "inputs: .*needs train"),
        (lambda p: {**p, "tests": [{**p["tests"][0], "odd": 1}]}, "tests.0.odd"),
        (lambda p: {**p, "p_value": 1.5}, "p_value"),
        (lambda p: {**p, "schema_version": "9\n" * 500}, "schema version"),
        (lambda p: {**p, "seed": "7"}, "seed"),
        (lambda p: {**p, "level": 10**400}, "level"),
        (lambda p: {**p, "line\nbreak": 1}, "line break"),
        (lambda p: [p], "not a byheart report"),
        (lambda p: 3, "not a byheart report"),
    ],
)
def test_a_wrong_report_is_one_line(written, change, message):
    plain = json.loads(written.read_text("utf-8"))
    written.write_text(json.dumps(change(plain)), encoding="utf-8")
    with pytest.raises(InputError, match=message) as error:
        read_json(written)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"schema_version": NaN}',
        b"[" * 100_000,
        b'{"schema_version": "1", "seed": ' + b"9" * 5000 + b"}",
        b'{"schema_version": "1", "reason": "\\ud800"}',
    ],
)
def test_anything_else_is_one_line(tmp_path, content):
    path = tmp_path / "report.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_json(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_infinity_deep_inside_is_refused(written):
    text = written.read_text("utf-8").replace('"k": 32', '"k": Infinity')
    assert "Infinity" in text
    written.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="Infinity"):
        read_json(written)


def test_missing_files_and_folders_are_one_line(tmp_path):
    for path in (tmp_path, tmp_path / "none.json"):
        with pytest.raises(InputError, match=r"cannot be read|is a folder"):
            read_json(path)
