"""The metrics against brute force from raw points, in their limits, and under invariances."""

import math

import numpy as np
import pytest
from scipy.stats import binom, gamma, mannwhitneyu

import byheart
from byheart import UsageError
from byheart.auditing.metrics import balls, phases
from byheart.auditing.metrics import further as further_metrics
from byheart.auditing.metrics import tables as metrics
from byheart.auditing.metrics.definitions import DEFINITIONS, share_metric
from byheart.auditing.metrics.extraction import extraction_scores
from byheart.auditing.metrics.further import BALL_NEIGHBOURS
from byheart.auditing.metrics.neighbour_tables import NeighbourTables
from byheart.distances.neighbours import two_way, within

K = BALL_NEIGHBOURS


def measured(train, heldout, generated, seed=0, k=32, level=0.05, chosen="all"):
    """All metrics of three sets, the real rows shuffled as in an audit."""
    rng = np.random.default_rng(seed)
    real = np.concatenate([train, heldout])
    order = rng.permutation(len(real))
    real, training = real[order], order < len(train)
    table, among = two_way(generated, real, k), within(real, k)
    tables = NeighbourTables(generated, real, training, table, among)
    return metrics.measure(chosen, tables, level, rng)


def values(found):
    return {name: metric.value for name, metric in found.items()}


def distances(a, b):
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=2))


def others(a):
    """Sorted distances of each row to the other rows of its set."""
    square = distances(a, a)
    np.fill_diagonal(square, np.inf)
    return np.sort(square, axis=1)


def brute(train, heldout, generated):
    """The definitions, word by word, from all distances."""
    real = np.concatenate([train, heldout])
    to_train, to_heldout = distances(generated, train), distances(generated, heldout)
    to_real = np.concatenate([to_train, to_heldout], axis=1)
    first, second = np.sort(to_train, axis=1)[:, :2].T
    nearest, next_one = np.sort(to_real, axis=1)[:, :2].T
    own, other = to_train.min(axis=1), to_heldout.min(axis=1)
    phase = phases.phases(train, heldout, generated)
    held = distances(heldout, train).min(axis=1)
    m, h = len(generated), len(heldout)
    u = mannwhitneyu(own, held).statistic
    radii, made = others(real)[:, K - 1], others(generated)[:, K - 1]
    inside = to_real <= radii
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (generated, train)]
    shares = np.linalg.eigvalsh(unit[0] @ unit[0].T / m)
    shares = shares[shares > 1e-15]
    near = [np.sort(to_real, axis=0)[:20, : len(train)].T, others(real)[: len(train), :20]]
    sums = [np.log(t[:, -1:] / np.maximum(t[:, :-1], 1e-300)).sum(axis=1) for t in near]
    ends = gamma.ppf([[0.025], [0.975]], 19)  # of the intervals, 20 neighbours
    return {
        "near_copy_share": np.mean(nearest <= next_one / 3),
        "authenticity": np.mean(own > others(train)[to_train.argmin(axis=1), 0]),
        "nearest_distance_ratio": np.median(first / second),
        "coverage": inside.any(axis=0).mean(),
        "median_distance_ratio": np.median(nearest) / np.median(others(real)[:, 0]),
        "nearest_share": np.mean((own < other) + (own == other) / 2),
        "c_t": (u - m * h / 2) / math.sqrt(m * h * (m + h + 1) / 12),
        "precision": inside.any(axis=1).mean(),
        "density": inside.sum(axis=1).mean() / K,
        "recall": (to_real <= made[:, None]).any(axis=0).mean(),
        "memorization_distance": (1 - np.abs(unit[0] @ unit[1].T)).min(axis=1).mean(),
        "vendi_score": np.exp(-(shares * np.log(shares)).sum()),
        "local_dimension": np.median(18 / sums[1]),
        "overfit_share": np.mean(ends[1] / sums[0] < ends[0] / sums[1]),
        **{f"{name}_share": getattr(phase, name).value for name in phases.PHASES},
        "ams": np.mean(own <= np.quantile(held, 0.01)),
        "ums": (to_train.min(axis=0) <= np.quantile(held, 0.01)).sum() / m,
    }


def cases():
    rng = np.random.default_rng(11)
    normal = rng.normal(size=(3, 70, 4))
    copier = normal.copy()
    copier[2, :20] = copier[0, :20] + 0.02 * rng.normal(size=(20, 4))
    heavy = rng.standard_t(1.5, size=(3, 60, 3))
    few = [rng.normal(size=(n, 3)) for n in (12, 300, 50)]  # lists name too few training rows
    return {
        "normal": tuple(normal),
        "copier": tuple(copier),
        "heavy tails": tuple(heavy),
        "few training rows": tuple(few),
        "positive": tuple(np.abs(normal)),
        "float32": tuple(normal.astype(np.float32)),
        "more balls than a list": tuple(0.1 ** np.array([0, 0, 3])[:, None, None] * normal),
    }


