"""AMS and UMS are their definitions; the intervals cover."""

import math

import numpy as np
import pytest

from byheart.auditing.metrics.extraction import band_scores, distinct_interval, extraction_scores
from byheart.errors import InputError, UsageError


def cosine(g, x):
    return float(g @ x / math.sqrt((g @ g) * (x @ x)))


def distance(g, x):
    return math.sqrt(((g - x) ** 2).sum())


def brute(rows, generated, low, high, measure):
    """The definitions, pair by pair, and what each sample alone has found."""
    values = [
        [(cosine if measure == "cosine" else distance)(g, x) for x in rows] for g in generated
    ]
    best = max if measure == "cosine" else min
    ams = sum(low <= best(v) <= high for v in values)
    found = [{j for j, value in enumerate(v) if low <= value <= high} for v in values]
    ums = len(set().union(*found))
    alone = [len(f - set().union(*(found[:i] + found[i + 1 :]))) for i, f in enumerate(found)]
    return ams, ums, alone


@pytest.mark.parametrize("measure", ["cosine", "distance"])
def test_scores_are_brute_force(measure, monkeypatch):
    monkeypatch.setattr("byheart.auditing.metrics.extraction._BLOCK_ENTRIES", 50)  # several blocks
    rng = np.random.default_rng(0)
    train, heldout = rng.normal(size=(2, 15, 3))
    generated = rng.normal(size=(20, 3))
    bands = [(0.3, 0.6), (0.6, 0.8), (0.8, 1.0)]
    found = extraction_scores(train, heldout, generated, bands, measure=measure)
    assert (found.rows, found.note, found.generated) == (15, "", 20)
    for rows, closed, opened in (
        (train, found.bands, found.cumulative),
        (heldout, found.chance, found.chance_cumulative),
    ):
        for k, (low, high) in enumerate(bands):
            far = (low, math.inf) if measure == "cosine" else (-math.inf, high)
            for score, band in ((closed[k], (low, high)), (opened[k], far)):
                ams, ums, alone = brute(rows, generated, *band, measure)
                assert (score.low, score.high) == band
                assert (score.ams.count, score.ums.count) == (ams, ums)
                assert score.ams.value == ams / 20
                reach = distinct_interval(ums, np.array(alone, dtype=float), 15)
                np.testing.assert_allclose(score.ums.interval, np.array(reach) / 20)


def test_bands_are_not_cumulative_and_ums_can_exceed_ams():
    train = np.array([[1.0, 0.0], [0.8, 0.6], [0.75, 0.7]])
    # One sample on the first row: its closest row is outside of the band, two others are inside.
    (band,) = band_scores(train, train[:1], [(0.7, 0.9)])
    assert (band.ams.count, band.ums.count) == (0, 2)
    (all_of_it,) = band_scores(train, train[:1], [(0.7, math.inf)])
    assert (all_of_it.ams.count, all_of_it.ums.count) == (1, 3)
    assert all_of_it.ums.value > all_of_it.ams.value


def test_larger_sets_are_cut_and_say_so():
    rng = np.random.default_rng(0)
    train, heldout, generated = (rng.normal(size=(n, 2)) for n in (30, 10, 5))
    found = extraction_scores(train, heldout, generated, [(0.0, 1.0)])
    assert found.rows == 10
    assert found.note.startswith("train has 30 rows and heldout 10: 10 random rows of train were")
    assert found == extraction_scores(train, heldout, generated, [(0.0, 1.0)])
    # All of the cut set is within reach: no more than its rows are found.
    assert found.cumulative[0].ums.count <= 10


def test_a_row_of_zeros_is_like_nothing():
    (band,) = band_scores(np.zeros((1, 2)), np.ones((3, 2)), [(-1.0, -0.01), (0.01, 1.0)][:1])
    assert (band.ams.count, band.ums.count) == (0, 0)


@pytest.mark.parametrize(("samples", "species"), [(60, 100), (300, 100), (100, 2000)])
@pytest.mark.slow
def test_the_interval_of_distinct_rows_covers(samples, species):
    rng = np.random.default_rng(samples)
    expected = species * (1 - (1 - 0.5 / species) ** samples)  # half of the samples find nothing
    covered = 0
    for _ in range(400):
        draws = rng.integers(2 * species, size=samples)
        times = np.bincount(draws[draws < species], minlength=species)
        alone = np.isin(draws, np.flatnonzero(times == 1)).astype(float)
        low, high = distinct_interval(int((times > 0).sum()), alone, species)
        covered += low <= expected <= high
    # At a coverage of .95 fewer than 370 of 400 has a chance of 1%.
    assert covered >= 370


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"heldout": np.ones((3, 5))}, InputError, "must have the same columns"),
        ({"generated": np.ones(3)}, InputError, r"generated: expected a \(rows, dimension\)"),
        ({"bands": []}, UsageError, "at least one pair"),
        ({"bands": [0.5]}, UsageError, "pairs"),
        ({"bands": [(1.0, 0.5)]}, UsageError, "swap the two"),
        ({"bands": [(math.nan, 0.5)]}, UsageError, "is not low <= high"),
        ({"measure": "jaccard"}, UsageError, "measure must be one of cosine, distance"),
        ({"level": 2.0}, UsageError, "level"),
    ],
)
def test_refusals(changes, error, message):
    sets = dict.fromkeys(("train", "heldout", "generated"), np.eye(3)) | {"bands": [(0.5, 1.0)]}
    with pytest.raises(error, match=message):
        extraction_scores(**(sets | changes))
