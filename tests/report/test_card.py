"""The model card: complete, and Markdown that the data cannot write."""

from __future__ import annotations

from dataclasses import replace

import pytest

from byheart.cli import run
from byheart.report.card import escape, fenced, model_card
from byheart.report.document import differences, read_json, to_report, write_json


def test_what_every_card_says(any_result, tmp_path):
    text = model_card(write_json(any_result, tmp_path / "report.json"))
    assert text.startswith("## Memorization audit\n")
    assert any_result.verdict in text
    for words in ("What this means", "no proof of privacy", "byheart audit --train", "sha256"):
        assert words in text
    assert text.count("| ") >= 9
    assert "your" not in text.split("What this means")[0]


def test_the_data_write_no_markdown(build, tmp_path):
    evil = "a|b\n# **x** [l](http://e.org) <img src=x> `c` www.e.org"
    whole = build["copies-images"]()
    odd = replace(
        whole,
        reason=evil,
        warnings=(evil,),
        metrics={evil: whole.metrics["near_copy_share"]},
        parameters={"features": evil},
    )
    text = model_card(write_json(odd, tmp_path / "report.json"))
    outside = text.split("```")[0]
    for markup in ("<img", "[l](", "**x**", "a|b", "http://e", " www.e", "\n# "):
        assert markup not in outside


@pytest.mark.parametrize("sign", list("\\`*_[]|~$#!"))
def test_signs_of_markdown_are_escaped(sign):
    assert escape(f"a{sign}b") == f"a\\{sign}b"


def test_a_fence_is_longer_than_what_it_holds():
    assert fenced("a ```` b") == ["`````", "a ```` b", "`````"]


def test_a_report_becomes_the_result_again(any_result, tmp_path):
    report = read_json(write_json(any_result, tmp_path / "report.json"))
    assert differences(to_report(report), report) == []
    assert report.to_rows() == any_result.to_rows()


def test_the_command(build, tmp_path, capsys):
    path = write_json(build["copies-table"](), tmp_path / "report.json")
    assert run(["card", str(path)]) == 0
    assert capsys.readouterr().out == model_card(path)
    path.write_text("[]")
    assert run(["card", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
