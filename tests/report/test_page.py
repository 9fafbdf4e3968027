"""report.html as text: self-contained, escaped, small, complete; the notebook card."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from byheart.errors import UsageError
from byheart.report.html import TEMPLATES
from byheart.report.page import summary_html, write_html

SECTIONS = [
    "evidence",
    "where",
    "tests",
    "controls",
    "next",
    "reading",
    "limits",
    "cite",
    "details",
]
VOID = {"meta", "link", "img", "br"}


class Outline(HTMLParser):
    """Tags, headings, ids, and whether every element is closed in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.headings, self.ids, self.attributes, self.open = [], [], [], [], []
        self.text, self.scripts = "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))
        self.ids += [value for key, value in attrs if key == "id"]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        else:
            self.text += data


@pytest.fixture
def page(any_name, rendered):
    return rendered(any_name).read_text("utf-8")


def test_structure(page):
    outline = Outline(page)
    assert outline.open == []
    assert [i for i in outline.ids if i in SECTIONS] == SECTIONS
    assert len(outline.ids) == len(set(outline.ids))
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    steps = zip(outline.headings, outline.headings[1:], strict=False)
    assert all(after <= before + 1 for before, after in steps)
    for tag, attributes in outline.attributes:
        if tag == "img":
            assert attributes["alt"]
        if tag == "th":
            assert attributes["scope"] in ("col", "row")
        if attributes.get("role") == "img":
            assert attributes["aria-label"]