@pytest.mark.parametrize("name", cases())
def test_metrics_are_those_of_all_distances(name):
    sets = cases()[name]
    exact = brute(*(x.astype(np.float64) for x in sets))
    # Distances agree to some 1e-15; shares are of equal counts. Unit rows of float32 are rounded to
    # 6e-8 a coordinate, so half a squared distance, mean .1, is known to about 1e-7.
    tolerance = 1e-6 if name == "float32" else 1e-9
    found = values(measured(*sets))
    del found["likelihood_gap"]  # a fit; test_likelihood_gap.py
    if len(sets[1]) != len(sets[2]):  # a random cut into blocks of one size
        for one in (found, exact):
            del one["spurious_share"], one["generalized_share"]
    assert found == pytest.approx(exact, rel=tolerance)


def test_ams_and_ums_are_those_of_the_extraction_scores():
    train, heldout, generated = cases()["copier"]
    radius = float(np.quantile(distances(heldout, train).min(axis=1), 0.01))
    found, bands = measured(train, heldout, generated), [(-math.inf, radius)]
    scores = extraction_scores(train, heldout, generated, bands, measure="distance").bands[0]
    assert found["ams"].value == scores.ams.value > 0.2
    assert found["ums"].value == scores.ums.value > 0.2
    assert found["ams"].interval == pytest.approx(scores.ams.interval)
    assert found["ums"].interval == pytest.approx(scores.ums.interval)


def test_ties_count_half_for_the_nearest_share():
    both = np.random.default_rng(1).normal(size=(40, 3))
    found = measured(both, both.copy(), both[:10])
    assert found["nearest_share"].value == 0.5


def test_copies():
    train, heldout = np.random.default_rng(2).normal(size=(2, 80, 4))
    found = values(measured(train, heldout, train))
    assert found["authenticity"] == found["nearest_distance_ratio"] == 0
    assert found["near_copy_share"] == found["nearest_share"] == found["precision"] == 1
    assert found["memorization_distance"] == pytest.approx(0, abs=1e-12)
    # All distances to T are 0, below all held-out ones: U = 0.
    assert found["c_t"] == pytest.approx(-(80**2) / 2 / math.sqrt(80**2 * 161 / 12))


def test_disjoint_laws():
    rng = np.random.default_rng(3)
    train, heldout = rng.normal(size=(2, 80, 4))
    found = values(measured(train, heldout, 100 + rng.normal(size=(60, 4))))
    for name in ("precision", "density", "recall", "coverage", "near_copy_share"):
        assert found[name] == 0
    assert found["authenticity"] == 1
    assert found["c_t"] == pytest.approx(80 * 60 / 2 / math.sqrt(80 * 60 * 141 / 12))


def test_identical_laws():
    rng = np.random.default_rng(4)
    found = measured(*rng.normal(size=(3, 400, 2)))
    n, m = 800, 400
    # Naeem et al. 2020: expected density 1; a ball of k of n - 1 misses all of m further rows with
    # probability prod_{j<k} (n - 1 - j)/(n + m - 1 - j). Their spread: .03 and .02 in repeats.
    missed = np.prod([(n - 1 - j) / (n + m - 1 - j) for j in range(K)])
    assert found["density"].value == pytest.approx(1, abs=0.12)
    assert found["coverage"].value == pytest.approx(1 - missed, abs=0.08)
    # A share of 400 rows near 1/2 has a standard deviation below .025 + what T adds, as much again.
    assert found["nearest_share"].value == pytest.approx(0.5, abs=4 * 0.036)
    # z of two independent samples given T; a normal value outside 4 has probability 6e-5.
    assert abs(found["c_t"].value) < 4


def test_a_blurred_copier_fools_c_t():
    rng = np.random.default_rng(5)
    train, heldout, fresh = 0.4 * rng.normal(size=(3, 300, 20))
    generated = fresh + 0.2 * rng.normal(size=fresh.shape)
    generated[:30] = train[:30] + 0.05 * rng.normal(size=(30, 20))
    found = measured(train, heldout, generated, chosen="tables")
    assert found["c_t"].interval[0] > 0  # "not a copy", though a tenth of the rows are copies
    assert found["near_copy_share"].value >= 0.05


@pytest.mark.parametrize("change", ["order", "rotation", "scale", "shift"])
def test_invariances(change):
    sets = cases()["copier"]
    rng = np.random.default_rng(6)
    turn, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    changed = {
        "order": lambda x: x[rng.permutation(len(x))],
        "rotation": lambda x: x @ turn,
        "scale": lambda x: 7.0 * x,
        "shift": lambda x: x + 3.0,
    }[change]
    before, after = values(measured(*sets)), values(measured(*map(changed, sets)))
    if change == "rotation":  # each column is standardised
        del before["likelihood_gap"], after["likelihood_gap"]
    if change == "shift":  # cosines are not those of a shifted origin
        for name in ("memorization_distance", "vendi_score"):
            del before[name], after[name]
    assert after == pytest.approx(before, rel=1e-9)


