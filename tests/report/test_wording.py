"""The sentences: one number and one verdict, whatever is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from byheart.report import wording


@pytest.mark.parametrize(
    ("name", "number", "sentence"),
    [
        ("copies-images", "24", "24 of your 400 training images come back"),
        ("copies-table", "14", "14 of your 400 training rows"),
        ("traces-vectors", "12", "At least 12 of your 400 training samples left a trace"),
        ("generalizes-images", "no trace", "No trace of your 400 training images was found"),
        ("inconclusive-without-heldout", "0", "Without a held-out set nothing can be tested"),
        ("inconclusive-other-scale", "1", "No verdict: scale of the generated samples failed"),
    ],
)
def test_headline(build, name, number, sentence):
    head = wording.headline(build[name]())
    assert head.number == number
    assert head.sentence.startswith(sentence)
    assert head.reason[0].isupper()
    assert head.reason.endswith(".")


def test_one_is_singular(build):
    whole = build["copies-images"]()
    first = whole.copies.pairs[:1]
    copies = replace(whole.copies, pairs=first, flagged_train=(first[0].train_index,))
    sentence = wording.headline(replace(whole, copies=copies)).sentence
    assert "1 of your 400 training images comes back" in sentence


def test_only_rows_that_one_can_look_at_come_back(build):
    """The bound left a trace; reproduced rows stand beside those that chance reproduces."""
    whole = build["copies-images"]()
    copies = replace(
        whole.copies,
        flagged_train=(),
        memorized_lower_bound=300,
        reproduced_train=128,
        reproduced_heldout=72,
    )
    sentence = wording.headline(replace(whole, copies=copies)).sentence
    assert sentence == (
        "128 of your 400 training images are reproduced in the generated samples, where chance "
        "reproduces 72 held-out ones; at least 300 left a trace."
    )


def test_a_bound_that_is_withheld_is_nowhere_a_number(build):
    whole = build["copies-images"]()
    copies = replace(
        whole.copies, memorized_lower_bound=None, flagged_train=(), withheld="they differ"
    )
    drifted = replace(whole, copies=copies)
    assert wording.bound(drifted).startswith("withheld")
    assert wording.named(drifted) == "withheld"
    assert "how many left a trace cannot be said" in wording.headline(drifted).sentence


def test_groups_are_not_counted_as_rows(build):
    whole = build["copies-images"]()
    grouped = replace(whole, parameters={**whole.parameters, "groups": "patient"})
    assert "24 of your training groups" in wording.headline(grouped).sentence


@pytest.mark.parametrize(("rate", "number"), [(None, "> 50%"), (0.12, "12%")])
def test_an_audit_without_power_says_what_it_could_miss(build, rate, number):
    whole = build["generalizes-images"]()
    blind = replace(
        whole,
        verdict="inconclusive",
        controls=replace(whole.controls, minimum_detectable_rate=rate),
    )
    assert wording.headline(blind).number == number


def test_a_small_trace_says_how_small(build):
    whole = build["copies-images"]()
    small = replace(
        whole,
        verdict="inconclusive",
        kind=None,
        copies=replace(whole.copies, memorized_lower_bound=2),
    )
    assert wording.headline(small).number == "2"
    assert "small" in wording.headline(small).sentence


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("berk_jones_ratio", "Berk–Jones on the distance over that to the next real row"),
        ("savage_margin", "Savage scores of the margin"),
        ("membership_tail_local_0.005", "train rows among the closest 0.5%, by distance over"),
        ("membership_rank_learned", "mean rank of the learned score"),
        ("nearest_share", "share of generated rows nearest to train"),
        ("something_new_0.1", "something_new_0.1"),
        ("negative_delta_x", "negative_delta_x"),
    ],
)
def test_statistics_have_words(name, label):
    assert wording.statistic_label(name).startswith(label)


def test_the_command_repeats_the_audit(build):
    whole = build["copies-table"]()
    odd = replace(whole.inputs["train"], path="my data/$(x).csv")
    line = wording.command(replace(whole, inputs={**whole.inputs, "train": odd}))
    assert line.startswith("byheart audit --train 'my data/$(x).csv' --heldout data/heldout ")
    assert "--seed 7" in line
    array = replace(whole.inputs["train"], path=None)
    line = wording.command(replace(whole, inputs={**whole.inputs, "train": array}))
    assert line.startswith("byheart.audit(train, 'data/heldout', 'samples.npy::x', seed=7")


@pytest.mark.parametrize("paths", [True, False])
def test_the_command_forgets_no_option(build, paths):
    whole = build["copies-table"]()
    given = {
        "features": "encoders:small",
        "groups": "patient",
        "ignore": ["a", "b"],
        "image_size": [8, 8],
        "metrics": "all",
        "approximate": True,
        "device": "cuda",
    }
    inputs = {
        role: entry if paths else replace(entry, path=None) for role, entry in whole.inputs.items()
    }
    asked = replace(whole, inputs=inputs, parameters={**whole.parameters, **given})
    expected = (
        "--features encoders:small --device cuda --groups patient --ignore a --ignore b "
        "--image-size 8 --approximate --metrics all"
        if paths
        else "features='encoders:small', device='cuda', groups='patient', ignore=('a', 'b'), "
        "image_size=(8, 8), approximate=True, metrics='all')"
    )
    assert wording.command(asked).endswith(expected)


@pytest.mark.parametrize(
    "unnamed", [{"features": "models:<lambda>"}, {"groups": "given as arrays"}]
)
def test_what_no_shell_can_name_is_asked_for_in_capitals(build, unnamed):
    whole = build["copies-table"]()
    line = wording.command(replace(whole, parameters={**whole.parameters, **unnamed}))
    assert line.startswith("byheart.audit('")
    [name] = unnamed
    assert line.endswith(f"{name}={name.upper()})")


def test_nested_parameters_become_rows():
    rows = wording.nested({"a": {"b_c": 1}, "list": [1.0, 2.5], "none": None, "many": range(0)})
    assert rows[:3] == [("a b c", "1"), ("list", "1, 2.5"), ("none", "–")]
    assert wording.nested({"many": list(range(100))})[0][1].endswith("and 76 more")


def test_the_recall_is_one_line_and_the_command_asks_for_it_again(build, approximation):
    whole = build["copies-images"]()
    told = wording.recall(approximation)
    assert told.startswith("of the nearest rows it found generated → real 96% (94% to 97%); real")
    assert told.endswith("of the k nearest 80% and 80%; sample of 1,000 rows")
    assert "--approximate" not in wording.command(whole)
    asked = replace(whole, parameters={**whole.parameters, "approximate": True})
    assert "--approximate" in wording.command(asked)
    inputs = {role: replace(entry, path=None) for role, entry in whole.inputs.items()}
    assert "approximate=True" in wording.command(replace(asked, inputs=inputs))