def test_nothing_is_loaded_and_one_hashed_script_runs(page):
    outline = Outline(page)
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    scripts = [attributes for tag, attributes in outline.attributes if tag == "script"]
    if scripts:
        assert scripts == [{"type": "application/json", "id": "chart-data"}, {}]
        data, code = outline.scripts
        digest = base64.b64encode(hashlib.sha256(code.encode("utf-8")).digest()).decode()
        policy += f"; script-src 'sha256-{digest}'"
        assert code.startswith("(() => {")  # a scope of its own
        assert "<" not in data
        assert json.loads(data).keys() <= {"delta", "distances", "membership", "delta-l2", "power"}
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in page
    for tag, attributes in outline.attributes:
        assert not [key for key in attributes if key.startswith("on")]
        assert attributes.get("src", "data:").startswith("data:")
        if tag != "a":
            assert attributes.get("href", "data:").startswith(("data:", "#"))
    markup = re.sub("<script.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"@import|url\((?!#)", markup)


def test_the_verdict_comes_first(any_result, page):
    text = Outline(page).text
    start = text.index("memorization audit")
    assert any_result.verdict in text[start : start + 120]
    reason = any_result.reason[1:].rstrip(".")
    assert reason in text
    assert text.index(reason) < text.index("How to read it")


def test_what_every_report_says(page):
    text = Outline(page).text
    for words in (
        "arXiv 2411.17807",
        "arXiv 2505.01524",
        "is your claim",
        "one random split",
        "not a proof",
    ):
        assert words in text


def test_markup_in_the_data_stays_text(rendered):
    page = rendered("copies-table").read_text("utf-8")
    assert page.count("<script") == page.count("</script>") == 2  # the page's own
    text = Outline(page).text
    assert "<script>alert('row')</script>.csv" in text
    assert "<script>alert(1)</script>" in text
    assert "<b>score</b>" in text
    assert "'<i>zip</i>'" in text


def test_markup_anywhere_else_stays_text(build, tmp_path):
    evil = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"
    whole = build["copies-images"]()
    matches = tuple(
        replace(m, real_name=evil, generated_name=evil) for m in whole.evidence.train_matches
    )
    odd = replace(
        whole,
        reason=evil,
        warnings=(evil,),
        tests=(replace(whole.tests[0], name=evil),),
        inputs={k: replace(v, path=evil, dtype=evil) for k, v in whole.inputs.items()},
        parameters={evil: evil, "features": evil},
        environment={evil: [evil], "versions": {evil: evil}},
        metrics={evil: whole.metrics["near_copy_share"]},
        controls=replace(
            whole.controls, comparability=replace(whole.controls.comparability, cause=evil)
        ),
        evidence=replace(whole.evidence, train_matches=matches),
    )
    page = write_html(odd, tmp_path / "r.html").read_text("utf-8")
    for text in (page, summary_html(odd)):
        outline = Outline(text)
        assert outline.tags.count("script") == (2 if text is page else 0)
        assert not [a for _, a in outline.attributes if "onerror" in a]
        assert evil in outline.text or "Reason" not in text


def test_without_examples_nothing_of_the_data_is_shown(build, tmp_path):
    for name in ("copies-images", "copies-table", "traces-vectors"):
        whole = build[name]()
        page = write_html(whole, tmp_path / "r.html", examples=False).read_text("utf-8")
        page = page.partition('id="chart-data"')[0]  # what follows is numbers, and Vega
        assert "<img" not in page
        assert "data:image" not in page
        assert "Examples were left out" in page
        for match in whole.evidence.train_matches + whole.evidence.heldout_matches:
            assert f">{match.real_name}<" not in page
        for column in whole.evidence.columns:
            assert column not in re.sub(r"<[^>]*>", "", page).replace("&lt;", "<").split()
        assert "chart-distances" in page


@pytest.mark.parametrize(("side", "channels"), [(256, 3), (48, 3), (96, 3), (28, 0)])
def test_the_file_stays_small_even_for_noise(build, tmp_path, side, channels):
    noisy = build["copies-images"](side, channels, 0.5)
    # two megabytes of pictures and one of the charts' script
    assert write_html(noisy, tmp_path / "r.html").stat().st_size < 3_000_000


@pytest.mark.slow
def test_ten_thousand_named_points_of_a_million_stay_below_five_megabytes(build, tmp_path):
    whole = build["copies-images"](256, 3, 0.5)
    one = whole.copies.pairs[0]
    pairs = tuple(replace(one, train_index=i, train_name=f"{i:06d}.png") for i in range(10_000))
    big = replace(
        whole,
        inputs={role: replace(entry, rows=1_000_000) for role, entry in whole.inputs.items()},
        copies=replace(
            whole.copies,
            pairs=pairs,
            flagged_train=tuple(range(10_000)),
            rows=tuple(
                replace(whole.copies.rows[0], train_index=i, train_name=f"{i:06d}.png")
                for i in range(10_000)
            ),
            training_rows=tuple(
                replace(whole.copies.training_rows[0], train_index=i) for i in range(10_000)
            ),
        ),
        evidence=replace(
            whole.evidence,
            train_matches=whole.evidence.train_matches * 50,
            heldout_matches=whole.evidence.heldout_matches * 50,
        ),
    )
    path = write_html(big, tmp_path / "r.html")
    assert path.stat().st_size < 5_000_000
    page = path.read_text("utf-8")
    assert page.count('<figure class="pair">') == 48
    assert "The first 200 of 10,000 generated images that copy a training image" in page
    assert "1,000,000 × 64" in page


def test_at_most_six_pairs_of_a_side_are_open(rendered):
    page = rendered("copies-images").read_text("utf-8")
    assert page.count('<figure class="pair">') == 48
    assert page.count("18 more pairs") == 2


@pytest.mark.parametrize("name", ["copies-images", "inconclusive-without-heldout"])
def test_same_bytes_under_source_date_epoch(build, name, tmp_path, monkeypatch):
    result = build[name]()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    a, b = (write_html(result, tmp_path / file) for file in ("a.html", "b.html"))
    assert a.read_bytes() == b.read_bytes()
    assert "2023-11-14" in a.read_text("utf-8")


@pytest.mark.slow
def test_results_with_parts_missing_still_make_a_page(build, tmp_path):
    whole = build["copies-images"]()
    for change in (
        {"delta": None},
        {"copies": None},
        {"membership": None},
        {"controls": None},
        {"evidence": None},
        {"tests": ()},
        {"metrics": {}},
        {"parameters": {}, "environment": {}},
        {"evidence": replace(whole.evidence, train_matches=())},
        {"p_value": None, "verdict": "inconclusive", "kind": None},
    ):
        outline = Outline(write_html(replace(whole, **change), tmp_path / "r.html").read_text())
        assert [i for i in outline.ids if i in SECTIONS] == SECTIONS


def test_a_folder_that_is_missing_is_one_line(build, tmp_path):
    with pytest.raises(UsageError, match="cannot be written"):
        write_html(build["copies-images"](), tmp_path / "nowhere" / "r.html")


def test_summary_card(any_result):
    card = summary_html(any_result)
    outline = Outline(card)
    assert outline.open == []
    assert any_result.verdict in outline.text
    assert len(card) < 4000
    assert any_result._repr_html_() == card


def _colours(css):
    blocks = re.findall(r"(:root|\.\w+) \{([^}]*)\}", css)
    return [(name, dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", body))) for name, body in blocks]


def _luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(a, b):
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_text_has_the_contrast_that_wcag_asks_for(dark):
    css = (TEMPLATES / "style.css").read_text("utf-8")
    light, _, rest = css.partition("@media screen and (prefers-color-scheme: dark)")
    blocks = _colours(rest.partition("*, *::before")[0] if dark else light)
    (root,) = [colours for name, colours in blocks if name == ":root"]
    accents = [{**root, **c} for name, c in blocks if name != ":root" and "accent" in c]
    assert len(accents) == 2
    for colours in [root, *accents]:
        for text in ("ink", "muted", "accent"):
            for ground in ("bg", "card", "soft", "accent-soft"):
                assert _contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        for text in ("good", "bad", "chart-ink", "chart-muted"):
            assert _contrast(colours[text], colours["card"]) >= 4.5, text
        for line in ("train", "heldout", "third", "fourth"):
            assert _contrast(colours[f"chart-{line}"], colours["card"]) >= 3
