from dataclasses import replace

import pytest

from byheart.auditing.result import (
    Comparability,
    Controls,
    ControlTest,
    Copies,
    Duplicates,
    Exchangeability,
    Independence,
    Planted,
    Repeated,
    Sensitivity,
    Verbatim,
)
from byheart.auditing.verdict import Findings, Limits, withholding
from byheart.auditing.verdict import decide as decide_on

PASSED = ControlTest(0.5, True)
CONTROLS = Controls(
    role_swap=PASSED,
    exchangeability=Exchangeability(0.5, True),
    comparability=Comparability(1.0, 10.0, True, None),
    independence=Independence(0.0, 0.0, 1.0, True),
    duplicates=Duplicates(0, ()),
    planted=Planted((0.25,), (0.02,), (0.01,), ((1.0,),), (0.02,)),
    minimum_detectable_rate=0.02,
)
NONE = Copies(
    memorized_lower_bound=0,
    fdr=0.1,
    flagged_train=(),
    pairs=(),
    share_of_generated=0.0,
    share_interval=(0.0, 0.01),
    minimum_list_length=10,
    reproduced_train=0,
    reproduced_heldout=0,
    reproduction_p_value=1.0,
)
LIMITS = Limits(1000, 1000, 0.05, 0.01, 0.05)
ODDS = Sensitivity(3.0, None)
DIFFERENT = Verbatim(  # 500 generated rows, none equal to another or to a real one
    train_rows=0,
    train_values=0,
    heldout_rows=0,
    heldout_values=0,
    shared_values=0,
    generated_of_train=0,
    generated_of_heldout=0,
    most_repeated=None,
    generated_rows=500,
    distinct_generated=500,
    effective_generated=500.0,
    real_distinct=True,
    p_value=1.0,
    pairs=(),
)
ONE_ROW = replace(  # one training row, 500 times
    DIFFERENT,
    train_rows=1,
    train_values=1,
    generated_of_train=500,
    most_repeated=Repeated("train", 7, 500),
    distinct_generated=1,
    effective_generated=1.0,
    p_value=0.5,
    pairs=tuple((g, 7) for g in range(500)),
)


def decide(p_value, copies, controls, limits, verbatim=DIFFERENT, odds=ODDS):
    return decide_on(Findings(p_value, copies, verbatim, odds, controls), limits)


@pytest.mark.parametrize(
    ("p_value", "copies", "verdict", "kind", "told"),
    [
        (0.6, NONE, "generalizes", None, "20 of 1,000"),
        (0.01, replace(NONE, memorized_lower_bound=40), "memorizes", "traces", "at least 40"),
        (0.01, replace(NONE, memorized_lower_bound=9), "inconclusive", None, "tolerance"),
        (
            0.01,
            replace(NONE, memorized_lower_bound=8, flagged_train=(1, 2)),
            "memorizes",
            "copies",
            "2 are named",
        ),
        # 20 exact copies among 3,000 rows: fewer than 1%, but reproduced beyond chance.
        (
            0.01,
            replace(NONE, memorized_lower_bound=5, reproduced_train=20, reproduced_heldout=2),
            "memorizes",
            "copies",
            "20 are reproduced, against 2",
        ),
        # Near-duplicates in the data: held-out rows are reproduced just as often.
        (
            0.01,
            replace(NONE, memorized_lower_bound=5, reproduced_train=20, reproduced_heldout=18),
            "inconclusive",
            None,
            "tolerance",
        ),
        (0.01, replace(NONE, flagged_train=(1,)), "inconclusive", None, "tolerance"),
    ],
)
def test_verdicts(p_value, copies, verdict, kind, told):
    decision = decide(p_value, copies, CONTROLS, LIMITS)
    assert (decision.verdict, decision.kind) == (verdict, kind)
    assert told in decision.reason


