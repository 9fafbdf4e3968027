from dataclasses import replace

import pytest

from byheart.auditing.result import (
    Comparability,
    Controls,
    ControlTest,
    Copies,
    Duplicates,
    Independence,
    Planted,
)
from byheart.auditing.verdict import Limits, decide

PASSED = ControlTest(0.5, True)
CONTROLS = Controls(
    role_swap=PASSED,
    exchangeability=PASSED,
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
            "20 training points are reproduced",
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
        ({"exchangeability": ControlTest(0.001, False)}, "split the data at random"),
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
    controls = replace(CONTROLS, exchangeability=ControlTest(0.001, False))
    assert decide(0.001, copies, controls, LIMITS).verdict == verdict
    assert decide(0.9, copies, controls, LIMITS).verdict == "inconclusive"


def test_a_heldout_set_that_was_trained_on_never_clears_a_model():
    controls = replace(CONTROLS, independence=Independence(0.5, 0.0, 1e-9, False))
    assert "probably trained on" in decide(0.9, NONE, controls, LIMITS).reason


@pytest.mark.parametrize(("rate", "told"), [(None, "half of the training set"), (0.2, "4,000")])
def test_blindness_is_said_with_what_would_help(rate, told):
    decision = decide(0.9, NONE, replace(CONTROLS, minimum_detectable_rate=rate), LIMITS)
    assert decision.verdict == "inconclusive"
    assert told in decision.reason