def test_intervals_cover_what_they_say():
    """T and H fixed, G redrawn (for recall G fixed and R redrawn), at level 10%."""
    rng = np.random.default_rng(7)
    real, training = rng.normal(size=(160, 3)), np.arange(160) < 80
    among = within(real)

    def draw(made):
        tables = NeighbourTables(made, real, training, two_way(made, real), among)
        return metrics.measure("all", tables, 0.1, rng)

    repeats, seen, recalls = 60, [], []
    fixed = 1.2 * rng.normal(size=(100, 3))
    for _ in range(repeats):
        seen.append(draw(1.2 * rng.normal(size=(100, 3))))
        inside = distances(rng.normal(size=(160, 3)), fixed) <= others(fixed)[:, K - 1]
        recalls.append(share_metric("recall", int(inside.any(axis=1).sum()), 160, 0.1))
    # The truth is taken from the same repeats: its own error is an eighth of an interval's. Normal
    # intervals may miss a little oftener than they say, at m = 100: allow 15%. Fewer than the .1%
    # point of Binomial(60, .85) has probability .001, for each of 9 metrics.
    least = binom.ppf(0.001, repeats, 0.85)
    for name in seen[0]:
        found = recalls if name == "recall" else [one[name] for one in seen]
        # c_t: over H too, below; the dimensions: over training rows, not over G.
        if name in ("c_t", "local_dimension", "overfit_share") or found[0].interval is None:
            continue
        middle = np.median if name == "nearest_distance_ratio" else np.mean
        truth = middle([one.value for one in found])
        held = [one.interval[0] <= truth <= one.interval[1] for one in found]
        assert sum(held) >= least, name


@pytest.mark.slow
def test_the_interval_of_c_t_covers():
    rng = np.random.default_rng(8)
    # Distances uniform on [0, 1] and on [0, 1.5]: P(g > h) = 1/2 + (1/2)(1/3) = 2/3.
    m, h, repeats = 120, 80, 400
    truth = (2 / 3 - 0.5) * m * h / math.sqrt(m * h * (m + h + 1) / 12)
    missed = 0
    for _ in range(repeats):
        _, (low, high) = metrics.data_copying(1.5 * rng.random(m), rng.random(h), 0.1)
        missed += not low <= truth <= high
    # Level 10%; above the .1% point of Binomial(400, .1) with probability .001. The interval's
    # variance is that of exponential laws, a little larger here.
    assert missed <= binom.ppf(0.999, repeats, 0.1)


def test_balls_find_every_ball():
    rng = np.random.default_rng(9)
    queries, centres = rng.normal(size=(90, 3)), rng.normal(size=(150, 3))
    radii = rng.random(150) * 3
    inside = distances(queries, centres) <= radii
    assert inside.sum(axis=1).max() > 32  # some lie in more balls than the first list holds
    assert np.array_equal(balls.counts(queries, centres, radii), inside.sum(axis=1))
    assert np.array_equal(balls.covered(queries, centres, radii), inside.any(axis=1))


def test_dimensions_of_few_rows_and_of_lattices_are_left_out():
    rng = np.random.default_rng(10)
    few = measured(rng.normal(size=(9, 2)), rng.normal(size=(9, 2)), rng.normal(size=(2, 2)))
    corners = np.eye(24)  # all distances equal: of no dimension
    lattice = measured(corners[:12], corners[12:], corners[:12] + 0.1)
    for found in (few, lattice):
        assert {"local_dimension", "overfit_share"} & found.keys() == set()


def test_rows_of_zeros_have_no_direction():
    rows = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    assert further_metrics.cosine_distances(rows, np.zeros((3, 2))).tolist() == [1, 1, 1]
    assert further_metrics.cosine_distances(rows, rows).tolist() == [1, 0, 0]
    assert further_metrics.vendi(rows) == pytest.approx(3)


def test_an_audit_fills_the_metrics():
    train, heldout, generated = cases()["copier"]
    short = byheart.audit(train, heldout, generated, permutations=99)
    full = byheart.audit(train, heldout, generated, permutations=99, metrics="all")
    assert {name: full.metrics[name] for name in short.metrics} == short.metrics
    found = values(full.metrics)
    assert found.pop("likelihood_gap") < 0  # test_likelihood_gap.py has the rest
    assert found == pytest.approx(brute(train, heldout, generated), rel=1e-9)
    assert full.metrics.keys() == DEFINITIONS.keys()
    assert short.p_value == full.p_value
    for name, metric in full.metrics.items():
        known = DEFINITIONS[name]
        assert metric.goal == known.goal
        assert known.minimum <= metric.value <= known.maximum
        if metric.interval is not None:
            low, high = metric.interval
            assert known.minimum <= low <= metric.value <= high <= known.maximum


def test_without_heldout_rows_the_training_rows_are_the_real_ones():
    train, _, generated = cases()["copier"]
    found = byheart.audit(train, None, generated, metrics="all").metrics
    assert found.keys() == DEFINITIONS.keys() - {
        "c_t",
        "nearest_share",
        "likelihood_gap",
        "memorized_share",
        "spurious_share",
        "generalized_share",
        "ams",
        "ums",
    }
    assert found["coverage"].value == np.mean(
        distances(generated, train).min(axis=0) <= others(train)[:, K - 1]
    )


def test_another_choice_is_refused():
    with pytest.raises(UsageError, match="metrics must be one of tables, all, got 'some'"):
        byheart.audit(*cases()["normal"], metrics="some")
