import numpy as np
import pytest

from byheart.monitoring.sequential import SequentialTest, spent_share


def run(test, table):
    return [test.look(values) for values in table]


def test_budget_is_even_over_the_plan_and_never_all_spent():
    shares = [spent_share(k, 7) for k in range(1, 500)]
    assert np.all(np.diff(shares) > 0)
    assert shares[6] == pytest.approx(0.8)
    assert shares[-1] < 1


def brute_force(table, level, planned):
    """The rule as the module states it, at one level, column by column."""
    columns = table.shape[1]
    crossed = set()
    for k, values in enumerate(table, 1):
        budget = int(np.floor(level * spent_share(k, planned) * columns * (1 + 1e-12)))
        for value in np.unique(values):
            tie = {b for b in range(columns) if values[b] == value} - crossed
            if len(crossed) + len(tie) > budget:
                break
            crossed |= tie
    return crossed


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_crossed_columns_are_those_of_the_rule(seed, ties):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(9, 120))
    if ties:
        table = np.round(table, 1)
    test = SequentialTest(0.1, 120, planned=6)
    run(test, table)
    for level, crossed in zip(test.levels, test.crossed, strict=True):
        assert set(np.flatnonzero(crossed)) == brute_force(table, level, 6)


def test_every_level_is_respected_by_counting_in_every_run():
    # The proof needs only this: at any look at most a s_k C columns have crossed at level a.
    rng = np.random.default_rng(1)
    test = SequentialTest(0.05, 500, planned=10)
    for k in range(1, 31):
        test.look(np.round(rng.normal(size=500), 1))
        assert np.all(test.crossed.sum(axis=1) <= test.levels * spent_share(k, 10) * 500 + 1e-9)


@pytest.mark.parametrize("memory", [0.0, 0.9])
@pytest.mark.slow
def test_false_alarms_over_a_whole_run_stay_at_the_level(memory):
    # 400 null runs of 15 looks, dependent in time. Allowed .1; P(Binomial(400, .1) > 59) < .001.
    rng = np.random.default_rng(int(10 * memory))
    alarms = 0
    for _ in range(400):
        test = SequentialTest(0.1, 200, planned=10)
        values = rng.normal(size=200)
        p_values = []
        for _ in range(15):
            fresh = rng.normal(size=200)
            values = memory * values + np.sqrt(1 - memory**2) * fresh
            p_values.append(test.look(values))
        assert np.all(np.diff(p_values) <= 0)
        alarms += min(p_values) <= 0.1
    assert alarms <= 59
    # Not idle either: the rule can spend .1 (1 - .2 10/15) = .087, and in all but ties it does:
    # P(Binomial(400, .06) < 10) < .001.
    assert alarms >= 10


def test_an_alarm_holds_whatever_comes_later():
    test = SequentialTest(0.05, 1000, planned=10)
    assert test.look(np.arange(1000.0)) <= 0.05
    for _ in range(10):
        assert test.look(-np.arange(1000.0)) <= 0.05


def test_a_trace_that_comes_late_is_found_at_once():
    # 2000 .05 .8/50 = 1.6 columns may cross at each look, so the most suspicious one always can.
    rng = np.random.default_rng(2)
    test = SequentialTest(0.05, 2000, planned=50)
    early = [test.look(rng.normal(size=2000)) for _ in range(40)]
    late = rng.normal(size=2000)
    late[0] = -10
    assert early[-1] > 0.05
    assert test.look(late) <= 0.05


def test_the_level_itself_is_on_the_grid():
    for level in (0.01, 0.05, 0.2):
        levels = SequentialTest(level, 2000, 50).levels
        assert level in levels
        assert np.all(np.diff(levels) > 0)
        assert levels[-1] == 1
