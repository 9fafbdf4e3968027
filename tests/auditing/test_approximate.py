"""An approximate audit: valid at any recall, and honest about what it missed."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import bdtrc

import byheart
from byheart import UsageError
from byheart.auditing import approximate, family
from byheart.auditing.approximate import ApproximateSearch, recall
from byheart.auditing.pool import Distances, Pool
from byheart.distances import index as index_module
from byheart.distances.index import Index
from byheart.distances.neighbours import Neighbours, two_way, within


def sets(seed=0, rows=(120, 120, 150), dimension=6):
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=(size, dimension)) for size in rows)


def copier(**options):
    train, heldout, generated = sets(**options)
    noise = np.random.default_rng(9).normal(size=(60, train.shape[1]))
    generated[:60] = train[:60] + 0.02 * noise
    return train, heldout, generated


def normal(rng):
    return rng.normal(size=(150, 20)), rng.normal(size=(90, 20)), rng.normal(size=(100, 20))


def binary(rng):
    rows = rng.integers(0, 2, size=(340, 7)).astype(float)
    return rows[:150], rows[150:240], rows[240:]


def collapsed(rng):
    train, heldout, generated = normal(rng)
    return train, heldout, generated[:1] + 0.1 * generated


@pytest.mark.parametrize("make", [normal, binary, collapsed])
def test_clean_audits_keep_the_level_at_a_poor_recall(make, monkeypatch):
    """Clean audits of a search that reads 17 of 240 rows reject no more often than the level.

    25 audits at level .2, fixed seeds. The null law is exact, so that more than 11 rejections have
    a probability of at most .002.
    """
    assert bdtrc(11, 25, 0.2) < 0.002
    monkeypatch.setattr(index_module, "list_count", lambda rows: 24)
    k, rejected, found = 8, 0, []
    for seed in range(25):
        rng = np.random.default_rng([seed, 77])
        train, heldout, generated = make(rng)
        pool = Pool.shuffled(train, heldout, None, rng)
        index = Index(pool.rows, generated, rng)
        table, among = index.two_way(generated, k, 1), index.within(k, 1)
        exact = within(pool.rows, 1).distances[:, 0]
        found.append((among.distances[:, 0] <= exact).mean())
        distances = Distances.of(table, among, exact)
        tested = family.run(pool, distances, 99, np.random.default_rng(seed))
        rejected += tested.pooled.p_value <= 0.2
    assert rejected <= 11
    if make is not binary:  # there nearly every row has a twin in its own list
        assert np.mean(found) < 0.7


@pytest.mark.parametrize("make", [sets, copier])
def test_an_index_of_one_list_gives_the_exact_audit(make):
    # 240 rows make one list, and the sample of 1,000 rows is all of them.
    exact = byheart.audit(*make(), permutations=99)
    found = byheart.audit(*make(), permutations=99, approximate=True)
    assert found.approximation.lists == 1
    for part in ("forward", "backward", "among_real"):
        assert getattr(found.approximation, part).at_k == 1
    assert found.tests == exact.tests
    assert found.controls == exact.controls
    assert found.membership == exact.membership
    assert (found.verdict, found.kind, found.reason) == (exact.verdict, exact.kind, exact.reason)
    assert replace(found.copies, share_interval=None) == replace(exact.copies, share_interval=None)
    assert set(exact.metrics) - set(found.metrics) == set(approximate.WITHHELD)
    for name, metric in found.metrics.items():
        assert metric.value == pytest.approx(exact.metrics[name].value, rel=1e-12)
    assert exact.approximation is None
    assert exact.parameters["approximate"] is False


@pytest.fixture(scope="module")
def poor():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(approximate, "MOST", 0.02)
        yield byheart.audit(
            *copier(rows=(1200, 800, 600), dimension=24), permutations=99, approximate=True
        )


def test_close_copies_are_found_at_a_poor_recall_and_the_report_warns(poor):
    assert (poor.verdict, poor.kind) == ("memorizes", "copies")
    assert len(set(poor.copies.flagged_train) & set(range(60))) >= 55  # of 60
    assert poor.approximation.read_by_generated == 0.02
    assert poor.approximation.forward.at_1 < 0.7
    assert any("the approximate search found only" in text for text in poor.warnings)
    assert poor.parameters["approximate"] is True


def test_pairs_have_exact_distances(poor):
    train, _, generated = copier(rows=(1200, 800, 600), dimension=24)
    for pair in poor.copies.pairs:
        true = np.linalg.norm(train[pair.train_index] - generated[pair.generated_index])
        assert pair.distance == pytest.approx(true, rel=1e-12)


def test_the_same_seed_gives_the_same_result_within_any_memory():
    data = copier(rows=(300, 300, 200))
    once = byheart.audit(*data, permutations=99, approximate=True)
    tight = byheart.audit(*data, permutations=99, approximate=True, max_memory="300MiB")
    assert once == tight
    with pytest.raises(UsageError, match="too small for 600 real") as told:
        byheart.audit(*data, approximate=True, max_memory="100MiB")
    assert "\n" not in str(told.value)


def test_sampled_figures_are_those_of_all_rows_within_their_error():
    """On 1,000 of 3,000 rows, with recalls of about .3; a share of .1 has an error of .0095."""
    rng = np.random.default_rng(3)
    real, made = rng.normal(size=(2400, 16)), rng.normal(size=(3000, 16))
    made[:300] = real[:300] + 0.01 * rng.normal(size=(300, 16))
    pool = Pool.shuffled(real[:1200], real[1200:], None, rng)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(approximate, "MOST", 0.02)
        search = ApproximateSearch.run(made, pool.rows, 8, 0.05, rng, 1 << 30)
    low, high = search.metrics("tables", pool.training, 0.01, rng)["near_copy_share"].interval
    assert low < 0.1 < high
    scale = float(np.median(within(pool.rows, 1).distances))
    assert search.distances.scale == pytest.approx(scale, rel=0.02)
    # A table of the same search counts rows whose second neighbour was missed, and not those
    # whose first was: its recall says how wrong it can be.
    exact = two_way(made, pool.rows, 8).forward
    every = recall(search.distances.table.forward, exact, made, pool.rows, np.arange(3000), 0.05)
    low, high = search.approximation.forward.at_1_interval
    assert low - 0.01 < every.at_1 < high + 0.01


def test_recall_counts_ties_as_found():
    x, y = np.zeros((2, 1)), np.array([[1.0], [-1.0], [2.0], [5.0]])
    exact = Neighbours(np.array([[1.0, 1.0]] * 2), np.array([[0, 1]] * 2))
    found = Neighbours(np.array([[1.0, 2.0], [2.0, 5.0]]), np.array([[1, 2], [2, 3]]))
    answer = recall(found, exact, x, y, np.arange(2), 0.05)
    assert (answer.rows, answer.at_1, answer.at_k) == (2, 0.5, 0.25)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"engine": "ray"}, "does not run on engine"),
        ({"metrics": "all"}, "exact passes over all pairs"),
        ({"heldout": None}, "needs a held-out set"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(arguments, told):
    train, heldout, generated = sets()
    given = {"train": train, "heldout": heldout, "generated": generated, **arguments}
    with pytest.raises(UsageError, match=told) as caught:
        byheart.audit(**given, approximate=True)
    assert "\n" not in str(caught.value)
