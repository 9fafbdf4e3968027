"""Reports side by side: figures, order, and every reason not to compare them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from byheart.cli import run
from byheart.errors import InputError, UsageError
from byheart.report.comparison import as_json, compare
from byheart.report.comparison_page import render, rows, sentence, write_html
from byheart.report.document import write_json

EVIL = "</script><script>alert(1)</script>"


@pytest.fixture
def reports(build, tmp_path):
    """A function from (folder, result) pairs to the paths of their reports."""

    def write(**results):
        paths = []
        for name, result in results.items():
            (tmp_path / name).mkdir()
            paths.append(write_json(result, tmp_path / name / "report.json"))
        return paths

    return write


@pytest.fixture
def three(build, reports):
    return reports(
        late=build["copies-images"](),
        early=build["generalizes-images"](),
        blind=build["inconclusive-without-heldout"](),
    )


def test_figures_in_the_order_given(three):
    found = compare(three)
    assert [entry.name for entry in found.entries] == ["late", "early", "blind"]
    late, early, blind = found.entries
    assert (late.verdict, late.kind, late.p_value) == ("memorizes", "copies", 0.001)
    assert (late.memorized_lower_bound, late.memorized_share) == (31, 31 / 400)
    assert (late.delta_bandwidth, late.delta) == (0.45, pytest.approx(-1.2 * 0.55))
    assert early.minimum_detectable_rate == 0.03
    assert {c.state for c in early.controls} == {"passed", "shown"}
    assert blind.p_value is blind.auc is blind.delta is None
    assert blind.controls == ()
    assert sentence(found) == ("Of 3 audits 1 memorizes, 1 generalizes and 1 is inconclusive.")
    assert [row[0] for row in rows(compare(three[::-1]))] == ["blind", "early", "late"]


def test_like_with_like_has_no_warning_but_for_the_samples(build, reports):
    whole = build["copies-images"]()
    other = replace(
        whole,
        inputs={**whole.inputs, "generated": replace(whole.inputs["generated"], sha256="b" * 64)},
    )
    assert compare(reports(a=whole, b=other)).warnings == ()


def test_exact_and_approximate_searches_are_told_apart(build, reports, approximation):
    whole = build["copies-images"]()
    warnings = compare(reports(a=whole, b=replace(whole, approximation=approximation))).warnings
    told = "searches for neighbours differ (a: exact; b: approximate)"
    assert any(line.startswith(told) for line in warnings)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 8}, "seeds differ (a: 7; b: 8)"),
        ({"level": 0.01}, "levels differ"),
        ({"permutations": 99}, "relabellings differ"),
        ({"resolution": 0.1}, "resolutions differ"),
        ({"parameters": {"features": "hf:clip"}}, "features differ (a: raw; b: hf:clip)"),
        ({"parameters": {"groups": "patient"}}, "groups, columns or image sizes differ"),
        ({"heldout": {"sha256": "c" * 64}}, "held-out sets differ"),
        ({"heldout": {"rows": 90}}, "sizes of the held-out set differ (a: 400; b: 90)"),
        ({"train": {"sha256": "c" * 64}}, "training sets differ"),
        ({"train": {"rows": 90}}, "sizes of the training set differ"),
        ({"generated": {"rows": 90}}, "numbers of generated samples differ"),
        ({}, "a, b audit the same generated samples"),
    ],
)
def test_what_makes_a_comparison_unfair(build, reports, change, words):
    whole = build["copies-images"]()
    other = whole
    for key, value in change.items():
        if key in whole.inputs:
            inputs = {**whole.inputs, key: replace(whole.inputs[key], **value)}
            other = replace(other, inputs=inputs)
        elif key == "parameters":
            other = replace(other, parameters={**whole.parameters, **value})
        else:
            other = replace(other, **{key: value})
    assert [line for line in compare(reports(a=whole, b=other)).warnings if words in line]


def test_page_and_terminal(three, tmp_path, capsys):
    found = compare(three)
    page = write_html(found, tmp_path / "compare.html").read_text("utf-8")
    assert page.count("<script") == 2
    for entry in found.entries:
        assert entry.name in page
    render(found, tmp_path / "compare.html")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == sentence(found)
    assert [line.split()[0] for line in lines[2:5]] == ["late", "early", "blind"]
    assert lines[-1].startswith("report: ")


def test_names_stay_text(build, tmp_path):
    paths = []
    for name in (EVIL.replace("/", "∕"), "<b>bold</b>".replace("/", "∕")):
        (tmp_path / name).mkdir()
        odd = replace(build["copies-images"](), reason=EVIL)
        paths.append(write_json(odd, tmp_path / name / "report.json"))
    page = write_html(compare(paths), tmp_path / "compare.html").read_text("utf-8")
    assert page.count("<script") == page.count("</script>") == 2
    assert "<b>bold" not in page


def test_the_command(three, tmp_path, capsys):
    out = tmp_path / "side"
    assert run(["compare", *map(str, three), "--out", str(out)]) == 0
    assert "1 memorizes" in capsys.readouterr().out
    assert (out / "compare.html").stat().st_size > 10_000
    assert run(["compare", *map(str, three), "--out", str(out), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(as_json(compare(three)))


def test_what_is_no_report_is_one_line_and_status_2(three, tmp_path, capsys):
    broken = tmp_path / "broken.json"
    broken.write_text('{"a": 1}')
    for paths in (
        [three[0], broken],
        [three[0], tmp_path / "none.json"],
        [three[0]],
        three[:1] * 2,
    ):
        assert run(["compare", *map(str, paths), "--out", str(tmp_path / "o")]) == 2
        streams = capsys.readouterr()
        assert streams.out == ""
        assert streams.err.count("\n") == 1
    with pytest.raises(UsageError, match="two reports"):
        compare([three[0]])
    with pytest.raises(InputError, match="schema version"):
        compare([three[0], broken])
