"""What to do next: for every outcome, with the sizes that the result asks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from byheart.auditing.result import Independence
from byheart.auditing.verdict import heldout_needed
from byheart.report.advice import next_steps


def test_every_outcome_has_steps(any_result):
    steps = next_steps(any_result)
    assert len(steps) >= 2
    assert len(set(steps)) == len(steps)
    assert all(step.endswith(".") for step in steps)


def test_copies_name_what_to_change(build):
    text = " ".join(next_steps(build["copies-images"]()))
    for words in (
        "24 named training images",
        "duplicates",
        "2 rows stand even in both sets",
        "MemorizationMonitor",
        "more images than 400",
        "byheart forecast --data data/train",
        "byheart compare",
    ):
        assert words in text


def test_a_list_needs_held_out_rows(build):
    whole = build["copies-images"]()
    # Benjamini-Hochberg names k points of n when |H| + 1 >= n/(q k): 400/(.1 * 5) = 800.
    none = replace(
        whole, copies=replace(whole.copies, pairs=(), flagged_train=(), memorized_lower_bound=5)
    )
    assert "hold out 799 rows instead of 400" in " ".join(next_steps(none))


def test_a_cleared_model_could_be_looked_at_closer(build):
    # to see 1.5% instead of 3%: twice the rows, or (1 + 400/400)^2 - 1 = 3 held-out ones for each
    text = " ".join(next_steps(build["generalizes-images"]()))
    assert "audit about 800 training rows" in text
    assert "hold out 1,200 rows instead of 400" in text


def test_without_a_held_out_set_the_smallest_useful_one_is_named(build):
    # 20 copies ahead of all m held-out rows: (400/(400 + m))^20 <= .05 from m = 65 on
    text = " ".join(next_steps(build["inconclusive-without-heldout"]()))
    assert "fewer than 65" in text
    assert (400 / 465) ** 20 <= 0.05 < (400 / 464) ** 20


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"exchangeability": False}, "split them at random"),
        ({"role_swap": False}, "not exchanged"),
        ({"comparability": False}, "value range"),
        ({"independence": False}, "never seen"),
    ],
)
def test_each_failed_control_has_its_step(build, changes, words):
    whole = build["generalizes-images"]()
    held = whole.controls
    ((name, _),) = changes.items()
    failed = (
        Independence(0.1, 0.0, 1e-4, False)
        if name == "independence"
        else replace(getattr(held, name), passed=False)
    )
    odd = replace(whole, verdict="inconclusive", controls=replace(held, **{name: failed}))
    assert words in " ".join(next_steps(odd))


@pytest.mark.parametrize("rate", [None, 0.12, 0.5])
def test_an_audit_without_power_says_how_to_get_it(build, rate):
    whole = build["generalizes-images"]()
    held = replace(whole.controls, minimum_detectable_rate=rate)
    text = " ".join(next_steps(replace(whole, verdict="inconclusive", controls=held)))
    assert "not cleared" in text
    assert ("--features" in text) == (rate is None)
    assert ("--resolution 0.12" in text) == (rate == 0.12)
    # 12% to 5% takes 400 (2^2.4 - 1) rows; 50% to 5% would take 409,200, too many to ask for
    assert ("hold out 1,712 rows" in text) == (rate == 0.12)


def test_a_small_trace_asks_for_samples(build):
    whole = build["copies-images"]()
    text = " ".join(next_steps(replace(whole, verdict="inconclusive", kind=None)))
    assert "3,200 instead of 800" in text


def test_the_held_out_rule_is_the_limit_of_equal_evidence():
    more = heldout_needed(1000, 500, 0.05, 0.02)
    copies_now, copies_wanted = 50, 20
    assert (1000 / 1500) ** copies_now >= (1000 / (1000 + more)) ** copies_wanted
    assert (1000 / 1500) ** copies_now < (1000 / (1000 + more - 1)) ** copies_wanted
