"""Every surface of a result tells the same counts and the same state of each control."""

from __future__ import annotations

import csv
import json
import re
from html import unescape

import pytest

from byheart.auditing.judgement import judge
from byheart.report import wording
from byheart.report.card import model_card
from byheart.report.comparison import as_json, compare
from byheart.report.comparison_page import HEADINGS
from byheart.report.comparison_page import rows as compared_rows
from byheart.report.document import write_json
from byheart.report.lists import write_lists
from byheart.report.page import STATES, write_html
from byheart.report.terminal import figures


@pytest.fixture
def surfaces(any_result, tmp_path):
    """What each surface says, as text or as what a program reads."""
    path = write_json(any_result, tmp_path / "report.json")
    other = write_json(any_result, tmp_path / "other.json")
    page = write_html(any_result, tmp_path / "report.html").read_text("utf-8")
    comparison = compare([path, other])
    write_lists(any_result, tmp_path)
    return {
        "json": json.loads(path.read_text("utf-8")),
        "page": unescape(re.sub("<[^>]*>", "", page.partition('id="chart-data"')[0])),
        "terminal": "\n".join(figures(any_result)),
        "card": model_card(path),
        "compare": json.loads(as_json(comparison))["entries"][0],
        "row": dict(zip(HEADINGS, compared_rows(comparison)[0], strict=True)),
        "csv": (tmp_path / "copies.csv").read_text("utf-8"),
    }


def test_the_state_of_each_control(any_result, surfaces):
    judged = {one.control: one.state for one in judge(any_result)}
    for key in ("json", "compare"):
        told = surfaces[key]["judgements" if key == "json" else "controls"]
        assert {one["control"]: one["state"] for one in told} == judged
    line = wording.controls(judge(any_result))
    assert f"| Controls | {line} |" in surfaces["card"] or not judged
    assert f"controls: {line}" in surfaces["terminal"] or not judged
    assert surfaces["row"]["Controls"] == (line or "none")
    for one in judge(any_result):
        found = re.search(
            rf"([^\n]+)\n{re.escape(one.name)}", surfaces["page"], flags=re.IGNORECASE
        )
        assert found[1] == STATES[one.state], one.name
        if one.control in ("exchangeability", "role_swap", "comparability", "independence"):
            passed = surfaces["json"]["controls"][one.control]["passed"]
            assert (one.state == "passed") == passed


def test_the_counts(any_result, surfaces):
    rows, plain = any_result.copying_rows, surfaces["json"]
    lists = plain["copies"] or plain.get("untested")
    assert len(lists["rows"] if lists else []) == len(rows)
    assert len(list(csv.reader(surfaces["csv"].splitlines()))) == len(rows) + 1
    line = wording.copying(any_result)
    if line is not None:
        assert surfaces["compare"]["copying_rows"] == len(rows)
        assert surfaces["row"]["Copying rows"] == f"{len(rows):,}"
        for name in ("page", "terminal"):
            assert line[1:] in surfaces[name]
        counts = line.split(" generated")[0]  # a report on disk does not know what its rows are
        assert f"| Generated rows | {counts} generated" in surfaces["card"]
    if any_result.copies is not None:
        named = len(any_result.copies.flagged_train)
        assert len(plain["copies"]["flagged_train"]) == named
        assert surfaces["compare"]["named"] == named
        assert surfaces["row"]["Named"] == f"{named:,}"
        assert f"| Training points named | {named:,} |" in surfaces["card"]
        told = [surfaces["terminal"], surfaces["page"], any_result.reason]
        for text in told:
            for count in re.findall(r"([\d,]+) (?:are )?named", text):
                assert count == f"{named:,}"
        named_rows = {row.train_index for row in any_result.training_rows if row.named}
        assert named_rows == set(any_result.copies.flagged_train)


def test_no_row_above_the_rate_is_called_named(build):
    whole = build["copies-groups"]()
    above = [pair for pair in whole.copies.pairs if pair.q_value > whole.copies.fdr]
    assert above
    assert not {pair.train_index for pair in above} & set(whole.copies.flagged_train)
