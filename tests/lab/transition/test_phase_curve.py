"""The phases over n: planted curves, censored peaks, and how often noise passes for a peak."""

import numpy as np
import pytest
from scipy.stats import binom

from byheart.errors import UsageError
from byheart.lab.sweeps.record import Outcome, Record
from byheart.lab.transition.phase_curve import SHARES, peak_text, phase_curve
from byheart.lab.transition.phase_graph import phase_graph
from byheart.plotting import graph_chart

SIZES = (10, 20, 40, 80, 160)


def records(spurious, trials=12, seed=0, spread=0.03):
    """Trials whose spurious share at each size is normal around what is given."""
    rng = np.random.default_rng(seed)
    made = []
    for n, mean in zip(SIZES, spurious, strict=True):
        for repeat in range(trials):
            share = float(np.clip(mean + spread * rng.normal(), 0, 1))
            shares = (0.5 * (1 - share), share, 0.5 * (1 - share))
            figures = dict(zip(SHARES, shares, strict=True))
            made.append(Record(n, repeat, Outcome(True, 0.0, 1.0, figures)))
    return made


def test_a_planted_peak_is_found():
    curve = phase_curve(records((0.1, 0.2, 0.6, 0.3, 0.1)))
    assert (curve.peak.estimate, curve.peak.interval) == (40, (20, 80))
    assert curve.found
    assert curve.height.value == pytest.approx(0.6, abs=0.04)
    assert curve.rise.value == pytest.approx(0.5, abs=0.06)
    assert "at n = 40 [20, 80]" in peak_text(curve)
    for point in curve.points:
        shares = (point.memorized, point.spurious, point.generalized)
        assert sum(share.value for share in shares) == pytest.approx(1)
        assert all(s.interval[0] <= s.value <= s.interval[1] for s in shares)
    graph = phase_graph(curve, "Phases")
    assert [len(series.y) for series in graph.series] == [5, 5, 5]
    assert graph_chart(graph).to_dict()["title"]["text"] == "Phases"


@pytest.mark.parametrize(
    ("means", "censored"),
    [((0.6, 0.4, 0.3, 0.2, 0.1), "at or below 10"), ((0.1, 0.2, 0.3, 0.4, 0.6), "above 160")],
)
def test_a_peak_at_an_end_is_censored(means, censored):
    curve = phase_curve(records(means))
    assert curve.peak.censored == censored
    assert not curve.found
    assert censored in peak_text(curve)
    assert "no peak between two phases" in peak_text(curve)


def test_two_close_shares_widen_the_interval():
    curve = phase_curve(records((0.1, 0.5, 0.5, 0.5, 0.1)))
    assert curve.peak.interval == (10, 160)


def test_noise_is_seldom_a_peak():
    """Five equal shares: `found` at level 5% in about 2.5%, one side of a corrected interval."""
    found = sum(
        phase_curve(records((0.3,) * 5, trials=8, seed=seed), repeats=400).found
        for seed in range(100)
    )
    # A bootstrap of 8 trials is too narrow by about a third: allow 8%. Above the .1% point of
    # Binomial(100, .08) with probability .001.
    assert found <= binom.ppf(0.999, 100, 0.08)


def test_the_peaks_interval_covers():
    """Of three nearly equal sizes each may come out largest; the bracket of the true one is in."""
    held = 0
    for seed in range(100):
        made = records((0.1, 0.29, 0.31, 0.29, 0.1), trials=10, seed=2000 + seed, spread=0.05)
        low, high = phase_curve(made, repeats=400).peak.interval
        held += low <= 20 and high >= 80
    # Above the .1% point of Binomial(100, .9) from below: with probability .001 at 90%.
    assert held >= binom.ppf(0.001, 100, 0.9)


def test_intervals_of_means_cover():
    truth, held, runs = 0.4, 0, 200
    for seed in range(runs):
        curve = phase_curve(records((truth,) * 5, trials=15, seed=1000 + seed), repeats=300)
        low, high = curve.points[2].spurious.interval
        held += low <= truth <= high
    # 95% less what a bootstrap of 15 lacks: 90%. Below the .1% point with probability .001.
    assert held >= binom.ppf(0.001, runs, 0.9)


def test_records_without_shares_are_left_out():
    made = records((0.1, 0.2, 0.6, 0.3, 0.1))
    old = [Record(10, 99, Outcome(True, 0.0, 1.0)), Record(20, 99, None, "failed")]
    curve = phase_curve(made + old)
    assert curve.without == 1
    assert [point.trials for point in curve.points] == [12] * 5
    assert phase_curve(old) is None
    assert phase_curve([record for record in made if record.n == 10]) is None


def test_a_single_trial_has_no_interval():
    curve = phase_curve(records((0.1, 0.2, 0.6, 0.3, 0.1), trials=1))
    assert curve.points[0].spurious.interval is None
    assert curve.rise.interval is None
    assert not curve.found
    assert phase_graph(curve, "Phases").series[0].intervals is None
    peak_text(curve)


def test_arguments_out_of_range():
    with pytest.raises(UsageError, match="level"):
        phase_curve([], level=2.0)