@pytest.mark.parametrize("p_value", [0.001, 0.9])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"exchangeability": Exchangeability(0.001, False)}, "split the data at random"),
        ({"role_swap": ControlTest(0.001, False)}, "not exchanged"),
        ({"comparability": Comparability(200.0, 10.0, False, None)}, "data's scale"),
        ({"comparability": Comparability(3.0, 10.0, False, "upside down")}, "upside down"),
    ],
)
def test_a_failed_control_decides_nothing(p_value, change, told):
    decision = decide(p_value, NONE, replace(CONTROLS, **change), LIMITS)
    assert decision.verdict == "inconclusive"
    assert told in decision.reason


@pytest.mark.parametrize(
    ("reproduced", "by_train", "verdict"),
    [(30, 1e-6, "memorizes"), (30, 0.5, "inconclusive"), (1, 1e-6, "inconclusive")],
)
def test_plain_copies_stay_copies_when_the_sets_differ(reproduced, by_train, verdict):
    copies = replace(
        NONE,
        memorized_lower_bound=20,
        flagged_train=(1,),
        reproduced_train=reproduced,
        reproduction_p_value=by_train,
    )
    controls = replace(CONTROLS, exchangeability=Exchangeability(0.001, False))
    beyond, explained = Sensitivity(2.0, 1.6), Sensitivity(2.0, 1.4)
    decision = decide(0.001, copies, controls, LIMITS, odds=beyond)
    assert decision.verdict == verdict
    assert "left a trace" not in decision.reason  # no bound holds
    assert decide(0.001, copies, controls, LIMITS, odds=explained).verdict == "inconclusive"
    assert decide(0.9, copies, controls, LIMITS, odds=beyond).verdict == "inconclusive"


def test_a_heldout_set_that_was_trained_on_never_clears_a_model():
    controls = replace(CONTROLS, independence=Independence(0.5, 0.0, 1e-9, False))
    assert "probably trained on" in decide(0.9, NONE, controls, LIMITS).reason


@pytest.mark.parametrize(("rate", "told"), [(None, "half of the training set"), (0.2, "4,000")])
def test_blindness_is_said_with_what_would_help(rate, told):
    decision = decide(0.9, NONE, replace(CONTROLS, minimum_detectable_rate=rate), LIMITS)
    assert decision.verdict == "inconclusive"
    assert told in decision.reason


def test_a_collapsed_copier_is_never_cleared():
    """One training row 500 times: the family sees next to nothing, identity all there is."""
    decision = decide(0.6, NONE, CONTROLS, LIMITS, verbatim=ONE_ROW)
    assert decision.verdict == "inconclusive"
    assert decision.reason.startswith("training rows come back verbatim: 1 (row 7) in 500 of 500")
    found = replace(ONE_ROW, real_distinct=False)  # p = .5: as likely a held-out row
    decision = decide(0.6, NONE, CONTROLS, LIMITS, verbatim=found)
    assert decision.verdict == "inconclusive"
    assert "only 1 of 500 generated rows are distinct" in decision.reason
    plenty = replace(found, distinct_generated=400, p_value=0.21)
    assert decide(0.6, NONE, CONTROLS, LIMITS, verbatim=plenty).verdict == "generalizes"
    favours = replace(plenty, p_value=0.19)
    assert decide(0.6, NONE, CONTROLS, LIMITS, verbatim=favours).verdict == "inconclusive"


@pytest.mark.parametrize(
    "change",
    [
        {"exchangeability": Exchangeability(0.001, False)},
        {"comparability": Comparability(200.0, 10.0, False, None)},
    ],
)
def test_verbatim_rows_stand_first_whatever_else_failed(change):
    controls = replace(CONTROLS, **change)
    decision = decide(0.6, NONE, controls, LIMITS, verbatim=ONE_ROW)
    assert decision.verdict == "inconclusive"
    assert decision.reason.startswith("training rows come back verbatim")


def test_bound_and_list_are_withheld_where_the_sets_differ():
    drifted = replace(CONTROLS, exchangeability=Exchangeability(0.001, False))
    assert withholding(CONTROLS) is None
    assert "no bound, list or epsilon" in withholding(drifted)
