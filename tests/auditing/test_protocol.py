"""The audit from end to end, on arrays."""

from dataclasses import asdict

import numpy as np
import pytest

import byheart
from byheart import InputError, UsageError


def sets(seed=0, rows=(120, 120, 150), dimension=6):
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=(size, dimension)) for size in rows)


def statistics(result):
    return np.array([t.statistic for t in result.tests])


def copier(seed=0):
    train, heldout, generated = sets(seed)
    rng = np.random.default_rng(seed + 100)
    generated[:60] = train[:60] + 0.05 * rng.normal(size=(60, 6))
    return train, heldout, generated


@pytest.fixture(scope="module")
def copied():
    return byheart.audit(*copier(), permutations=199)


def test_a_copier_is_caught_and_its_copies_named(copied):
    assert (copied.verdict, copied.kind) == ("memorizes", "copies")
    assert copied.p_value == 1 / 200
    named = set(copied.copies.flagged_train)
    # At a false discovery rate of .1 up to a tenth may be wrong, and a few copies lie behind
    # held-out points by chance.
    assert len(named & set(range(60))) >= 50
    assert len(named - set(range(60))) <= 12
    assert 35 <= copied.copies.memorized_lower_bound <= 60
    for pair in copied.copies.pairs:
        if pair.train_index < 60:
            assert pair.generated_index == pair.train_index


def test_delta_is_negative_and_its_intervals_hold_the_value(copied):
    for curve in (copied.delta.kl, copied.delta.l2):
        assert all(value < 0 for value in curve.values[:3])
        for value, (low, high) in zip(curve.values, curve.intervals, strict=True):
            assert low <= value <= high


def test_an_independent_model_is_cleared():
    result = byheart.audit(*sets(rows=(400, 400, 300)), permutations=199)
    assert (result.verdict, result.kind) == ("generalizes", None)
    assert result.controls.minimum_detectable_rate <= result.resolution


def test_few_rows_are_inconclusive_with_advice():
    result = byheart.audit(*sets(rows=(40, 40, 60)), permutations=199)
    assert result.verdict == "inconclusive"
    assert "training rows or more" in result.reason


def test_without_a_heldout_set_only_descriptive_figures():
    train, _, generated = sets()
    result = byheart.audit(train, None, generated)
    assert result.verdict == "inconclusive"
    assert "no held-out set" in result.reason
    assert result.p_value is None
    assert result.inputs["heldout"] is None
    assert "near_copy_share" in result.metrics


def test_the_same_seed_gives_the_same_result(copied):
    again = byheart.audit(*copier(), permutations=199)
    assert again == copied
    assert byheart.audit(*copier(), seed=1, permutations=199).tests != copied.tests


def test_row_order_does_not_matter(copied):
    rng = np.random.default_rng(5)
    shuffled = byheart.audit(*(x[rng.permutation(len(x))] for x in copier()), permutations=199)
    # Sums over generated rows in another order, rounded to six digits.
    np.testing.assert_allclose(statistics(shuffled), statistics(copied), atol=2e-6)


def test_rotating_raw_features_does_not_matter(copied):
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))
    rotated = byheart.audit(*(x @ rotation for x in copier()), permutations=199)
    # float32 shares in Delta: relative error 1e-6 of shares down to 1e-3, over its logarithm.
    np.testing.assert_allclose(statistics(rotated), statistics(copied), atol=1e-3)


def test_exchanging_train_and_heldout_is_noticed():
    train, heldout, generated = copier()
    result = byheart.audit(heldout, train, generated, permutations=199)
    assert result.verdict == "inconclusive"
    assert not result.controls.role_swap.passed
    assert result.p_value > 0.5


@pytest.mark.parametrize(
    "make",
    [
        lambda rng: tuple(np.ones((n, 3)) for n in (30, 31, 20)),
        lambda rng: tuple(rng.normal(size=(n, 1)) for n in (30, 300, 40)),
        lambda rng: tuple(rng.normal(size=(n, 2)) for n in (300, 30, 40)),
        lambda rng: tuple(rng.integers(0, 2, size=(n, 3)).astype(float) for n in (60, 60, 30)),
        lambda rng: tuple(1e6 + 1e-3 * rng.normal(size=(60, 3)) for _ in range(3)),
        lambda rng: tuple(rng.normal(size=(n, 3)).astype(np.float32) for n in (60, 60, 10)),
    ],
)
def test_awkward_data_neither_crash_nor_alarm(make):
    train, heldout, generated = make(np.random.default_rng(0))
    result = byheart.audit(train, heldout, generated, permutations=99)
    assert result.verdict != "memorizes"
    for name, value in asdict(result.membership).items():
        assert value is None or name == "tpr_at_fpr" or np.all(np.isfinite(value))


def test_rows_in_both_sets_are_counted_and_kept():
    train, heldout, generated = sets()
    heldout[:7] = train[:7]
    result = byheart.audit(train, heldout, generated, permutations=99)
    assert result.controls.duplicates.count == 7
    assert result.controls.duplicates.pairs[0] == (0, 0)
    assert any("equal to a training row" in warning for warning in result.warnings)


def test_groups_are_points():
    rng = np.random.default_rng(0)
    train = np.repeat(rng.normal(size=(40, 6)), 3, axis=0) + 0.01 * rng.normal(size=(120, 6))
    heldout = np.repeat(rng.normal(size=(40, 6)), 3, axis=0) + 0.01 * rng.normal(size=(120, 6))
    groups = (np.repeat(np.arange(40), 3), np.repeat(np.arange(40, 80), 3))
    result = byheart.audit(train, heldout, train[:90] + 0.02, groups=groups, permutations=199)
    assert result.verdict == "memorizes"
    assert result.copies.memorized_lower_bound <= 40
    assert len(result.copies.flagged_train) <= 40


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ({"level": 1.5}, UsageError, "level"),
        ({"permutations": 10}, UsageError, "permutations"),
        ({"seed": -1}, UsageError, "seed"),
        ({"max_memory": "lots"}, UsageError, "max_memory"),
        ({"groups": (["a"], ["b"])}, InputError, "one value per row"),
        ({"groups": (["a"] * 120, ["a"] * 120)}, InputError, "both train and heldout"),
        ({"groups": "no-such-file.txt"}, UsageError, "no such file"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(arguments, error, told):
    with pytest.raises(error, match=told) as caught:
        byheart.audit(*sets(), **arguments)
    assert "\n" not in str(caught.value)


def test_too_few_rows_are_refused():
    with pytest.raises(InputError, match="heldout: 9 rows"):
        byheart.audit(*sets(rows=(40, 9, 40)))


def test_an_input_that_changes_during_the_audit_is_noticed(tmp_path):
    rng = np.random.default_rng(0)
    files = [tmp_path / f"{role}.npy" for role in ("train", "heldout", "generated")]
    for file in files:
        np.save(file, rng.normal(size=(60, 3)))

    def write(state):
        if state.stage == "encoding":
            np.save(files[2], rng.normal(size=(60, 3)))

    with pytest.raises(InputError, match=r"generated .* has changed while it was audited"):
        byheart.audit(*files, permutations=99, progress=write)
