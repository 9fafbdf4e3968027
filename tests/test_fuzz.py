"""Five hundred of the cases of `python -m benchmarks.fuzz`, the same ones every time."""

from benchmarks.fuzz import run


def test_damaged_files_are_read_or_refused_in_one_line():
    number, outcomes, failures = run(lambda number: number < 500, seed=1)
    assert failures == []
    assert number == outcomes["read"] + outcomes["refused"] == 500
    assert min(outcomes["read"], outcomes["refused"]) > 20  # neither all good nor all rubbish
